// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace mojifinder {

/// The two fields of a line of UnicodeData.txt that tell a character's name.
struct UnicodeRecord {
  char32_t code;
  std::string_view name;
};

/// The whole text of a file.
///
/// @throws std::runtime_error The file cannot be read.
inline std::string read_file(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::string text;
  if (!error) {
    text.resize(static_cast<std::size_t>(size));
    std::ifstream file(path, std::ios::binary);
    if (!file.read(text.data(), std::ssize(text))) {
      error = std::make_error_code(std::errc::permission_denied);
    }
  }
  if (error) {
    throw std::runtime_error("cannot read " + path.string() + ": " + error.message() +
                             "; give the path of the UnicodeData.txt that comes with mojifinder");
  }
  return text;
}

/// The part of `text` before `end`, or all of it; taken from `text` together with `end`.
inline std::string_view cut_until(std::string_view& text, char end) {
  const std::string_view part = text.substr(0, text.find(end));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

/// What is wrong with a line; `read_unicode_data` adds where it is.
struct BadUnicodeData : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Reads a line of fifteen fields, `0039;DIGIT NINE;Nd;0;EN;;9;9;9;N;;;;;`.
///
/// A name in angle brackets is a label: of characters without a name, or of a range's two ends.
///
/// @throws BadUnicodeData
inline UnicodeRecord parse_unicode_record(std::string_view line) {
  if (std::ranges::count(line, ';') != 14) throw BadUnicodeData("not a line of 15 fields");
  const std::string_view code = cut_until(line, ';');
  const std::string_view name = cut_until(line, ';');

  std::uint32_t value = 0;
  const char* const code_end = code.data() + code.size();
  const auto [read_end, error] = std::from_chars(code.data(), code_end, value, 16);
  if (error != std::errc() || read_end != code_end || value > 0x10FFFF) {
    throw BadUnicodeData("'" + std::string(code) + "' is not a code point");
  }
  const auto is_name_character = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' || c == '-';
  };
  if (name.empty() || !(name.front() == '<' || std::ranges::all_of(name, is_name_character))) {
    throw BadUnicodeData("'" + std::string(name) + "' is not a character's name");
  }
  return {value, name};
}

/// Reads the text of a UnicodeData.txt, in the order of the code points.
///
/// Calls `add_name(code, name)` for each character with a name, and `add_range(first, last, label)`
/// for each pair of lines like `4E00;<CJK Ideograph, First>;...` and `9FFF;<CJK Ideograph, Last>`.
///
/// @throws std::runtime_error The text is not right. The message has `source` and the line.
template <typename AddName, typename AddRange>
void read_unicode_data(std::string_view text, std::string_view source, AddName add_name,
                       AddRange add_range) {
  constexpr std::string_view first_mark = ", First>";
  constexpr std::string_view last_mark = ", Last>";
  std::size_t line = 0;
  try {
    std::string open_range;  // the label of the range that the next line must end
    char32_t range_first = 0;
    char32_t lowest = 0;
    while (!text.empty()) {
      ++line;
      const auto [code, name] = parse_unicode_record(cut_until(text, '\n'));
      if (code < lowest) throw BadUnicodeData("the code points do not ascend");
      lowest = code + 1;
      if (!open_range.empty()) {
        if (name != '<' + open_range + std::string(last_mark)) {
          throw BadUnicodeData("'" + std::string(name) + "' does not end the range before it");
        }
        add_range(range_first, code, open_range);
        open_range.clear();
      } else if (name.ends_with(first_mark)) {
        open_range = name.substr(1, name.size() - 1 - first_mark.size());
        range_first = code;
      } else if (name.ends_with(last_mark)) {
        throw BadUnicodeData("a range ends that was not started");
      } else if (name.front() != '<') {
        add_name(code, name);
      }
    }
    if (!open_range.empty()) throw BadUnicodeData("a range starts that is not ended");
    if (line == 0) throw BadUnicodeData("the file is empty");
  } catch (const BadUnicodeData& bad) {
    throw std::runtime_error(std::string(source) + ':' + std::to_string(line) + ": " + bad.what() +
                             "; replace it by the UnicodeData.txt that comes with mojifinder");
  }
}

}  // namespace mojifinder
