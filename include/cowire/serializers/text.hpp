// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/serializer.hpp"

#include <concepts>
#include <string>
#include <string_view>

namespace cowire {

/// One-shot: the bytes of a packet are the packet. For the wrappers that find packets in a stream:
///
///     LengthPrefixed<Text<>>      "\0\0\0\2hi"  ->  packet "hi"
///
/// The packets are `std::string`, or `std::string_view`: views into the receive buffer.
template <class Packet = std::string>
  requires std::constructible_from<Packet, std::string_view>
class Text {
 public:
  using sent_packet = Packet;
  using received_packet = Packet;

  /// Appends the text as it is.
  void serialize(std::string_view text, OutputBuffer& out) const { out.append(text); }

  /// All the bytes, whatever they are.
  Packet deserialize(Bytes bytes) const { return Packet(text_of(bytes)); }
};

}  // namespace cowire
