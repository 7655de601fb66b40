// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <cstddef>
#include <utility>

namespace cowire {

/// Sends with one serializer and receives with another, where the two directions differ.
///
///     Stapled{Raw<>{}, LineSerializer<>{}}      // answers of any form to requests of a line each
///
///     sent         "any\nbytes"  ->  any\nbytes
///     received     "one\ntwo\n"  ->  "one", "two"
///
/// Of the sending half only `sent_packet` and `serialize` are used.
template <class Sent, StreamSerializer Received>
  requires Writes<Sent, typename Sent::sent_packet>
class Stapled {
 public:
  using sent_packet = typename Sent::sent_packet;
  using received_packet = typename Received::received_packet;
  using decoder_state = typename Received::decoder_state;

  explicit Stapled(Sent sent = Sent{}, Received received = Received{})
      : sent_(std::move(sent)), received_(std::move(received)) {}

  /// Appends the packet, as the sending half does.
  template <class Packet = sent_packet>
    requires Writes<Sent, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    sent_.serialize(packet, out);
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& state) const {
    return received_.decode(bytes, state);
  }

  Decoded<received_packet> decode_end(Bytes bytes, decoder_state& state) const
    requires DecodesEnd<Received>
  {
    return received_.decode_end(bytes, state);
  }

  /// The receiving half's.
  std::size_t frame_limit() const noexcept
    requires HasFrameLimit<Received>
  {
    return received_.frame_limit();
  }

 private:
  [[no_unique_address]] Sent sent_;
  [[no_unique_address]] Received received_;
};

}  // namespace cowire
