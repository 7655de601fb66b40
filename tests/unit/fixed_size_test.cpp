// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/fixed_size.hpp"

#include "cowire/serializers/struct.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

using namespace cowire;
using testing::decode_every_cut;
using testing::encode_all;

using Fixed = FixedSize<Text<>>;
using Packets = testing::Outcomes<Fixed>;

static_assert(StreamSerializer<Fixed> && HasFrameLimit<Fixed>);
static_assert(std::is_empty_v<Fixed::decoder_state>);

namespace {

struct Point {
  std::int16_t x = 0;
  std::uint8_t y = 0;
  static constexpr auto fields = std::tuple{&Point::x, &Point::y};
  friend bool operator==(const Point&, const Point&) = default;
};

struct Even {
  using sent_packet = std::string;
  using received_packet = std::string;
  void serialize(const std::string& text, OutputBuffer& out) const { out.append(text); }
  std::string deserialize(Bytes bytes) const {
    if (std::to_integer<int>(bytes[0]) % 2 != 0) {
      throw Error(errc::malformed);
    }
    return std::string(text_of(bytes));
  }
};

}  // namespace

// Only a serializer that knows its size needs no number.
static_assert(std::is_default_constructible_v<FixedSize<StructSerializer<Point>>>);
static_assert(!std::is_default_constructible_v<Fixed>);

TEST_CASE("frames of N bytes") {
  const Fixed serializer{Text<>{}, 4};
  CHECK(decode_every_cut(serializer, "abcdefgh") == Packets{"abcd", "efgh"});
  CHECK(decode_every_cut(serializer, "abcdef") == Packets{"abcd", errc::truncated});
  CHECK(decode_every_cut(serializer, "").empty());
  CHECK(serializer.frame_limit() == 4);
}

TEST_CASE("need_more says how many, a packet consumes exactly N, views are into the input") {
  const FixedSize serializer{Text<std::string_view>{}, 4};
  decltype(serializer)::decoder_state state;
  CHECK(serializer.decode(bytes_of("abc"), state).total() == 4);
  const std::string input = "abcdef";
  auto answer = serializer.decode(bytes_of(input), state);
  REQUIRE(answer.has_packet());
  CHECK(answer.value() == "abcd");
  CHECK(answer.value().data() == input.data());
  CHECK(answer.consumed() == 4);
}

TEST_CASE("a packet of another size cannot be sent") {
  const Fixed serializer{Text<>{}, 4};
  CHECK(encode_all(serializer, "abcd", "efgh") == "abcdefgh");
  for (const std::string_view text : {"", "abc", "abcde"}) {
    const auto error = thrown([&] { encode_all(serializer, text); });
    REQUIRE(error);
    CHECK(error->code() == errc::not_sendable);
    CHECK(error->context().size == text.size());
    CHECK(error->context().detail == "packets must have 4 bytes");
  }
}

TEST_CASE("what the inner serializer rejects is consumed, the stream goes on") {
  CHECK(decode_every_cut(FixedSize{Even{}, 2}, "b1a1d1") == Packets{"b1", errc::malformed, "d1"});
}

TEST_CASE("a struct knows its size") {
  const FixedSize serializer{StructSerializer<Point>{}};
  using Points = testing::Outcomes<std::remove_const_t<decltype(serializer)>>;
  CHECK(serializer.frame_limit() == 3);
  const std::string stream = encode_all(serializer, Point{-2, 7}, Point{258, 0});
  CHECK(stream == std::string("\xff\xfe\7\1\2\0", 6));
  CHECK(decode_every_cut(serializer, stream) == Points{Point{-2, 7}, Point{258, 0}});
}

TEST_CASE("size 0 is refused") {
  const auto error = thrown([] { Fixed(Text<>{}, 0); });
  REQUIRE(error);
  CHECK(error->code() == errc::invalid_argument);
}
