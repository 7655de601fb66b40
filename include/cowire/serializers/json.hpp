// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/json_document.hpp"
#include "cowire/detail/json_serializer.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>

namespace cowire {

namespace detail {

struct JsonText {
  static constexpr JsonFeatures features{.numbers_are_finite = true};

  static void write(const nlohmann::json& document, OutputBuffer& out) {
    out.append(document.dump());
  }

  static void parse(Bytes bytes, std::size_t /*depth*/, JsonBuilder& builder) {
    const char* const text = cowire::text_of(bytes).data();
    const bool parsed = nlohmann::json::sax_parse(text, text + bytes.size(), &builder);
    // To nlohmann-json a NUL is the end of the text, whatever comes behind it.
    if (const std::size_t nul = find(bytes, std::byte{0}); parsed && nul != npos) {
      throw json_error(errc::malformed, "there is a NUL behind the text", {}, nul);
    }
  }
};

}  // namespace detail

/// One-shot: a JSON text, by nlohmann-json. Needs the CMake target `cowire::json`.
///
///     Separated<Json<>>                         {"a":[1,2]}\n             nlohmann::json packets
///     LengthPrefixed<Json<Order>>               00 00 00 0f {"id":7,"n":2}
///
/// Packets are `nlohmann::json`, or any type with `to_json` and `from_json`: see also from_field.
/// What is sent is compact. What is received must be one JSON text of RFC 8259, in UTF-8, nested no
/// deeper than `depth`, which is checked while it is read: a deep text costs no more than its
/// bytes. A key twice in an object is malformed, unless the options say that the last one counts.
/// Integers that need more than 64 bits become floating point numbers.
///
/// Errors: malformed names the byte, or the field if that is missing or wrong; too_large: too deep;
/// not_sendable: not UTF-8, infinite, NaN or binary.
///
/// Nothing else is a limit here: that of the bytes is the one of the serializer around it.
template <class T = nlohmann::json>
class Json : public detail::JsonSerializer<T, detail::JsonText> {
 public:
  using detail::JsonSerializer<T, detail::JsonText>::JsonSerializer;
};

}  // namespace cowire
