// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "unicode_data.hpp"
#include "words.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mojifinder {

/// Appends the number of a character in hexadecimal, at least four digits: `0039`, `1F525`.
inline void append_code(std::string& out, char32_t code) {
  int shift = 12;
  while (shift < 28 && code >> (shift + 4) != 0) shift += 4;
  for (; shift >= 0; shift -= 4) out.push_back("0123456789ABCDEF"[code >> shift & 0xF]);
}

/// The short names of the Hangul syllables (Unicode Standard, section 3.12).
///
/// A syllable is a leading consonant, a vowel and a trailing consonant; so is its number in the
/// block, and so is its name. The first consonant and the last may be silent.
struct HangulSyllables {
  static constexpr std::string_view prefix = "HANGUL SYLLABLE ";
  static constexpr char32_t first = 0xAC00;
  static constexpr char32_t last = 0xD7A3;
  static constexpr std::array<std::string_view, 19> leads{"G", "GG", "N", "D",  "DD", "R", "M",
                                                          "B", "BB", "S", "SS", "",   "J", "JJ",
                                                          "C", "K",  "T", "P",  "H"};
  static constexpr std::array<std::string_view, 21> vowels{
      "A",  "AE", "YA", "YAE", "EO", "E",  "YEO", "YE", "O",  "WA", "WAE",
      "OE", "YO", "U",  "WEO", "WE", "WI", "YU",  "EU", "YI", "I"};
  static constexpr std::array<std::string_view, 28> trails{
      "",   "G",  "GG", "GS", "N",  "NJ", "NH", "D",  "L", "LG", "LM", "LB", "LS", "LT",
      "LP", "LH", "M",  "B",  "BS", "S",  "SS", "NG", "J", "C",  "K",  "T",  "P",  "H"};

  /// Appends the short name of a syllable: `GAG` for U+AC01.
  static void append_name(std::string& out, char32_t code) {
    const std::size_t index = code - first;
    out += leads[index / (vowels.size() * trails.size())];
    out += vowels[index / trails.size() % vowels.size()];
    out += trails[index % trails.size()];
  }

  /// The syllable with this short name: consonants, vowels, consonants.
  static std::optional<char32_t> find(std::string_view name) {
    const std::string_view all_vowels = "AEIOUWY";
    const std::size_t vowel = std::min(name.find_first_of(all_vowels), name.size());
    const std::size_t trail = std::min(name.find_first_not_of(all_vowels, vowel), name.size());
    const auto l = std::ranges::find(leads, name.substr(0, vowel)) - leads.begin();
    const auto v = std::ranges::find(vowels, name.substr(vowel, trail - vowel)) - vowels.begin();
    const auto t = std::ranges::find(trails, name.substr(trail)) - trails.begin();
    if (l == std::ssize(leads) || v == std::ssize(vowels) || t == std::ssize(trails)) return {};
    return first + static_cast<char32_t>((l * std::ssize(vowels) + v) * std::ssize(trails) + t);
  }
};

/// A range of characters that UnicodeData.txt gives by its first and last alone.
///
/// A name in it is the prefix and one word more, `CJK UNIFIED IDEOGRAPH-` and `4E2D`. The character
/// gives that word and the word gives the character, so a search needs no index here.
struct DerivedNames {
  char32_t first;
  char32_t last;
  std::string_view prefix;

  /// Appends the name of a character of the range.
  void append_name(std::string& out, char32_t code) const {
    out += prefix;
    is_hangul() ? HangulSyllables::append_name(out, code) : append_code(out, code);
  }

  bool is_hangul() const { return prefix == HangulSyllables::prefix; }

  /// The character that this last word of a name tells; it need not be of the range.
  std::optional<char32_t> find_last_word(std::string_view word) const {
    if (is_hangul()) return HangulSyllables::find(word);
    std::uint32_t code = 0;
    std::from_chars(word.data(), word.data() + word.size(), code, 16);
    std::string exact;  // `04E2D` and `4E2DX` are read as 4E2D too, but no name has them
    append_code(exact, code);
    return exact == word ? std::optional<char32_t>(code) : std::nullopt;
  }

  bool prefix_has(std::string_view word) const {
    bool has = false;
    for_each_word(prefix, [&](std::string_view own) { has = has || own == word; });
    return has;
  }

  /// Appends the characters whose names have all the words, in code point order.
  void search(const std::vector<std::string>& words, std::vector<char32_t>& found) const {
    char32_t from = first;
    char32_t to = last;
    for (const std::string& word : words) {
      if (prefix_has(word)) continue;
      const std::optional<char32_t> code = find_last_word(word);
      if (!code || *code < from || *code > to) return;  // no name has all the words
      from = to = *code;
    }
    for (char32_t code = from; code <= to; ++code) found.push_back(code);
  }
};

/// The names of a range with this label in UnicodeData.txt (Unicode Standard, table 4-8).
///
/// @returns Nothing for ranges whose characters have no names: surrogates and private use.
/// @throws BadUnicodeData The Hangul syllables are not where every version of Unicode has them.
inline std::optional<DerivedNames> derived_names(char32_t first, char32_t last,
                                                 std::string_view label) {
  if (label.starts_with("CJK Ideograph")) {
    return DerivedNames{first, last, "CJK UNIFIED IDEOGRAPH-"};
  }
  if (label.starts_with("Tangut Ideograph")) {
    return DerivedNames{first, last, "TANGUT IDEOGRAPH-"};
  }
  if (label == "Hangul Syllable") {
    if (first != HangulSyllables::first || last != HangulSyllables::last) {
      throw BadUnicodeData("the Hangul syllables are not U+AC00 to U+D7A3");
    }
    return DerivedNames{first, last, HangulSyllables::prefix};
  }
  return std::nullopt;
}

}  // namespace mojifinder
