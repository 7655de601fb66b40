// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/cbor_items.hpp"

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

using Items = CborItems<Text<>>;
using Packets = testing::Outcomes<Items>;

static_assert(StreamSerializer<Items> && HasFrameLimit<Items>);

namespace {

Items with(const CborItemsOptions& options) { return Items(Text<>{}, options); }

constexpr std::uint64_t max64 = std::numeric_limits<std::uint64_t>::max();

/// RFC 8949, appendix A: all its examples.
constexpr std::string_view appendix_a[] = {
    "00",
    "01",
    "0a",
    "17",
    "1818",
    "1819",
    "1864",
    "1903e8",
    "1a000f4240",
    "1b000000e8d4a51000",
    "1bffffffffffffffff",
    "c249010000000000000000",
    "3bffffffffffffffff",
    "c349010000000000000000",
    "20",
    "29",
    "3863",
    "3903e7",
    "f90000",
    "f98000",
    "f93c00",
    "fb3ff199999999999a",
    "f93e00",
    "f97bff",
    "fa47c35000",
    "fa7f7fffff",
    "fb7e37e43c8800759c",
    "f90001",
    "f90400",
    "f9c400",
    "fbc010666666666666",
    "f97c00",
    "f97e00",
    "f9fc00",
    "fa7f800000",
    "fa7fc00000",
    "faff800000",
    "fb7ff0000000000000",
    "fb7ff8000000000000",
    "fbfff0000000000000",
    "f4",
    "f5",
    "f6",
    "f7",
    "f0",
    "f8ff",
    "c074323031332d30332d32315432303a30343a30305a",
    "c11a514b67b0",
    "c1fb41d452d9e8200000",
    "d74401020304",
    "d818456449455446",
    "d82076687474703a2f2f7777772e6578616d706c652e636f6d",
    "40",
    "4401020304",
    "60",
    "6161",
    "6449455446",
    "62225c",
    "62c3bc",
    "63e6b0b4",
    "64f0908591",
    "80",
    "83010203",
    "8301820203820405",
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
    "a0",
    "a201020304",
    "a26161016162820203",
    "826161a161626163",
    "a56161614161626142616361436164614461656145",
    "5f42010243030405ff",
    "7f657374726561646d696e67ff",
    "9fff",
    "9f018202039f0405ffff",
    "9f01820203820405ff",
    "83018202039f0405ff",
    "83019f0203ff820405",
    "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
    "bf61610161629f0203ffff",
    "826161bf61626163ff",
    "bf6346756ef563416d7421ff"};

/// RFC 8949, appendix F.1: the items that are not well-formed, but for those that end too early.
constexpr std::string_view appendix_f[] = {
    // Reserved additional information values.
    "1c", "1d", "1e", "3c", "3d", "3e", "5c", "5d", "5e", "7c", "7d", "7e", "9c", "9d", "9e", "bc",
    "bd", "be", "dc", "dd", "de", "fc", "fd", "fe",
    // Reserved two-byte encodings of simple values.
    "f800", "f801", "f818", "f81f",
    // Indefinite-length string chunks not of the correct type.
    "5f00ff", "5f21ff", "5f6100ff", "5f80ff", "5fa0ff", "5fc000ff", "5fe0ff", "7f4100ff",
    // Indefinite-length string chunks not definite length.
    "5f5f4100ffff", "7f7f6100ffff",
    // Break occurring on its own outside of an indefinite-length item.
    "ff",
    // Break occurring in a definite-length array or map or a tag.
    "81ff", "8200ff", "a1ff", "a1ff00", "a100ff", "a20000ff", "9f81ff", "9f829f819f9fffffffff",
    // Break in an indefinite-length map that would lead to an odd number of items.
    "bf00ff", "bf000000ff",
    // Major type 0, 1, 6 with additional information 31.
    "1f", "3f", "df"};

/// RFC 8949, appendix F.1: end of input in a head, in a string, or missing items.
constexpr std::string_view cut_short[] = {"18",
                                          "19",
                                          "1a",
                                          "1b",
                                          "1901",
                                          "1a0102",
                                          "1b01020304050607",
                                          "38",
                                          "58",
                                          "78",
                                          "98",
                                          "9a01ff00",
                                          "b8",
                                          "d8",
                                          "f8",
                                          "f900",
                                          "fa0000",
                                          "fb000000",
                                          "41",
                                          "61",
                                          "5affffffff00",
                                          "5bffffffffffffffff010203",
                                          "7affffffff00",
                                          "7b7fffffffffffffff010203",
                                          "81",
                                          "818181818181818181",
                                          "8200",
                                          "a1",
                                          "a20102",
                                          "a100",
                                          "a2000000",
                                          "c0",
                                          "5f4100",
                                          "7f6100",
                                          "9f",
                                          "9f0102",
                                          "bf",
                                          "bf01020102",
                                          "819f",
                                          "9f8000",
                                          "9f9f9f9f9fffffffff",
                                          "9f819f819f9fffffff"};

}  // namespace

