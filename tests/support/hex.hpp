// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <charconv>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

/// The bytes of hexadecimal digits; spaces do not count.
///
///     from_hex("00 ff41")  ->  "\0\xff" "A"
inline std::string from_hex(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != ' ' && c != '\n') {
      digits += c;
    }
  }
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    unsigned value = 0;
    const char* const end = digits.data() + i + 2;
    if (i + 2 > digits.size() || std::from_chars(digits.data() + i, end, value, 16).ptr != end) {
      throw std::invalid_argument("these are no hexadecimal digits: " + std::string(text));
    }
    bytes += static_cast<char>(value);
  }
  return bytes;
}
