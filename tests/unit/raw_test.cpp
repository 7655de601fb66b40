// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/raw.hpp"

#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <type_traits>

using namespace cowire;
using Packets = testing::Outcomes<Raw<>>;

static_assert(StreamSerializer<Raw<>> && StreamSerializer<Raw<std::string_view>>);
static_assert(std::is_empty_v<Raw<>::decoder_state>);

TEST_CASE("a packet is whatever has arrived") {
  CHECK(testing::decode_all(Raw<>{}, "GET x\r\n", {3}) == Packets{"GET", " x\r\n"});
  CHECK(testing::decode_all(Raw<>{}, "abc", {1, 2}) == Packets{"a", "b", "c"});
  CHECK(testing::decode_all(Raw<>{}, "").empty());
}

TEST_CASE("joined, the packets are the stream, however it was cut") {
  const std::string stream("any\0\nbytes\xff", 11);
  const Raw<> serializer{{.limit = 4}};
  for (const auto& cuts : testing::ways_to_cut(stream.size())) {
    std::string joined;
    for (const auto& outcome : testing::decode_all(serializer, stream, cuts)) {
      REQUIRE(outcome.packet);
      CHECK(outcome.packet->size() <= 4);
      joined += *outcome.packet;
    }
    CHECK(joined == stream);
  }
}

TEST_CASE("not more than the limit at a time") {
  CHECK(testing::decode_all(Raw<>{{.limit = 4}}, "abcdefghij") == Packets{"abcd", "efgh", "ij"});
  CHECK(Raw<>{{.limit = 4}}.frame_limit() == 4);
  CHECK(Raw<>{}.frame_limit() == default_frame_limit);
}

TEST_CASE("no bytes, no packet") {
  Raw<>::decoder_state state;
  CHECK(Raw<>{}.decode({}, state).needs_more());
}

TEST_CASE("sends bytes as they are, also more than the limit") {
  CHECK(testing::encode_all(Raw<>{{.limit = 1}}, "ab", "", std::string("c\n")) == "abc\n");
}

TEST_CASE("views are into the input") {
  const Raw<std::string_view> serializer;
  Raw<std::string_view>::decoder_state state;
  const std::string input = "abc";
  CHECK(serializer.decode(bytes_of(input), state).value().data() == input.data());
}

TEST_CASE("limit 0 is refused") {
  const auto error = thrown([] { Raw<>({.limit = 0}); });
  REQUIRE(error);
  CHECK(error->code() == errc::invalid_argument);
}