TEST_CASE("every example of RFC 8949, appendix A, ends where it ends") {
  for (const std::string_view hex : appendix_a) {
    CAPTURE(hex);
    const std::string item = from_hex(hex);
    CHECK(decode_every_cut(Items{}, item + item) == Packets{item, item});
    CHECK(encode_all(Items{}, item) == item);
    CHECK(decode_every_cut(with({.limit = item.size()}), item) == Packets{item});
    CHECK(decode_every_cut(with({.limit = item.size() - 1}), item + "\1") ==
          (item.size() == 1 ? Packets{errc::too_large, errc::too_large}
                            : Packets{errc::too_large, "\1"}));
  }
}

TEST_CASE("all of them in one stream") {
  std::string stream;
  Packets expected;
  for (const std::string_view hex : appendix_a) {
    stream += from_hex(hex);
    expected.emplace_back(from_hex(hex));
  }
  CHECK(decode_every_cut(Items{}, stream) == expected);
}

TEST_CASE("what RFC 8949, appendix F, calls not well-formed is one error, however it is cut") {
  for (const std::string_view hex : appendix_f) {
    CAPTURE(hex);
    const Packets outcomes = decode_every_cut(Items{}, from_hex(hex));
    REQUIRE(!outcomes.empty());
    CHECK(outcomes[0] == Packets::value_type(errc::malformed));
    const auto error = thrown([&] { encode_all(Items{}, from_hex(hex)); });
    REQUIRE(error);
    CHECK(error->code() == errc::not_sendable);
  }
}

TEST_CASE("what ends too early is waited for, if it can be within the limit") {
  for (const std::string_view hex : cut_short) {
    CAPTURE(hex);
    const bool is_huge = hex.starts_with("5a") || hex.starts_with("5b") || hex.starts_with("7a") ||
                         hex.starts_with("7b");
    CHECK(decode_every_cut(Items{}, from_hex(hex)) ==
          Packets{is_huge ? errc::too_large : errc::truncated});
    CHECK(thrown([&] { encode_all(Items{}, from_hex(hex)); }));
  }
}

TEST_CASE("a malformed item is dropped to its end, a head that makes no sense is one item") {
  CHECK(decode_every_cut(Items{}, from_hex("1c 00")) == Packets{errc::malformed, from_hex("00")});
  CHECK(decode_every_cut(Items{}, from_hex("83 01 1c 61 61 00")) ==
        Packets{errc::malformed, from_hex("00")});
  CHECK(decode_every_cut(Items{}, from_hex("9f 81 ff 02 ff 00")) ==
        Packets{errc::malformed, from_hex("00")});
  CHECK(decode_every_cut(Items{}, from_hex("82 bf 00 ff 82 01 61 61 00")) ==
        Packets{errc::malformed, from_hex("00")});
  CHECK(decode_every_cut(Items{}, from_hex("82 5f 82 01 02 41 00 ff 9f 01 ff 00")) ==
        Packets{errc::malformed, from_hex("00")});
  CHECK(decode_every_cut(Items{}, from_hex("ff 1c 00")) ==
        Packets{errc::malformed, errc::malformed, from_hex("00")});
}

