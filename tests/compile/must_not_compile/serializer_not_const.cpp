// expect: s\.serialize\(packet, out\)
// SPDX-License-Identifier: BSL-1.0
// One serializer serves all connections: it must not need to change.
#include "cowire/serializer.hpp"

struct Counting {
  using sent_packet = int;
  using received_packet = int;
#ifdef CONTROL
  void serialize(int, cowire::OutputBuffer&) const {}
#else
  void serialize(int, cowire::OutputBuffer&) { ++count; }
  int count = 0;
#endif
  int deserialize(cowire::Bytes) const { return 0; }
};

static_assert(cowire::Serializer<Counting>);
