// expect: Converter<
// SPDX-License-Identifier: BSL-1.0
// The converter must make what the serializer writes.
#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"

#include <string>
#include <vector>

struct Numbers {
  using sent_packet = int;
  using received_packet = int;
#ifdef CONTROL
  std::string to_wire(int) const { return "1"; }
#else
  std::vector<int> to_wire(int) const { return {1}; }
#endif
  int from_wire(const std::string&) const { return 1; }
};

cowire::StreamProtocol<cowire::LineSerializer<>, Numbers> protocol;