TEST_CASE("need_more asks for the next head, or for the rest of the item") {
  Items::decoder_state state;
  const auto wants = [&](std::string_view hex) {
    state.reset();
    return Items{}.decode(bytes_of(from_hex(hex)), state).total();
  };
  CHECK(wants("19 01") == 3);
  CHECK(wants("44 01") == 5);
  CHECK(wants("83") == 2);
  CHECK(wants("83 61") == 4);  // "61" has one byte, and an item follows
  CHECK(wants("a2 01") == 3);
  CHECK(wants("9f 82 01") == 4);
  CHECK(wants("9f 01") == 3);
  CHECK(wants("c1 1a 51") == 6);
}

TEST_CASE("sizes and counts are refused with the head that says them") {
  struct Case {
    std::string_view hex;
    std::uint64_t size;
    std::uint64_t consumed;
  };
  for (const Case& c : {
           Case{"5a ffffffff", 0xffffffffULL + 5, 0xffffffffULL + 5},
           Case{"7b 8000000000000000", (std::uint64_t{1} << 63U) + 9,
                (std::uint64_t{1} << 63U) + 9},
           Case{"5b ffffffffffffffff", max64, max64},
           Case{"9a ffffffff", 0xffffffffULL + 5, 5},
           Case{"9b ffffffffffffffff", max64, 9},
           Case{"bb 8000000000000000", max64, 9},
           Case{"82 59 ffff", 65540, 65539},
           Case{"9f 99 ffff", 65540, 4},
       }) {
    CAPTURE(c.hex);
    Items::decoder_state state;
    const auto answer = Items{}.decode(bytes_of(from_hex(c.hex)), state);
    REQUIRE(answer.is_bad());
    CHECK(answer.error().code() == errc::too_large);
    CHECK(answer.error().context().size == c.size);
    CHECK(answer.error().context().limit == default_frame_limit);
    CHECK(answer.consumed() == c.consumed);
  }
  Items::decoder_state state;
  const auto unlimited = with({.limit = std::numeric_limits<std::size_t>::max()})
                             .decode(bytes_of(from_hex("5b ffffffffffffffff")), state);
  CHECK(unlimited.total() == std::numeric_limits<std::size_t>::max());
}

TEST_CASE("an item over the limit is dropped to its end, without being kept") {
  const Items small = with({.limit = 4});
  CHECK(decode_every_cut(small, from_hex("83 01 02 03  84 01 02 03 04  44 01 02 03 04  00")) ==
        Packets{from_hex("83010203"), errc::too_large, errc::too_large, from_hex("00")});
  CHECK(decode_every_cut(small, from_hex("9f 01 bf 01 5f 41 00 ff 02 03 ff 82 01 02 ff 00")) ==
        Packets{errc::too_large, from_hex("00")});
  CHECK(decode_every_cut(small, from_hex("84 81 81 01 61 61 9f ff a1 01 81 02 00")) ==
        Packets{errc::too_large, from_hex("00")});
  Feed<Items> feed(small);
  feed.receive(bytes_of(from_hex("9f 19 ffff 59 1000")));
  CHECK(feed.outcomes() == Packets{errc::too_large});
  for (int i = 0; i < 256; ++i) {
    feed.receive(bytes_of("0123456789abcdef"));
    CHECK(feed.kept() == 0);
  }
  feed.receive(bytes_of(from_hex("ff 00 19")));
  CHECK(feed.outcomes() == Packets{errc::too_large, from_hex("00")});
  CHECK(feed.kept() == 1);
}

