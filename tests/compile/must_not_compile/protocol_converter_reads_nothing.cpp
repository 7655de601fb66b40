// expect: c\.from_wire\(
// SPDX-License-Identifier: BSL-1.0
// A converter converts both ways.
#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"

#include <string>

struct OneWay {
  using sent_packet = int;
  using received_packet = int;
  std::string to_wire(int) const { return "1"; }
#ifdef CONTROL
  int from_wire(const std::string&) const { return 1; }
#endif
};

static_assert(cowire::Converter<OneWay, cowire::LineSerializer<>>);
