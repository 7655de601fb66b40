// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "derived_names.hpp"
#include "unicode_data.hpp"
#include "utf8.hpp"
#include "words.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mojifinder {

/// Appends what a result line has before the name: `U+0039\t9\t`.
inline void append_result_start(std::string& out, char32_t code) {
  out += "U+";
  append_code(out, code);
  out += '\t';
  append_utf8(out, code);
  out += '\t';
}

/// Finds characters by the words of their names.
///
/// UnicodeData.txt lists 35,000 names: the index holds their text and, for each word, the
/// characters that have it. 114,000 more names follow from the characters' numbers
/// (`DerivedNames`). An index never changes, so several threads may read one.
///
///     const auto index = mojifinder::CharIndex::from_file("UnicodeData.txt");
///     for (char32_t c : index.search("cat tears")) std::cout << index.name(c) << '\n';
///
///     CAT FACE WITH TEARS OF JOY
class CharIndex {
 public:
  /// Builds the index from a UnicodeData.txt.
  ///
  /// @throws std::runtime_error The file cannot be read or is not right. The message says where.
  static CharIndex from_file(const std::filesystem::path& path) {
    return from_text(read_file(path), path.string());
  }

  /// Builds the index from the text of such a file; `source` is its name in error messages.
  ///
  /// @throws std::runtime_error The text is not right. The message says where.
  static CharIndex from_text(std::string_view text, std::string_view source = "UnicodeData.txt") {
    CharIndex index;
    read_unicode_data(
        text, source, [&](char32_t code, std::string_view name) { index.add_name(code, name); },
        [&](char32_t first, char32_t last, std::string_view label) {
          if (const auto range = derived_names(first, last, label)) index.ranges_.push_back(*range);
        });
    index.text_.shrink_to_fit();
    return index;
  }

  /// The characters whose names have all the words of the query, in code point order.
  ///
  /// `Cat-FACE` is two words. A query without words finds nothing.
  std::vector<char32_t> search(std::string_view query) const {
    std::vector<std::string> words;
    for_each_word(query, [&](const std::string& word) { words.push_back(word); });
    std::ranges::sort(words);  // each word once: a query may be long
    words.erase(std::unique(words.begin(), words.end()), words.end());
    if (words.empty()) return {};

    const std::vector<char32_t> listed = search_listed(words);
    std::vector<char32_t> derived;
    for (const DerivedNames& range : ranges_) range.search(words, derived);
    std::vector<char32_t> found(listed.size() + derived.size());
    std::ranges::merge(listed, derived, found.begin());
    return found;
  }

  /// The name of a character, empty if it has none.
  std::string name(char32_t code) const {
    std::string name;
    append_name(name, code);
    return name;
  }

  /// Appends the name of a character; nothing if it has none.
  void append_name(std::string& out, char32_t code) const {
    const auto listed = std::ranges::lower_bound(names_, code, {}, &Name::code);
    if (listed != names_.end() && listed->code == code) {
      out.append(text_, listed->begin, listed->size);
      return;
    }
    for (const DerivedNames& range : ranges_) {
      if (range.first <= code && code <= range.last) range.append_name(out, code);
    }
  }

  /// Appends the line that shows a character: `U+0039\t9\tDIGIT NINE\r\n`.
  void append_result_line(std::string& out, char32_t code) const {
    append_result_start(out, code);
    append_name(out, code);
    out += "\r\n";
  }

  /// How many characters have a name.
  std::size_t size() const {
    std::size_t count = names_.size();
    for (const DerivedNames& range : ranges_) count += range.last - range.first + 1;
    return count;
  }

 private:
  struct Name {
    char32_t code;
    std::uint32_t begin;  // in text_
    std::uint32_t size;
  };

  void add_name(char32_t code, std::string_view name) {
    names_.push_back(
        {code, static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(name.size())});
    text_ += name;
    for_each_word(name, [&](const std::string& word) {
      std::vector<char32_t>& characters = words_[word];
      if (characters.empty() || characters.back() != code) characters.push_back(code);
    });
  }

  std::vector<char32_t> search_listed(const std::vector<std::string>& words) const {
    std::vector<char32_t> found;
    for (const std::string& word : words) {
      const auto entry = words_.find(word);
      if (entry == words_.end()) return {};
      if (&word == &words.front()) {
        found = entry->second;
        continue;
      }
      std::vector<char32_t> both;
      std::ranges::set_intersection(found, entry->second, std::back_inserter(both));
      found.swap(both);
      if (found.empty()) break;
    }
    return found;
  }

  std::string text_;                                              // the listed names, end to end
  std::vector<Name> names_;                                       // by code point
  std::unordered_map<std::string, std::vector<char32_t>> words_;  // code points in order
  std::vector<DerivedNames> ranges_;                              // by code point
};

/// The line `U+0039\t9\tDIGIT NINE\r\n` of one character, for a name that is at hand.
inline std::string result_line(char32_t code, std::string_view name) {
  std::string line;
  append_result_start(line, code);
  line += name;
  line += "\r\n";
  return line;
}

/// The line after the results: a rule of 66 times U+2500, a space, `12 found\r\n`.
inline std::string status_line(std::size_t found) {
  std::string line;
  for (int i = 0; i < 66; ++i) append_utf8(line, U'\u2500');
  line += ' ';
  line += std::to_string(found);
  line += " found\r\n";
  return line;
}

}  // namespace mojifinder
