// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/text.hpp"

#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <concepts>
#include <string>
#include <string_view>

using namespace cowire;

static_assert(Serializer<Text<>> && Serializer<Text<std::string_view>>);
static_assert(!StreamSerializer<Text<>>);
static_assert(std::same_as<Text<>::received_packet, std::string>);

TEST_CASE("the bytes are the packet") {
  const std::string odd("\0\n\xff", 3);
  CHECK(testing::encode_all(Text<>{}, "a", "", odd, std::string_view("b")) == "a" + odd + "b");
  CHECK(Text<>{}.deserialize(bytes_of(odd)) == odd);
  CHECK(Text<>{}.deserialize({}) == "");
}

TEST_CASE("views are into the input") {
  const std::string input = "abc";
  CHECK(Text<std::string_view>{}.deserialize(bytes_of(input)).data() == input.data());
}

TEST_CASE("an encoding is checked in both directions") {
  const Text<> utf8{{.encoding = TextEncoding::utf8}};
  CHECK(testing::encode_all(utf8, "\xe2\x82\xac") == "\xe2\x82\xac");
  CHECK(utf8.deserialize(bytes_of("\xe2\x82\xac")) == "\xe2\x82\xac");
  const auto received = thrown([&] { (void)utf8.deserialize(bytes_of("a\xe2\x82")); });
  REQUIRE(received);
  CHECK(received->code() == errc::malformed);
  CHECK(received->context().position == 1);
  const auto sent = thrown([&] { testing::encode_all(utf8, "ab\xc0\xaf"); });
  REQUIRE(sent);
  CHECK(sent->code() == errc::not_sendable);
  CHECK(sent->context().position == 2);
  const Text<std::string_view> ascii{{.encoding = TextEncoding::ascii}};
  CHECK(ascii.deserialize(bytes_of("plain")) == "plain");
  CHECK(thrown([&] { (void)ascii.deserialize(bytes_of("\xe2\x82\xac")); }));
}
