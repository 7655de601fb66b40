// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

namespace cowire {

/// What the bytes of a text may be.
enum class TextEncoding {
  any,    ///< Anything: nothing is checked.
  ascii,  ///< 0 to 127, each byte a character.
  utf8,   ///< UTF-8 after RFC 3629: no overlong forms, no surrogates, up to U+10FFFF.
};

namespace detail {

// How many of the first bytes are below 128. Eight at a time: most text is ASCII.
inline std::size_t ascii_prefix(std::string_view text, std::size_t from) noexcept {
  constexpr std::uint64_t high_bits = 0x8080808080808080;
  while (text.size() - from >= sizeof(std::uint64_t)) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data() + from, sizeof(eight));
    if ((eight & high_bits) != 0) {
      break;
    }
    from += sizeof(eight);
  }
  while (from < text.size() && static_cast<unsigned char>(text[from]) < 0x80) {
    ++from;
  }
  return from;
}

// The size of the character that starts at `at`, by the table of RFC 3629, section 4; 0 if none
// does.
inline std::size_t utf8_character(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80; };
  const unsigned lead = byte(0);
  const unsigned second = byte(1);
  if (lead >= 0xc2 && lead <= 0xdf) {
    return tail(1) ? 2 : 0;
  }
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned least = lead == 0xe0 ? 0xa0 : 0x80;  // overlong below
    const unsigned most = lead == 0xed ? 0x9f : 0xbf;   // surrogates above
    return second >= least && second <= most && tail(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned least = lead == 0xf0 ? 0x90 : 0x80;  // overlong below
    const unsigned most = lead == 0xf4 ? 0x8f : 0xbf;   // past U+10FFFF above
    return second >= least && second <= most && tail(2) && tail(3) ? 4 : 0;
  }
  return lead < 0x80 && at < text.size() ? 1 : 0;
}

}  // namespace detail

/// The position of the first byte that does not begin a character of the encoding, or npos.
///
///     find_invalid("caf\xc3\xa9", TextEncoding::utf8)    ->  npos
///     find_invalid("caf\xc3\xa9", TextEncoding::ascii)   ->  3
///     find_invalid("\xc0\xaf", TextEncoding::utf8)       ->  0      (an overlong '/')
inline std::size_t find_invalid(std::string_view text, TextEncoding encoding) noexcept {
  if (encoding == TextEncoding::any) {
    return npos;
  }
  std::size_t at = detail::ascii_prefix(text, 0);
  while (at < text.size()) {
    const std::size_t size = encoding == TextEncoding::utf8 ? detail::utf8_character(text, at) : 0;
    if (size == 0) {
      return at;
    }
    at = detail::ascii_prefix(text, at + size);
  }
  return npos;
}

/// Checks a text that is received (`code` is errc::malformed) or sent (errc::not_sendable).
/// @throws Error `code`, with the position of the first byte that is not of the encoding.
inline void check_text(std::string_view text, TextEncoding encoding, errc code) {
  const std::size_t at = find_invalid(text, encoding);
  if (at == npos) [[likely]] {
    return;
  }
  ErrorContext context;
  context.detail =
      encoding == TextEncoding::ascii ? "the text is not ASCII" : "the text is not UTF-8";
  context.position = at;
  throw Error(code, std::move(context));
}

}  // namespace cowire
