// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/cobs.hpp"

#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <string_view>

using namespace cowire;
using namespace std::string_literals;
using testing::decode_every_cut;
using testing::encode_all;
using testing::Feed;

using CobsText = Cobs<Text<>>;
using Packets = testing::Outcomes<CobsText>;

static_assert(StreamSerializer<CobsText> && HasFrameLimit<CobsText>);

namespace {

CobsText limited(std::size_t limit) { return CobsText(Text<>{}, {.limit = limit}); }

/// The bytes from `first` to `last`, which may be 256 to mean 0 after 255.
std::string range(int first, int last) {
  std::string text;
  for (int i = first; i <= last; ++i) {
    text += static_cast<char>(i);
  }
  return text;
}

}  // namespace

TEST_CASE("the examples that are published with COBS") {
  // https://en.wikipedia.org/wiki/Consistent_Overhead_Byte_Stuffing#Encoding_examples
  struct Case {
    std::string packet;
    std::string stuffed;
  };
  for (const Case& c : {
           Case{"\0"s, "\1\1\0"s},
           Case{"\0\0"s, "\1\1\1\0"s},
           Case{"\0\x11\0"s, "\1\2\x11\1\0"s},
           Case{"\x11\x22\0\x33"s, "\3\x11\x22\2\x33\0"s},
           Case{"\x11\x22\x33\x44"s, "\5\x11\x22\x33\x44\0"s},
           Case{"\x11\0\0\0"s, "\2\x11\1\1\1\0"s},
           Case{range(1, 254), "\xff"s + range(1, 254) + "\0"s},
           Case{range(0, 254), "\1\xff"s + range(1, 254) + "\0"s},
           Case{range(1, 255), "\xff"s + range(1, 254) + "\2\xff\0"s},
           Case{range(2, 256), "\xff"s + range(2, 255) + "\1\1\0"s},
           Case{range(3, 257), "\xfe"s + range(3, 255) + "\2\1\0"s},
           Case{"", "\1\0"s},
       }) {
    CAPTURE(printable(bytes_of(c.stuffed)));
    CHECK(encode_all(CobsText{}, c.packet) == c.stuffed);
    CHECK(decode_every_cut(CobsText{}, c.stuffed + c.stuffed) == Packets{c.packet, c.packet});
  }
}

TEST_CASE("any bytes in any number come back") {
  for (std::size_t size = 0; size < 1300; size += size < 10 || size % 254 < 3 ? 1 : 50) {
    std::string packet;
    unsigned seed = 3;
    for (std::size_t i = 0; i < size; ++i) {
      seed = seed * 1103515245U + 12345U;
      packet += static_cast<char>((seed >> 16U) % 400 == 0 ? 0 : (seed >> 16U) % 255 + 1);
    }
    const std::string stuffed = encode_all(CobsText{}, packet);
    CHECK(stuffed.find('\0') == stuffed.size() - 1);
    CHECK(stuffed.size() <= size + size / 254 + 2);
    CHECK(testing::decode_all(CobsText{}, stuffed) == Packets{packet});
  }
}

TEST_CASE("a last block of nothing behind a block of 254 is taken: some senders write it") {
  CHECK(decode_every_cut(CobsText{}, "\xff"s + range(1, 254) + "\1\0"s) == Packets{range(1, 254)});
}

TEST_CASE("zeros between packets are dropped") {
  CHECK(decode_every_cut(CobsText{}, "\0\0\2a\0\0\0\2b\0\0"s) == Packets{"a", "b"});
  CobsText::decoder_state state;
  const auto answer = CobsText{}.decode(bytes_of("\0\0"s), state);
  CHECK(answer.is_padding());
  CHECK(answer.consumed() == 2);
}

TEST_CASE("what is malformed is dropped to its 0, the stream goes on") {
  CHECK(decode_every_cut(CobsText{}, "\5ab\0\2x\0\2a\xff\0\2y\0"s) ==
        Packets{errc::malformed, "x", errc::malformed, "y"});
}

