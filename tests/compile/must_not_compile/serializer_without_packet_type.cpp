// expect: received_packet
// SPDX-License-Identifier: BSL-1.0
// A serializer must name what it reads.
#include "cowire/serializer.hpp"

struct Nameless {
  using sent_packet = int;
#ifdef CONTROL
  using received_packet = int;
#endif
  void serialize(int, cowire::OutputBuffer&) const {}
  int deserialize(cowire::Bytes) const { return 0; }
};

static_assert(cowire::Serializer<Nameless>);
