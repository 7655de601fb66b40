// expect: s\.serialize\(packet, out\)
// SPDX-License-Identifier: BSL-1.0
// A serializer must be able to write.
#include "cowire/serializer.hpp"

struct Mute {
  using sent_packet = int;
  using received_packet = int;
#ifdef CONTROL
  void serialize(int, cowire::OutputBuffer&) const {}
#endif
  int deserialize(cowire::Bytes) const { return 0; }
};

static_assert(cowire::Serializer<Mute>);
