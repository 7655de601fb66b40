// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/json_document.hpp"
#include "cowire/detail/json_serializer.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cowire {

namespace detail {

struct MessagePackBytes {
  static constexpr JsonFeatures features{.binary = true, .subtypes = true};

  static void write(const nlohmann::json& document, OutputBuffer& out) {
    const std::vector<std::uint8_t> bytes = nlohmann::json::to_msgpack(document);
    out.append(std::as_bytes(std::span(bytes)));
  }

  static void parse(Bytes bytes, std::size_t /*depth*/, JsonBuilder& builder) {
    const char* const data = cowire::text_of(bytes).data();
    nlohmann::json::sax_parse(data, data + bytes.size(), &builder,
                              nlohmann::json::input_format_t::msgpack);
  }
};

}  // namespace detail

/// One-shot: a MessagePack object, by nlohmann-json. Needs the CMake target `cowire::json`.
///
///     MessagePack<>        {"a": [1, 2]}           <->    81 a1 61 92 01 02
///     LengthPrefixed<MessagePack<Order>>                  00 00 00 06 81 ...
///
/// Packets and limits are those of `Json`; bytes can be sent, too (`nlohmann::json::binary`), with
/// a subtype as an extension. Keys must be texts. Timestamps and other extensions arrive as bytes
/// with a subtype.
template <class T = nlohmann::json>
class MessagePack : public detail::JsonSerializer<T, detail::MessagePackBytes> {
 public:
  using detail::JsonSerializer<T, detail::MessagePackBytes>::JsonSerializer;
};

}  // namespace cowire