TEST_CASE("a head that begins within the limit is waited for; frame_limit has room for it") {
  const Items small = with({.limit = 4});
  Items::decoder_state state;
  CHECK(small.decode(bytes_of(from_hex("83 01 02 fb")), state).total() == small.frame_limit());
  CHECK(decode_every_cut(small, from_hex("83 01 02 fb 3ff199999999999a 00")) ==
        Packets{errc::too_large, from_hex("00")});
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  CHECK(with({.limit = most}).frame_limit() == most);
}

TEST_CASE("items in too many others are dropped to their end") {
  const Items shallow = with({.depth = 2});
  CHECK(decode_every_cut(shallow, from_hex("818100 81818100 c1c181 00 9f9fff9f9f01ff02ffff 00")) ==
        Packets{from_hex("818100"), errc::too_large, errc::too_large, errc::too_large});
  CHECK(decode_every_cut(shallow, from_hex("8281 8100 00 01")) ==
        Packets{errc::too_large, from_hex("01")});
  CHECK(decode_every_cut(shallow, from_hex("9f 82 82 01 02 03 04 ff 01")) ==
        Packets{errc::too_large, from_hex("01")});
  Items::decoder_state state;
  const auto answer = shallow.decode(bytes_of(from_hex("81818181")), state);
  REQUIRE(answer.is_bad());
  CHECK(answer.error().context().detail == "an item is in more than 2 others");
}

TEST_CASE("100,000 levels are refused at the 129th, with nothing kept") {
  for (const char level : {'\x81', '\xc1', '\x9f'}) {
    const Items items;
    Feed<Items> feed(items);
    for (int i = 0; i < 100'000 / 64; ++i) {
      feed.receive(bytes_of(std::string(64, level)));
      CHECK(feed.kept() <= 128);
    }
    feed.receive(bytes_of(from_hex("00 01")));
    CHECK(feed.outcomes().at(0) == Packets::value_type(errc::too_large));
    // Only definite lengths tell where such an item ends.
    CHECK(feed.outcomes().size() == (level == '\x9f' ? 1 : 2));
    CHECK(feed.kept() == 0);
  }
}

TEST_CASE("each head is read once, payloads are not looked at") {
  std::string item = from_hex("9f");
  for (int i = 0; i < 5000; ++i) {
    item += from_hex("01 43 fffefd");
  }
  item += from_hex("ff");
  // A head that is read again would be a break, and end the item too early.
  CHECK_FALSE(testing::looks_back(Items{}, item, from_hex("ff")));
}

TEST_CASE("random bytes give the same outcomes however they are cut, and end") {
  unsigned seed = 5;
  for (int round = 0; round < 50; ++round) {
    std::string stream;
    for (int i = 0; i < 24; ++i) {
      seed = seed * 1103515245U + 12345U;
      const unsigned any = seed >> 16U & 0xffU;
      // Mostly small containers, and ends.
      stream +=
          any % 5 == 0 ? static_cast<char>(any) : "\x81\x82\x9f\xbf\x5f\xff\x41\x01\xa1"[any % 9];
    }
    CAPTURE(printable(bytes_of(stream), 40));
    CHECK_NOTHROW(decode_every_cut(with({.limit = 12, .depth = 3}), stream));
  }
}

TEST_CASE("what is not one item cannot be sent") {
  CHECK(encode_all(Items{}, from_hex("8101"), from_hex("00")) == from_hex("810100"));
  for (const std::string_view hex : {"", "0000", "8101 00", "81", "44 00"}) {
    CAPTURE(hex);
    const auto error = thrown([&] { encode_all(Items{}, from_hex(hex)); });
    REQUIRE(error);
    CHECK(error->code() == errc::not_sendable);
  }
  const auto large = thrown([] { encode_all(with({.limit = 3}), from_hex("83010203")); });
  REQUIRE(large);
  CHECK(large->code() == errc::too_large);
  CHECK(thrown([] { encode_all(with({.depth = 1}), from_hex("818100")); })->code() ==
        errc::too_large);
}
