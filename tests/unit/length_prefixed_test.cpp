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
        Case{2, std::endian::little, "\2\0hi"s}, Case{3, std::endian::big, "\0\0\2hi"s},
        Case{3, std::endian::little, "\2\0\0hi"s}, Case{4, std::endian::big, "\0\0\0\2hi"s},
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

TEST_CASE("the width is 1, 2, 3, 4 or 8") {
  for (const std::size_t width : {1U, 2U, 3U, 4U, 8U}) {
    CHECK_FALSE(thrown([&] { prefixed({.width = width}); }));
  }
  for (const std::size_t width : {0U, 5U, 6U, 7U, 9U, 16U}) {
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

TEST_CASE("the knobs of Netty's LengthFieldBasedFrameDecoder, with the examples of its manual") {
  struct Case {
    LengthOptions options;
    std::string frame;
    std::string packet;
  };
  const std::string hello = "HELLO, WORLD";
  for (const Case& c : {
           Case{{.width = 2, .strip = 0}, "\0\x0c"s + hello, "\0\x0c"s + hello},
           Case{{.width = 2, .strip = 2}, "\0\x0c"s + hello, hello},
           Case{{.width = 2, .adjustment = -2, .strip = 0}, "\0\x0e"s + hello, "\0\x0e"s + hello},
           Case{{.width = 3, .offset = 2, .strip = 0},
                "\xca\xfe\0\0\x0c"s + hello,
                "\xca\xfe\0\0\x0c"s + hello},
           Case{{.width = 3, .adjustment = 2, .strip = 0},
                "\0\0\x0c\xca\xfe"s + hello,
                "\0\0\x0c\xca\xfe"s + hello},
           Case{{.width = 2, .offset = 1, .adjustment = 1, .strip = 3},
                "\0\0\x0c\xfe"s + hello,
                "\xfe"s + hello},
           Case{{.width = 2, .offset = 1, .adjustment = -3, .strip = 3},
                "\0\0\x10\xfe"s + hello,
                "\xfe"s + hello},
           Case{{.width = 1, .offset = 1}, "\0\x0c"s + hello, hello},
           Case{{.width = 1, .adjustment = 1, .strip = 2}, "\x0c\0"s + hello, hello},
           Case{{.width = 4, .order = std::endian::little, .offset = 2, .strip = 1},
                "\0\7\x0c\0\0\0"s + hello,
                "\7\x0c\0\0\0"s + hello},
       }) {
    CAPTURE(printable(bytes_of(c.frame)));
    const Prefixed serializer = prefixed(c.options);
    CHECK(decode_every_cut(serializer, c.frame + c.frame) == Packets{c.packet, c.packet});
    CHECK(encode_all(serializer, c.packet) == c.frame);
  }
}

TEST_CASE("sending overwrites the length in what the inner serializer wrote") {
  const Prefixed serializer = prefixed({.width = 2, .offset = 1, .strip = 0});
  CHECK(encode_all(serializer, "\7??hi") == "\7\0\2hi"s);
  CHECK(encode_all(prefixed({.width = 2, .offset = 1, .strip = 2}), "?hi") == "\0\0\2hi"s);
}

TEST_CASE("a frame that would end inside of its header is malformed, the header is dropped") {
  const Prefixed whole = prefixed({.width = 2, .offset = 1, .adjustment = -3});
  CHECK(decode_every_cut(whole, "\7\0\5hi\7\0\2\7\0\4x\7\0\3"s) ==
        Packets{"hi", errc::malformed, "x", ""});
  Prefixed::decoder_state state;
  const auto answer = whole.decode(bytes_of("\7\0\2hi"s), state);
  REQUIRE(answer.is_bad());
  CHECK(answer.consumed() == 3);
  CHECK(answer.error().context().detail ==
        "with a length of 2 the frame would end inside of its header");
  CHECK(decode_every_cut(whole, "\7\0\0\7\0\4x"s) == Packets{errc::malformed, "x"});

  const Prefixed unstripped = prefixed({.width = 1, .adjustment = -1, .strip = 0});
  CHECK(decode_every_cut(unstripped, "\2a\0\1"s) == Packets{"\2a", errc::malformed, "\1"});
}

TEST_CASE("a frame that would end inside of what is stripped is malformed and dropped to its end") {
  const Prefixed serializer = prefixed({.width = 1, .strip = 4});
  CHECK(decode_every_cut(serializer, "\4abcd\2ab\3abc\0"s) ==
        Packets{"d", errc::malformed, "", errc::malformed});
  CHECK(encode_all(serializer, "d") == "\4\0\0\0d"s);
}

TEST_CASE("what an adjustment makes impossible cannot be sent") {
  const auto short_one =
      thrown([] { encode_all(prefixed({.width = 1, .offset = 2, .strip = 0}), "ab"); });
  REQUIRE(short_one);
  CHECK(short_one->code() == errc::not_sendable);
  CHECK(short_one->context().detail == "packets of this format have at least 3 bytes");
  const Prefixed whole = prefixed({.width = 2, .adjustment = -2, .strip = 0});
  CHECK(thrown([&] { encode_all(whole, "a"); })->code() == errc::not_sendable);
  CHECK(encode_all(whole, "ab") == "\0\2"s);
  CHECK(encode_all(prefixed({.width = 2, .adjustment = -2}), "") == "\0\2"s);
  const Prefixed trailer = prefixed({.width = 1, .adjustment = 4});  // 4 bytes are not counted
  CHECK(encode_all(trailer, "abcd") == "\0abcd"s);
  CHECK(encode_all(trailer, "abcdef") == "\2abcdef"s);
  CHECK(thrown([&] { encode_all(trailer, "abc"); })->code() == errc::not_sendable);
  CHECK(encode_all(trailer, std::string(259, 'x')).size() == 260);
  const auto long_one = thrown([&] { encode_all(trailer, std::string(260, 'x')); });
  REQUIRE(long_one);
  CHECK(long_one->code() == errc::too_large);
  CHECK(long_one->context().limit == 259);
}

TEST_CASE("the limit counts what the inner serializer gets, whatever the length counts") {
  const Prefixed unstripped = prefixed({.width = 1, .limit = 4, .strip = 0});
  CHECK(unstripped.frame_limit() == 4);
  CHECK(decode_every_cut(unstripped, "\3abc\4abcd\0"s) ==
        Packets{"\3abc", errc::too_large, std::string(1, '\0')});
  const Prefixed stripped = prefixed({.width = 1, .limit = 4, .adjustment = -1, .strip = 3});
  CHECK(stripped.frame_limit() == 7);
  CHECK(decode_every_cut(stripped, "\7ababcd\x08zzabcde\4abx"s) ==
        Packets{"abcd", errc::too_large, "x"});
}

TEST_CASE("hostile lengths with an adjustment do not wrap around") {
  using namespace std::string_view_literals;
  for (const std::string_view length :
       {"\x80\0\0\0\0\0\0\0"sv, "\xff\xff\xff\xff\xff\xff\xff\xff"sv}) {
    const std::uint64_t value = read_uint(bytes_of(length), 8, std::endian::big);
    for (const std::int64_t adjustment : {-8, 0, 1, 1 << 30}) {
      const Prefixed wide = prefixed({.width = 8, .offset = 2, .adjustment = adjustment});
      Prefixed::decoder_state state;
      const auto answer = wide.decode(bytes_of("ab" + std::string(length)), state);
      REQUIRE(answer.is_bad());
      CHECK(answer.error().code() == errc::too_large);
      const auto shift = static_cast<std::uint64_t>(adjustment);
      const bool wraps = adjustment > 0 && value + shift < value;
      CHECK(answer.error().context().size == (wraps ? max64 : value + shift));
      const std::uint64_t size = wraps ? max64 : value + shift;
      CHECK(answer.consumed() == (size > max64 - 10 ? max64 : size + 10));
    }
  }
}

TEST_CASE("options that make no sense are refused, with the reason") {
  struct Case {
    LengthOptions options;
    std::string_view reason;
  };
  constexpr std::size_t gibibyte = std::size_t{1} << 30U;
  for (const Case& c : {
           Case{{.offset = gibibyte + 1}, "at most 1 GiB"},
           Case{{.strip = gibibyte + 1}, "at most 1 GiB"},
           Case{{.adjustment = std::numeric_limits<std::int64_t>::min()}, "at most 1 GiB"},
           Case{{.adjustment = std::numeric_limits<std::int64_t>::max()}, "at most 1 GiB"},
           Case{{.limit = 9, .offset = 6, .strip = 0}, "room for the header"},
           Case{{.width = 1, .adjustment = -256}, "inside of its header"},
           Case{{.width = 1, .adjustment = -256, .strip = 0}, "inside of its header"},
           Case{{.width = 1, .strip = 257}, "inside of its header"},
       }) {
    const auto error = thrown([&] { prefixed(c.options); });
    REQUIRE(error);
    CHECK(error->code() == errc::invalid_argument);
    CHECK(error->context().detail.find(c.reason) != std::string::npos);
  }
  CHECK_FALSE(thrown([] { prefixed({.limit = 10, .offset = 6, .strip = 0}); }));
  CHECK_FALSE(thrown([] { prefixed({.offset = gibibyte}); }));  // With its length it is over 1 GiB.
  CHECK_FALSE(thrown([] { prefixed({.width = 1, .adjustment = -255}); }));
  CHECK_FALSE(thrown([] { prefixed({.width = 1, .strip = 256}); }));
}
