// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/serializer.hpp"
#include "cowire/text_encoding.hpp"

#include <concepts>
#include <string>
#include <string_view>

namespace cowire {

/// The options of Text.
struct TextOptions {
  TextEncoding encoding = TextEncoding::any;  ///< What texts are checked for, in both directions.
};

/// One-shot: the bytes of a packet are the packet. For the wrappers that find packets in a stream:
///
///     LengthPrefixed<Text<>>                                  00 00 00 02 'h' 'i'    "hi"
///     LengthPrefixed{Text{{.encoding = TextEncoding::utf8}}}  00 00 00 02 c0 af      malformed
///
/// The packets are `std::string`, or `std::string_view`: views into the receive buffer.
template <class Packet = std::string>
  requires std::constructible_from<Packet, std::string_view>
class Text {
 public:
  using sent_packet = Packet;
  using received_packet = Packet;

  Text() = default;
  explicit Text(const TextOptions& options) noexcept : encoding_(options.encoding) {}

  /// Appends the text as it is.
  /// @throws Error not_sendable: it is not of the encoding.
  void serialize(std::string_view text, OutputBuffer& out) const {
    check_text(text, encoding_, errc::not_sendable);
    out.append(text);
  }

  /// All the bytes.
  /// @throws Error malformed: they are not of the encoding.
  Packet deserialize(Bytes bytes) const {
    check_text(text_of(bytes), encoding_, errc::malformed);
    return Packet(text_of(bytes));
  }

 private:
  TextEncoding encoding_ = TextEncoding::any;
};

}  // namespace cowire
