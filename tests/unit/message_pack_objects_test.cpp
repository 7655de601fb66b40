// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/message_pack_objects.hpp"

#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/hex.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

using namespace cowire;
using testing::decode_every_cut;
using testing::encode_all;
using testing::Feed;

using Objects = MessagePackObjects<Text<>>;
using Packets = testing::Outcomes<Objects>;

static_assert(StreamSerializer<Objects> && HasFrameLimit<Objects>);

namespace {

Objects with(const MessagePackObjectsOptions& options) { return Objects(Text<>{}, options); }

/// An object of each format in the table of MessagePack's specification.
constexpr std::string_view formats[] = {
    "00",
    "7f",  // positive fixint
    "80",
    "81 01 02",
    "82 a1 61 01 a1 62 c0",  // fixmap
    "8f 010101010101010101010101010101010101010101010101010101010101",
    "90",
    "91 01",
    "93 01 a1 61 91 c0",  // fixarray
    "9f 010101010101010101010101010101",
    "a0",
    "a1 61",
    "bf 30303030303030303030303030303030303030303030303030303030303030",  // fixstr
    "c0",
    "c2",
    "c3",  // nil, false, true
    "c4 00",
    "c4 02 ffff",
    "c5 0002 ffff",
    "c6 00000002 ffff",  // bin
    "c7 00 01",
    "c7 02 01 ffff",
    "c8 0002 01 ffff",
    "c9 00000002 01 ffff",  // ext
    "ca ffffffff",
    "cb ffffffffffffffff",  // float
    "cc ff",
    "cd ffff",
    "ce ffffffff",
    "cf ffffffffffffffff",  // uint
    "d0 ff",
    "d1 ffff",
    "d2 ffffffff",
    "d3 ffffffffffffffff",  // int
    "d4 01 ff",
    "d5 01 ffff",
    "d6 ff ffffffff",
    "d7 ff ffffffffffffffff",  // fixext
    "d8 01 ffffffffffffffffffffffffffffffff",
    "d9 01 61",
    "da 0001 61",
    "db 00000001 61",  // str
    "dc 0002 01 02",
    "dd 00000002 01 02",  // array
    "de 0001 01 02",
    "df 00000001 01 02",  // map
    "e0",
    "ff",  // negative fixint
};

}  // namespace

TEST_CASE("an object of every format ends where it ends") {
  std::string stream;
  Packets expected;
  for (const std::string_view hex : formats) {
    CAPTURE(hex);
    const std::string object = from_hex(hex);
    CHECK(decode_every_cut(Objects{}, object + object) == Packets{object, object});
    CHECK(encode_all(Objects{}, object) == object);
    CHECK(decode_every_cut(with({.limit = object.size()}), object) == Packets{object});
    CHECK(decode_every_cut(with({.limit = object.size() - 1}), object) == Packets{errc::too_large});
    if (object.size() > 1) {
      CHECK(decode_every_cut(Objects{}, object.substr(0, object.size() - 1)) ==
            Packets{errc::truncated});
    }
    stream += object;
    expected.emplace_back(object);
  }
  CHECK(decode_every_cut(Objects{}, stream) == expected);
}

TEST_CASE("the example of msgpack.org") {
  const std::string object = from_hex("82 a7 636f6d70616374 c3 a6 736368656d61 00");
  CHECK(decode_every_cut(Objects{}, object + object) == Packets{object, object});
}

TEST_CASE("c1 is malformed, and counts as an object of what it is in") {
  CHECK(decode_every_cut(Objects{}, from_hex("c1 00")) == Packets{errc::malformed, from_hex("00")});
  CHECK(decode_every_cut(Objects{}, from_hex("93 01 c1 92 c1 a1 61 00")) ==
        Packets{errc::malformed, from_hex("00")});
  CHECK(thrown([] { encode_all(Objects{}, from_hex("91 c1")); })->code() == errc::not_sendable);
}

TEST_CASE("need_more asks for the next head, or for the rest of the object") {
  const auto wants = [&](std::string_view hex) {
    Objects::decoder_state state;
    return Objects{}.decode(bytes_of(from_hex(hex)), state).total();
  };
  CHECK(wants("cd") == 3);
  CHECK(wants("a4 01") == 5);
  CHECK(wants("92 01") == 3);
  CHECK(wants("82 a1") == 4);
  CHECK(wants("dc 00") == 3);
  CHECK(wants("c7 02") == 5);
}

