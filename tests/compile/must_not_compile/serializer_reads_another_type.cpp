// expect: s\.deserialize\(bytes\)
// SPDX-License-Identifier: BSL-1.0
// What deserialize returns must be the packet that the serializer promises.
#include "cowire/serializer.hpp"

#include <optional>

struct Optional {
  using sent_packet = int;
  using received_packet = int;
  void serialize(int, cowire::OutputBuffer&) const {}
#ifdef CONTROL
  int deserialize(cowire::Bytes) const { return 0; }
#else
  std::optional<int> deserialize(cowire::Bytes) const { return 0; }
#endif
};

static_assert(cowire::Serializer<Optional>);
