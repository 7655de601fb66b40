// expect: default_initializable
// SPDX-License-Identifier: BSL-1.0
// The connection makes the state of a stream, from nothing.
#include "cowire/serializer.hpp"

struct Stateful {
  using sent_packet = int;
  using received_packet = int;
  struct decoder_state {
#ifndef CONTROL
    explicit decoder_state(int) {}
#endif
  };
  void serialize(int, cowire::OutputBuffer&) const {}
  cowire::Decoded<int> decode(cowire::Bytes, decoder_state&) const {
    return cowire::Decoded<int>::need_more();
  }
};

static_assert(cowire::StreamSerializer<Stateful>);
