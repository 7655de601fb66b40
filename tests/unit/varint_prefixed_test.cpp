// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/varint_prefixed.hpp"

#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

using namespace cowire;
using namespace std::string_literals;
using testing::decode_every_cut;
using testing::encode_all;

using Varint = VarintPrefixed<Text<>>;
using Packets = testing::Outcomes<Varint>;

static_assert(StreamSerializer<Varint> && HasFrameLimit<Varint>);
static_assert(std::is_empty_v<Varint::decoder_state>);

namespace {

Varint limited(std::size_t limit) { return Varint(Text<>{}, {.limit = limit}); }

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

}  // namespace

TEST_CASE("the length comes first, 7 bits in each byte") {
  CHECK(encode_all(Varint{}, "hi", "", "x") == "\2hi\0\1x"s);
  CHECK(decode_every_cut(Varint{}, "\2hi\0\1x"s) == Packets{"hi", "", "x"});
  const std::string text(300, 'x');  // protobuf's own example: 300 is ac 02
  CHECK(encode_all(Varint{}, text, "y") == "\xac\2"s + text + "\1y");
  CHECK(decode_every_cut(Varint{}, "\xac\2"s + text + "\1y") == Packets{text, "y"});
}

TEST_CASE("lengths about the widths") {
  for (const auto& [size, head] :
       {std::pair{127U, "\x7f"s}, std::pair{128U, "\x80\1"s}, std::pair{16383U, "\xff\x7f"s},
        std::pair{16384U, "\x80\x80\1"s}, std::pair{65536U, "\x80\x80\4"s}}) {
    std::string text(size, 'x');
    text.front() = 'a';
    text.back() = 'z';
    CHECK(encode_all(Varint{}, text) == head + text);
    CHECK(testing::decode_all(Varint{}, head + text + head + text) == Packets{text, text});
  }
}

TEST_CASE("need_more says how many bytes the frame has, as far as it is known") {
  Varint::decoder_state state;
  CHECK(Varint{}.decode({}, state).total() == 1);
  CHECK(Varint{}.decode(bytes_of("\xac"), state).total() == 2);
  CHECK(Varint{}.decode(bytes_of("\xac\2w"), state).total() == 302);
}

TEST_CASE("a packet of exactly the limit passes, one byte more is dropped as it comes") {
  CHECK(decode_every_cut(limited(4), "\4abcd\5abcde\1x") == Packets{"abcd", errc::too_large, "x"});
  CHECK(decode_every_cut(limited(0), "\0\1x\0"s) == Packets{"", errc::too_large, ""});
  CHECK(encode_all(limited(4), "abcd") == "\4abcd");
  const auto error = thrown([] { encode_all(limited(4), "abcde"); });
  REQUIRE(error);
  CHECK(error->code() == errc::too_large);
  CHECK(error->context().size == 5);
  CHECK(error->context().limit == 4);
}

TEST_CASE("a length with more bytes than it needs is taken") {
  CHECK(decode_every_cut(Varint{}, "\x82\0hi\x80\x80\0\x81\x80\x80\x80\x80\x80\x80\x80\x80\0x"s) ==
        Packets{"hi", "", "x"});
}

TEST_CASE("a length of more than 64 bits is malformed, its 10 bytes are dropped") {
  const std::string nine(9, '\xff');
  CHECK(decode_every_cut(Varint{}, nine + "\2\1x") == Packets{errc::malformed, "x"});
  CHECK(decode_every_cut(Varint{}, nine + "\x80\1x") == Packets{errc::malformed, "x"});
  CHECK(decode_every_cut(Varint{}, std::string(9, '\x80') + "\x81\1x") ==
        Packets{errc::malformed, "x"});
}

TEST_CASE("hostile lengths are refused from the header and do not wrap around") {
  Varint::decoder_state state;
  constexpr std::uint64_t max64 = std::numeric_limits<std::uint64_t>::max();
  const auto most = Varint{}.decode(bytes_of(std::string(9, '\xff') + "\1"), state);  // 2^64 - 1
  REQUIRE(most.is_bad());
  CHECK(most.error().code() == errc::too_large);
  CHECK(most.error().context().size == max64);
  CHECK(most.consumed() == max64);
  const auto half = Varint{}.decode(bytes_of(std::string(9, '\x80') + "\1"), state);  // 2^63
  CHECK(half.consumed() == (std::uint64_t{1} << 63U) + 10);
  const auto four = Varint{}.decode(bytes_of("\xff\xff\xff\xff\x0f"), state);  // 2^32 - 1
  CHECK(four.consumed() == 0xffffffffULL + 5);
  CHECK(limited(unlimited).decode(bytes_of(std::string(9, '\xff') + "\1"), state).total() ==
        unlimited);
}

TEST_CASE("the end of the stream inside the length or the packet") {
  CHECK(decode_every_cut(Varint{}, "\1a\x80") == Packets{"a", errc::truncated});
  CHECK(decode_every_cut(Varint{}, "\1a\2b") == Packets{"a", errc::truncated});
}

TEST_CASE("earlier output is not touched, and frame_limit does not overflow") {
  BlockPool pool;
  OutputBuffer out(pool);
  out.append("earlier");
  Varint{}.serialize(std::string(200, 'x'), out);
  CHECK(text_of(out.readable()) == "earlier\xc8\1" + std::string(200, 'x'));
  CHECK(limited(4).frame_limit() == 14);
  CHECK(limited(unlimited).frame_limit() == unlimited);
}
