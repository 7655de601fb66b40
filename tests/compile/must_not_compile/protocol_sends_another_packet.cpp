// expect: serialize
// SPDX-License-Identifier: BSL-1.0
// What the serializer cannot write cannot be sent.
#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"

struct Point {
  int x = 0;
};

void send(cowire::OutputBuffer& out) {
#ifdef CONTROL
  cowire::StreamProtocol{cowire::LineSerializer{}}.serialize("1", out);
#else
  cowire::StreamProtocol{cowire::LineSerializer{}}.serialize(Point{1}, out);
#endif
}
