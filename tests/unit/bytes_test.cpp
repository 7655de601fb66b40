// SPDX-License-Identifier: BSL-1.0
#include "cowire/bytes.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace cowire;

TEST_CASE("bytes_of and text_of look at the same memory") {
  const std::string text("a\0b", 3);
  const Bytes bytes = bytes_of(text);
  CHECK(bytes.size() == 3);
  CHECK(static_cast<const void*>(bytes.data()) == static_cast<const void*>(text.data()));
  CHECK(text_of(bytes).data() == text.data());
  CHECK(text_of(bytes) == text);
  CHECK(bytes_of("").empty());
  CHECK(text_of(Bytes{}).empty());
}

TEST_CASE("printable escapes what a terminal should not see") {
  CHECK(printable(bytes_of("GET /\r\n\x01")) == "GET /\\r\\n\\x01");
  CHECK(printable(bytes_of("\t\"\\")) == "\\t\\\"\\\\");
  CHECK(printable(bytes_of("\x1f \x7e\x7f\x80\xff")) == "\\x1f ~\\x7f\\x80\\xff");
  CHECK(printable({}) == "");
}

TEST_CASE("printable stops after the asked number of bytes and says so") {
  const std::string text(33, 'x');
  CHECK(printable(bytes_of(text)) == std::string(32, 'x') + "...");
  CHECK(printable(bytes_of(text).first(32)) == std::string(32, 'x'));
  CHECK(printable(bytes_of("abc"), 2) == "ab...");
  CHECK(printable(bytes_of("abc"), 0) == "...");
}
