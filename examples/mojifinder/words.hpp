// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "utf8.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace mojifinder {

/// The size of the blank or hyphen that `text` starts with, in bytes; 0 if there is none.
///
/// Blank is what Python's `str.split()` takes for blank.
constexpr std::size_t separator_size(std::string_view text) {
  const auto [code, size] = first_character(text);
  const auto within = [c = code](char32_t first, char32_t last) { return first <= c && c <= last; };
  const bool separates = code == '-' || within('\t', '\r') || within(0x1C, ' ') || code == 0x85 ||
                         code == 0xA0 || code == 0x1680 || within(0x2000, 0x200A) ||
                         within(0x2028, 0x2029) || code == 0x202F || code == 0x205F ||
                         code == 0x3000;
  return separates ? size : 0;
}

/// The text without the blanks at its ends: spaces, tabs and the ends of lines.
constexpr std::string_view strip(std::string_view text) {
  constexpr std::string_view blanks = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// Calls `use(word)` for each word of `text`: blanks and hyphens part words, a to z become
/// capitals.
///
/// `chess-black` gives `CHESS` and `BLACK`. Letters beyond ASCII stay as they are: no name of a
/// character has one, so such a word finds nothing.
template <typename Function>
void for_each_word(std::string_view text, Function use) {
  std::string word;
  while (!text.empty()) {
    const std::size_t gap = separator_size(text);
    if (gap == 0) {
      const char c = text.front();
      word.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
    } else if (!word.empty()) {
      use(std::as_const(word));
      word.clear();
    }
    text.remove_prefix(std::max<std::size_t>(gap, 1));
  }
  if (!word.empty()) use(std::as_const(word));
}

}  // namespace mojifinder
