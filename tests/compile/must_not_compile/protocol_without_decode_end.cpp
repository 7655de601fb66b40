// expect: p\.decode_end\(bytes, state\)
// SPDX-License-Identifier: BSL-1.0
// A protocol of one's own says what the end of the stream means.
#include "cowire/protocol.hpp"

struct Endless {
  using sent_packet = int;
  using received_packet = int;
  struct decoder_state {};
  void serialize(int, cowire::OutputBuffer&) const {}
  cowire::Decoded<int> decode(cowire::Bytes, decoder_state&) const {
    return cowire::Decoded<int>::need_more();
  }
#ifdef CONTROL
  cowire::Decoded<int> decode_end(cowire::Bytes, decoder_state&) const {
    return cowire::Decoded<int>::need_more();
  }
#endif
  std::size_t frame_limit() const { return 0; }
};

static_assert(cowire::Protocol<Endless>);
