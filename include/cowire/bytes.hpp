// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cowire {

/// Bytes that somebody else owns, to read.
using Bytes = std::span<const std::byte>;

/// Bytes that somebody else owns, to write.
using MutableBytes = std::span<std::byte>;

/// The bytes of a text, without a copy.
inline Bytes bytes_of(std::string_view text) noexcept {
  return std::as_bytes(std::span{text.data(), text.size()});
}

/// Bytes seen as text, without a copy or a check of the encoding.
inline std::string_view text_of(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Bytes as a person can read them: printable ASCII as it is, the rest escaped, at most
/// `most` bytes of them.
///
///     printable(bytes_of("GET /\r\n\x01"))  ->  GET /\r\n\x01
inline std::string printable(Bytes bytes, std::size_t most = 32) {
  constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (std::byte byte : bytes.first(bytes.size() < most ? bytes.size() : most)) {
    const auto value = std::to_integer<unsigned char>(byte);
    if (value == '\r') {
      out += "\\r";
    } else if (value == '\n') {
      out += "\\n";
    } else if (value == '\t') {
      out += "\\t";
    } else if (value == '\\' || value == '"') {
      out += '\\';
      out += static_cast<char>(value);
    } else if (value >= 0x20 && value < 0x7f) {
      out += static_cast<char>(value);
    } else {
      out += "\\x";
      out += hex[value >> 4U];
      out += hex[value & 0xfU];
    }
  }
  if (bytes.size() > most) {
    out += "...";
  }
  return out;
}

}  // namespace cowire
