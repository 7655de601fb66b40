// SPDX-License-Identifier: BSL-1.0
#include "cowire/text_encoding.hpp"

#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace cowire;

namespace {

std::size_t bad_utf8(std::string_view text) { return find_invalid(text, TextEncoding::utf8); }

/// A sequence of `size` bytes that carries `point`, shortest or not.
std::string sequence(std::uint32_t point, std::size_t size) {
  if (size == 1) {
    return {static_cast<char>(point)};
  }
  constexpr unsigned leads[] = {0xc0, 0xe0, 0xf0, 0xf8, 0xfc};
  std::string text;
  for (std::size_t i = 1; i < size; ++i) {
    text.insert(text.begin(), static_cast<char>(0x80U | (point & 0x3fU)));
    point >>= 6U;
  }
  text.insert(text.begin(), static_cast<char>(leads[size - 2] | point));
  return text;
}

std::size_t shortest(std::uint32_t point) {
  return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

bool is_character(std::uint32_t point) {
  return point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

}  // namespace

TEST_CASE("utf8: every character is, in its shortest form, and no surrogate is") {
  std::size_t wrong = 0;
  for (std::uint32_t point = 0; point <= 0x110000; ++point) {
    const std::size_t expected = is_character(point) ? npos : 0;
    wrong += bad_utf8(sequence(point, shortest(point))) == expected ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("utf8: the first and last sequences of each length") {
  for (const std::uint32_t point : {0U, 0x7fU, 0x80U, 0x7ffU, 0x800U, 0xffffU, 0x10000U, 0xd7ffU,
                                    0xe000U, 0xfffdU, 0xfffeU, 0x10ffffU}) {
    CHECK(bad_utf8(sequence(point, shortest(point))) == npos);
  }
  CHECK(bad_utf8(sequence(0x110000, 4)) == 0);
  CHECK(bad_utf8(sequence(0x1fffff, 4)) == 0);
  CHECK(bad_utf8(sequence(0x200000, 5)) == 0);
  CHECK(bad_utf8(sequence(0x3ffffff, 5)) == 0);
  CHECK(bad_utf8(sequence(0x4000000, 6)) == 0);
  CHECK(bad_utf8(sequence(0x7fffffff, 6)) == 0);
}

TEST_CASE("utf8: overlong forms are refused") {
  for (const std::uint32_t point : {0U, 0x2fU, 0x7fU, 0x80U, 0x7ffU, 0x800U, 0xffffU}) {
    for (std::size_t size = shortest(point) + 1; size <= 6; ++size) {
      CAPTURE(point);
      CHECK(bad_utf8(sequence(point, size)) == 0);
    }
  }
}

TEST_CASE("utf8: surrogates are refused, single and in pairs") {
  for (const std::uint32_t point :
       {0xd800U, 0xdb7fU, 0xdb80U, 0xdbffU, 0xdc00U, 0xdf80U, 0xdfffU}) {
    CHECK(bad_utf8(sequence(point, 3)) == 0);
    CHECK(bad_utf8("ok " + sequence(0xd800, 3) + sequence(point, 3)) == 3);
  }
}

TEST_CASE("utf8: bytes out of place") {
  for (unsigned byte = 0x80; byte <= 0xff; ++byte) {
    const std::string lonely(1, static_cast<char>(byte));
    CHECK(bad_utf8(lonely) == 0);
    CHECK(bad_utf8("a" + lonely + " ") == 1);
  }
  CHECK(bad_utf8("\xc3\xa9\xa9") == 2);
  CHECK(bad_utf8("\xfe\xfe\xff\xff") == 0);
}

TEST_CASE("utf8: a character that is cut short is refused where it starts") {
  for (const std::uint32_t point : {0x7ffU, 0xffffU, 0x10ffffU, 0x20acU, 0x1f600U}) {
    const std::string whole = sequence(point, shortest(point));
    for (std::size_t size = 1; size < whole.size(); ++size) {
      CHECK(bad_utf8("abc" + whole.substr(0, size)) == 3);
      CHECK(bad_utf8("abc" + whole.substr(0, size) + "x") == 3);
      CHECK(bad_utf8("abc" + whole.substr(0, size) + whole) == 3);
    }
  }
}

TEST_CASE("the position is right wherever the bad byte is, in long texts too") {
  for (std::size_t size = 1; size <= 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      text[at] = '\x80';
      CHECK(bad_utf8(text) == at);
      CHECK(find_invalid(text, TextEncoding::ascii) == at);
      CHECK(find_invalid(text, TextEncoding::any) == npos);
    }
  }
  std::string greek;
  for (int i = 0; i < 100; ++i) {
    greek += "\xce\xba ";
  }
  CHECK(bad_utf8(greek) == npos);
  CHECK(bad_utf8(greek + "\xff") == greek.size());
}

TEST_CASE("ascii: 0 to 127") {
  std::string all;
  for (char c = 0; c < 127; ++c) {
    all += c;
  }
  all += '\x7f';
  CHECK(find_invalid(all, TextEncoding::ascii) == npos);
  CHECK(find_invalid("caf\xc3\xa9", TextEncoding::ascii) == 3);
  CHECK(find_invalid("", TextEncoding::ascii) == npos);
}

TEST_CASE("check_text says where the text is wrong") {
  CHECK_FALSE(thrown([] { check_text("caf\xc3\xa9", TextEncoding::utf8, errc::malformed); }));
  const auto error = thrown([] { check_text("ab\xff", TextEncoding::utf8, errc::malformed); });
  REQUIRE(error);
  CHECK(error->code() == errc::malformed);
  CHECK(error->context().position == 2);
  CHECK(std::string_view(error->what()).starts_with("the text is not UTF-8 (byte 2)"));
  const auto ascii = thrown([] { check_text("\xe9", TextEncoding::ascii, errc::not_sendable); });
  REQUIRE(ascii);
  CHECK(ascii->code() == errc::not_sendable);
  CHECK(ascii->context().detail == "the text is not ASCII");
}
