// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/cbor_check.hpp"
#include "cowire/detail/json_document.hpp"
#include "cowire/detail/json_serializer.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cowire {

namespace detail {

struct CborBytes {
  static constexpr JsonFeatures features{.binary = true};

  static void write(const nlohmann::json& document, OutputBuffer& out) {
    const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(document);
    out.append(std::as_bytes(std::span(bytes)));
  }

  static void parse(Bytes bytes, std::size_t depth, JsonBuilder& builder) {
    CborCheck(bytes, depth)();
    const char* const data = cowire::text_of(bytes).data();
    nlohmann::json::sax_parse(data, data + bytes.size(), &builder,
                              nlohmann::json::input_format_t::cbor);
  }
};

}  // namespace detail

/// One-shot: a CBOR item (RFC 8949), by nlohmann-json. Needs the CMake target `cowire::json`.
///
///     Cbor<>               {"a": [1, 2]}           <->    a1 61 61 82 01 02
///     LengthPrefixed<Cbor<Order>>                         00 00 00 06 a1 ...
///
/// Packets and limits are those of `Json`; bytes can be sent, too (`nlohmann::json::binary`). What
/// a JSON document cannot hold is malformed: keys that are no text, tags, `undefined` and other
/// simple values, and negative integers of 65 bits. A wrong item is named by its byte.
template <class T = nlohmann::json>
class Cbor : public detail::JsonSerializer<T, detail::CborBytes> {
 public:
  using detail::JsonSerializer<T, detail::CborBytes>::JsonSerializer;
};

}  // namespace cowire
