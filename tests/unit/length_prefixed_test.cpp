// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/length_prefixed.hpp"

#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

using namespace cowire;
using namespace std::string_literals;
using testing::decode_every_cut;
using testing::encode_all;
using testing::Feed;

using Prefixed = LengthPrefixed<Text<>>;
using PrefixedView = LengthPrefixed<Text<std::string_view>>;
using Packets = testing::Outcomes<Prefixed>;

static_assert(StreamSerializer<Prefixed> && HasFrameLimit<Prefixed>);
static_assert(std::is_empty_v<Prefixed::decoder_state>);

namespace {

Prefixed prefixed(const LengthOptions& options) { return Prefixed(Text<>{}, options); }

constexpr std::uint64_t max64 = std::numeric_limits<std::uint64_t>::max();

/// Rejects "no", throws something else for "boom".
struct Picky {
  using sent_packet = std::string;
  using received_packet = std::string;
  void serialize(const std::string& text, OutputBuffer& out) const { out.append(text); }
  std::string deserialize(Bytes bytes) const {
    if (text_of(bytes) == "no") {
      throw Error(errc::malformed);
    }
    if (text_of(bytes) == "boom") {
      throw std::runtime_error("a mistake in the serializer");
    }
    return std::string(text_of(bytes));
  }
};

}  // namespace

TEST_CASE("the length comes first, in each width and order") {
  struct Case {
    std::size_t width;
    std::endian order;
    std::string frame;
  };
  for (const Case& c :
       {Case{1, std::endian::big, "\2hi"s}, Case{2, std::endian::big, "\0\2hi"s},
        Case{2, std::endian::little, "\2\0hi"s}, Case{4, std::endian::big, "\0\0\0\2hi"s},
        Case{4, std::endian::little, "\2\0\0\0hi"s},
        Case{8, std::endian::big, "\0\0\0\0\0\0\0\2hi"s},
        Case{8, std::endian::little, "\2\0\0\0\0\0\0\0hi"s}}) {
    const Prefixed serializer = prefixed({.width = c.width, .order = c.order});
    CHECK(encode_all(serializer, "hi") == c.frame);
    CHECK(decode_every_cut(serializer, c.frame + c.frame) == Packets{"hi", "hi"});
  }
  CHECK(encode_all(Prefixed{}, "hi") == "\0\0\0\2hi"s);
}

TEST_CASE("packets come out one by one, empty ones too") {
  const Prefixed serializer = prefixed({.width = 1});
  CHECK(decode_every_cut(serializer, "\1a\0\3bcd"s) == Packets{"a", "", "bcd"});
  CHECK(encode_all(serializer, "a", "", "bcd") == "\1a\0\3bcd"s);
  CHECK(decode_every_cut(serializer, "").empty());
}

TEST_CASE("any bytes are carried") {
  const std::string odd("\0\n\r\xff\4", 5);
  CHECK(decode_every_cut(Prefixed{}, encode_all(Prefixed{}, odd)) == Packets{odd});
}

TEST_CASE("need_more says how many bytes the frame has") {
  const Prefixed serializer = prefixed({.width = 2});
  Prefixed::decoder_state state;
  CHECK(serializer.decode({}, state).total() == 2);
  CHECK(serializer.decode(bytes_of("\0"s), state).total() == 2);
  CHECK(serializer.decode(bytes_of("\0\5"s), state).total() == 7);
  const auto answer = serializer.decode(bytes_of("\0\5abcd"s), state);
  CHECK(answer.needs_more());
  CHECK(answer.total() == 7);
  CHECK(answer.consumed() == 0);
}

TEST_CASE("decode consumes the frame and nothing else, views are into the input") {
  const PrefixedView serializer;
  PrefixedView::decoder_state state;
  const std::string input = "\0\0\0\2hi\0\0"s;
  auto answer = serializer.decode(bytes_of(input), state);
  REQUIRE(answer.has_packet());
  CHECK(answer.value() == "hi");
  CHECK(answer.value().data() == input.data() + 4);
  CHECK(answer.consumed() == 6);
}

TEST_CASE("the end of the stream inside the length or the packet") {
  CHECK(decode_every_cut(Prefixed{}, "\0\0\0\1a\0\0"s) == Packets{"a", errc::truncated});
  CHECK(decode_every_cut(Prefixed{}, "\0\0\0\1a\0\0\0\2b"s) == Packets{"a", errc::truncated});
}

TEST_CASE("a packet of exactly the limit passes, one byte more is dropped as it comes") {
  const Prefixed serializer = prefixed({.width = 2, .limit = 4});
  CHECK(decode_every_cut(serializer, "\0\4abcd\0\5abcde\0\1x"s) ==
        Packets{"abcd", errc::too_large, "x"});
  CHECK(decode_every_cut(prefixed({.width = 1, .limit = 0}), "\0\1x\0"s) ==
        Packets{"", errc::too_large, ""});
}