TEST_CASE("sizes and counts are refused with the head that says them") {
  struct Case {
    std::string_view hex;
    std::uint64_t size;
    std::uint64_t consumed;
  };
  for (const Case& c : {
           Case{"db ffffffff", 0xffffffffULL + 5, 0xffffffffULL + 5},
           Case{"c6 ffffffff", 0xffffffffULL + 5, 0xffffffffULL + 5},
           Case{"c9 ffffffff", 0xffffffffULL + 6, 0xffffffffULL + 6},
           Case{"dd ffffffff", 0xffffffffULL + 5, 5},
           Case{"df ffffffff", 2 * 0xffffffffULL + 5, 5},
           Case{"92 dc ffff", 65540, 4},
       }) {
    CAPTURE(c.hex);
    Objects::decoder_state state;
    const auto answer = Objects{}.decode(bytes_of(from_hex(c.hex)), state);
    REQUIRE(answer.is_bad());
    CHECK(answer.error().code() == errc::too_large);
    CHECK(answer.error().context().size == c.size);
    CHECK(answer.error().context().limit == default_frame_limit);
    CHECK(answer.consumed() == c.consumed);
  }
}

TEST_CASE("an object over the limit is dropped to its end, without being kept") {
  const Objects small = with({.limit = 4});
  CHECK(
      decode_every_cut(small, from_hex("93 01 02 03  94 01 92 02 a1 61 80 04  a4 31323334  00")) ==
      Packets{from_hex("93010203"), errc::too_large, errc::too_large, from_hex("00")});
  Feed<Objects> feed(small);
  feed.receive(bytes_of(from_hex("92 c5 1000")));
  for (int i = 0; i < 256; ++i) {
    feed.receive(bytes_of("0123456789abcdef"));
    CHECK(feed.kept() == 0);
  }
  feed.receive(bytes_of(from_hex("01 00 cd")));
  CHECK(feed.outcomes() == Packets{errc::too_large, from_hex("00")});
  CHECK(feed.kept() == 1);
}

TEST_CASE("objects in too many others are dropped to their end") {
  CHECK(decode_every_cut(with({.depth = 2}), from_hex("919100 91919100 9291 92 0102 00 01")) ==
        Packets{from_hex("919100"), errc::too_large, errc::too_large, from_hex("01")});
  const Objects objects;
  Feed<Objects> feed(objects);
  for (int i = 0; i < 100'000 / 50; ++i) {
    feed.receive(bytes_of(std::string(50, '\x91')));
    CHECK(feed.kept() <= 128);
  }
  feed.receive(bytes_of(from_hex("00 01")));
  CHECK(feed.outcomes() == Packets{errc::too_large, from_hex("01")});
}

TEST_CASE("each head is read once, payloads are not looked at") {
  std::string object = from_hex("dc 2000");
  for (int i = 0; i < 0x2000; ++i) {
    object += from_hex("a1 c1");
  }
  CHECK_FALSE(testing::looks_back(Objects{}, object, from_hex("c1"), 2));
}

TEST_CASE("random bytes give the same outcomes however they are cut, and end") {
  unsigned seed = 11;
  for (int round = 0; round < 50; ++round) {
    std::string stream;
    for (int i = 0; i < 24; ++i) {
      seed = seed * 1103515245U + 12345U;
      const unsigned any = seed >> 16U & 0xffU;
      stream += any % 4 == 0 ? static_cast<char>(any) : "\x91\x92\x81\xa1\xc1\x01\xdc"[any % 7];
    }
    CAPTURE(printable(bytes_of(stream), 40));
    CHECK_NOTHROW(decode_every_cut(with({.limit = 12, .depth = 3}), stream));
  }
}

TEST_CASE("what is not one object cannot be sent") {
  CHECK(encode_all(Objects{}, from_hex("9101"), from_hex("00")) == from_hex("910100"));
  for (const std::string_view hex : {"", "0000", "9101 00", "91", "a4 00"}) {
    CAPTURE(hex);
    const auto error = thrown([&] { encode_all(Objects{}, from_hex(hex)); });
    REQUIRE(error);
    CHECK(error->code() == errc::not_sendable);
  }
  CHECK(thrown([] { encode_all(with({.limit = 3}), from_hex("93010203")); })->code() ==
        errc::too_large);
  CHECK(with({.limit = 3}).frame_limit() == 3 + 8);  // a head of 9 bytes
}
