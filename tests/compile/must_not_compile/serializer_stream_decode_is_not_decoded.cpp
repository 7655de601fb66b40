// expect: s\.decode\(bytes, state\)
// SPDX-License-Identifier: BSL-1.0
// decode must be able to say "need more" and "bad", not only "a packet".
#include "cowire/serializer.hpp"

struct Hasty {
  using sent_packet = int;
  using received_packet = int;
  struct decoder_state {};
  void serialize(int, cowire::OutputBuffer&) const {}
#ifdef CONTROL
  cowire::Decoded<int> decode(cowire::Bytes, decoder_state&) const {
    return cowire::Decoded<int>::need_more();
  }
#else
  int decode(cowire::Bytes, decoder_state&) const { return 0; }
#endif
};

static_assert(cowire::StreamSerializer<Hasty>);