TEST_CASE("a receiver that comes late is right from the next 0 on") {
  const std::string stream = encode_all(CobsText{}, "first", "second\0"s, "third");
  for (std::size_t lost = 1; lost < 7; ++lost) {
    const Packets packets = decode_every_cut(CobsText{}, stream.substr(lost));
    REQUIRE(packets.size() >= 2);
    CHECK(Packets(packets.end() - 2, packets.end()) == Packets{"second\0"s, "third"});
  }
}

TEST_CASE("a packet of exactly the limit passes, one byte more does not") {
  CHECK(decode_every_cut(limited(4), "\5abcd\0\6abcde\0\2x\0"s) ==
        Packets{"abcd", errc::too_large, "x"});
  CHECK(decode_every_cut(limited(4), "\1\1\1\1\1\0\1\1\1\1\1\1\0\2x\0"s) ==
        Packets{"\0\0\0\0"s, errc::too_large, "x"});
  CHECK(decode_every_cut(limited(0), "\1\0\2x\0\1\0"s) == Packets{"", errc::too_large, ""});
  const std::string most = range(1, 254) + range(1, 254);
  CHECK(testing::decode_all(limited(508), encode_all(limited(508), most)) == Packets{most});
  CHECK(testing::decode_all(limited(507), encode_all(limited(508), most)) ==
        Packets{errc::too_large});
  const auto error = thrown([] { encode_all(limited(4), "abcde"); });
  REQUIRE(error);
  CHECK(error->code() == errc::too_large);
  CHECK(error->context().size == 5);
  CHECK(error->context().limit == 4);
}

TEST_CASE("while an overlong packet is dropped its bytes are not kept") {
  const CobsText small = limited(4);
  Feed<CobsText> feed(small);
  feed.receive(
      bytes_of("\x22"
               "123456"));
  CHECK(feed.outcomes() == Packets{errc::too_large});
  for (int i = 0; i < 100; ++i) {
    feed.receive(bytes_of("more than the limit"));
    CHECK(feed.kept() == 0);
  }
  feed.receive(bytes_of("\0\2x\0\3a"s));
  CHECK(feed.outcomes() == Packets{errc::too_large, "x"});
  CHECK(feed.kept() == 2);
  CHECK(decode_every_cut(small, "1234567890\0\2x\0"s) == Packets{errc::too_large, "x"});
}

TEST_CASE("each byte of a long packet is looked at once") {
  std::string stream = encode_all(CobsText{}, std::string(1 << 16, 'x'));
  CobsText::decoder_state state;
  for (std::size_t size = 1; size < stream.size(); ++size) {
    REQUIRE(CobsText{}.decode(bytes_of(stream).first(size), state).needs_more());
    stream[size - 1] = '\0';  // A decoder that looks again takes it for the end.
  }
}

TEST_CASE("views live until the next packet is asked for; a large packet's room is given back") {
  const Cobs<Text<std::string_view>> serializer;
  Cobs<Text<std::string_view>>::decoder_state state;
  const std::string large(5000, 'x');
  const std::string stream = encode_all(serializer, large);
  auto answer = serializer.decode(bytes_of(stream), state);
  REQUIRE(answer.has_packet());
  CHECK(answer.value() == large);
  CHECK(serializer.decode(bytes_of("\2a\0"s), state).has_packet());
  CHECK(state.decoded.capacity() < 5000);
}

TEST_CASE("earlier output is not touched, and frame_limit does not overflow") {
  BlockPool pool;
  OutputBuffer out(pool);
  out.append("earlier");
  CobsText{}.serialize("a\0b"s, out);
  CHECK(text_of(out.readable()) == "earlier\2a\2b\0"s);
  CHECK(limited(4).frame_limit() == 6);
  CHECK(limited(254).frame_limit() == 257);
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  CHECK(limited(most).frame_limit() == most);
}

TEST_CASE("the end of the stream inside a packet") {
  CHECK(decode_every_cut(CobsText{}, "\2a\0\2b"s) == Packets{"a", errc::truncated});
}
