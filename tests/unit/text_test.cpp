// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/text.hpp"

#include "cowire/testing/splits.hpp"

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