TEST_CASE("the limit is checked as soon as the length is there: nothing is waited for or kept") {
  const Prefixed serializer = prefixed({.limit = 4});
  Prefixed::decoder_state state;
  const auto answer = serializer.decode(bytes_of("\0\0\0\5"s), state);
  REQUIRE(answer.is_bad());
  CHECK(answer.error().code() == errc::too_large);
  CHECK(answer.error().context().size == 5);
  CHECK(answer.error().context().limit == 4);
  CHECK(answer.consumed() == 9);

  Feed<Prefixed> feed(serializer);
  feed.receive(bytes_of("\0\1\0\0"s));
  CHECK(feed.outcomes() == Packets{errc::too_large});
  for (int i = 0; i < 0x10000 / 16; ++i) {
    feed.receive(bytes_of("0123456789abcdef"));
    CHECK(feed.kept() == 0);
  }
  feed.receive(bytes_of("\0\0\0\1x"s));
  CHECK(feed.outcomes() == Packets{errc::too_large, "x"});
}

TEST_CASE("lengths near the end of the integers do not wrap around") {
  const Prefixed wide = prefixed({.width = 8});
  Prefixed::decoder_state state;
  for (const std::string& length :
       {"\xff\xff\xff\xff\xff\xff\xff\xff"s, "\xff\xff\xff\xff\xff\xff\xff\xf8"s}) {
    const auto answer = wide.decode(bytes_of(length), state);
    REQUIRE(answer.is_bad());
    CHECK(answer.consumed() == max64);
    CHECK(answer.error().context().size == read_uint(bytes_of(length), 8, std::endian::big));
  }
  const auto last = wide.decode(bytes_of("\xff\xff\xff\xff\xff\xff\xff\xf7"s), state);
  CHECK(last.consumed() == max64);
  const auto before = wide.decode(bytes_of("\xff\xff\xff\xff\xff\xff\xff\xf6"s), state);
  CHECK(before.consumed() == max64 - 1);

  const auto four = Prefixed{}.decode(bytes_of("\xff\xff\xff\xff"s), state);
  CHECK(four.consumed() == 0xffffffffULL + 4);

  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  const auto unlimited = prefixed({.width = 8, .limit = most})
                             .decode(bytes_of("\xff\xff\xff\xff\xff\xff\xff\xff"s), state);
  CHECK(unlimited.needs_more());
  CHECK(unlimited.total() == most);
}

TEST_CASE("an HTTP request on this port is a length that is too large") {
  const auto outcomes = testing::decode_all(Prefixed{}, "GET / HTTP/1.1\r\n\r\n");
  CHECK(outcomes == Packets(1, errc::too_large));
}

TEST_CASE("a packet over the limit cannot be sent") {
  const Prefixed serializer = prefixed({.limit = 4});
  CHECK(encode_all(serializer, "abcd") == "\0\0\0\4abcd"s);
  const auto error = thrown([&] { encode_all(serializer, "abcde"); });
  REQUIRE(error);
  CHECK(error->code() == errc::too_large);
  CHECK(error->context().size == 5);
  CHECK(error->context().limit == 4);
}

TEST_CASE("a packet whose length does not fit in the width cannot be sent") {
  const Prefixed one = prefixed({.width = 1});
  const std::string most(255, 'x');
  CHECK(encode_all(one, most) == "\xff" + most);
  const auto error = thrown([&] { encode_all(one, most + "x"); });
  REQUIRE(error);
  CHECK(error->code() == errc::too_large);
  CHECK(error->context().size == 256);
  CHECK(error->context().limit == 255);

  const Prefixed two = prefixed({.width = 2, .limit = 1 << 20});
  CHECK(encode_all(two, std::string(0xffff, 'x')).starts_with("\xff\xff"));
  CHECK(thrown([&] { encode_all(two, std::string(0x10000, 'x')); }));
}

TEST_CASE("the length is written in the right place behind earlier output") {
  BlockPool pool;
  OutputBuffer out(pool);
  out.append("sent");
  out.append("earlier");
  out.consume(4);
  prefixed({.width = 1}).serialize("now", out);
  CHECK(text_of(out.readable()) == "earlier\3now");
}

TEST_CASE("what the inner serializer rejects is consumed, the stream goes on") {
  const LengthPrefixed serializer{Picky{}, {.width = 1}};
  CHECK(decode_every_cut(serializer, "\2no\2ok"s) == Packets{errc::malformed, "ok"});
  LengthPrefixed<Picky>::decoder_state state;
  CHECK_THROWS_AS((void)serializer.decode(bytes_of("\4boom"), state), std::runtime_error);
}

TEST_CASE("the width is 1, 2, 4 or 8") {
  for (const std::size_t width : {1U, 2U, 4U, 8U}) {
    CHECK_FALSE(thrown([&] { prefixed({.width = width}); }));
  }
  for (const std::size_t width : {0U, 3U, 5U, 7U, 9U, 16U}) {
    const auto error = thrown([&] { prefixed({.width = width}); });
    REQUIRE(error);
    CHECK(error->code() == errc::invalid_argument);
  }
}

TEST_CASE("frame_limit has room for the length and does not overflow") {
  CHECK(prefixed({.limit = 4}).frame_limit() == 8);
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  CHECK(prefixed({.limit = most}).frame_limit() == most);
}
