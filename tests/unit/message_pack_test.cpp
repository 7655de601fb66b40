// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/message_pack.hpp"

#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/testing/splits.hpp"
#include "support/hex.hpp"
#include "support/orders.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

using namespace cowire;
using nlohmann::json;
using testing::decode_every_cut;
using testing::encode_all;

namespace {

json decoded(std::string_view hex) { return MessagePack<>{}.deserialize(bytes_of(from_hex(hex))); }

std::optional<Error> bad(std::string_view bytes) {
  return thrown([&] { (void)MessagePack<>{}.deserialize(bytes_of(bytes)); });
}

std::string repeated(std::string_view piece, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) {
    text += piece;
  }
  return text;
}

// The first is that of msgpack.org; the others follow the specification's table of formats.
constexpr std::pair<const char*, const char*> examples[] = {
    {"82 a7 636f6d70616374 c3 a6 736368656d61 00", R"({"compact":true,"schema":0})"},
    {"00", "0"},
    {"7f", "127"},
    {"cc80", "128"},
    {"ccff", "255"},
    {"cd0100", "256"},
    {"ce00010000", "65536"},
    {"cf0000000100000000", "4294967296"},
    {"cfffffffffffffffff", "18446744073709551615"},
    {"ff", "-1"},
    {"e0", "-32"},
    {"d0df", "-33"},
    {"d1ff7f", "-129"},
    {"d2ffff7fff", "-32769"},
    {"d3ffffffff7fffffff", "-2147483649"},
    {"d38000000000000000", "-9223372036854775808"},
    {"ca3fc00000", "1.5"},
    {"cb3ff199999999999a", "1.1"},
    {"c0", "null"},
    {"c2", "false"},
    {"c3", "true"},
    {"a0", R"("")"},
    {"a3e282ac", R"("\u20ac")"},
    {"d9036b6579", R"("key")"},
    {"da00036b6579", R"("key")"},
    {"db000000036b6579", R"("key")"},
    {"90", "[]"},
    {"93010203", "[1,2,3]"},
    {"dc0002c0c3", "[null,true]"},
    {"dd00000001c2", "[false]"},
    {"80", "{}"},
    {"81a16180", R"({"a":{}})"},
    {"de0001a16101", R"({"a":1})"},
    {"df00000001a16101", R"({"a":1})"},
};

}  // namespace

TEST_CASE("message pack: every format of the specification") {
  for (const auto& [hex, text] : examples) {
    CAPTURE(hex);
    const json value = json::parse(text);
    CHECK(decoded(hex) == value);
    CHECK(MessagePack<>{}.deserialize(bytes_of(encode_all(MessagePack<>{}, value))) == value);
  }
  CHECK(decoded("c403010203") == json::binary({1, 2, 3}));
  CHECK(decoded("c500010a") == json::binary({10}));
  CHECK(decoded("c6000000010a") == json::binary({10}));
  CHECK(decoded("d4052a") == json::binary({42}, 5));
  CHECK(decoded("c702057879") == json::binary({0x78, 0x79}, 5));
  CHECK(encode_all(MessagePack<>{}, json::binary({42}, 5)) == from_hex("d4052a"));
  CHECK(encode_all(MessagePack<>{}, json::parse(R"({"compact":true,"schema":0})")) ==
        from_hex(examples[0].first));
}

// Made by Python's msgpack 1.0.3.
TEST_CASE("message pack: what Python's msgpack made is read") {
  constexpr std::pair<const char*, const char*> documents[] = {
      {"84a2696407a56c696e65739282a770726f64756374a3746561a6616d6f756e740282a770726f64756374a563"
       "6166c3a9a6616d6f756e74d1fed4a470616964c3a46e6f7465c0",
       R"({"id":7,"lines":[{"amount":2,"product":"tea"},{"amount":-300,"product":"caf\u00e9"}],"no)"
       R"(te":null,"paid":true})"},
      {"9b007fcc80ccffcd0100cdffffce00010000ceffffffffcf0000000100000000cf8000000000000000cfffff"
       "ffffffffffff",
       R"([0,127,128,255,256,65535,65536,4294967295,4294967296,9223372036854775808,184467440737095)"
       R"(51615])"},
      {"9affe0d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffffd38000000000000000",
       R"([-1,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649,-9223372036854775808])"},
      {"94cb3fe0000000000000cbbff199999999999acb7e37e43c8800759ccb0000000000000001",
       R"([0.5,-1.1,1e+300,5e-324])"},
      {"dc0011000102030405060708090a0b0c0d0e0f10", R"([0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16])"},
      {"de0010a36b303000a36b303101a36b303202a36b303303a36b303404a36b303505a36b303606a36b303707a3"
       "6b303808a36b303909a36b31300aa36b31310ba36b31320ca36b31330da36b31340ea36b31350f",
       R"({"k00":0,"k01":1,"k02":2,"k03":3,"k04":4,"k05":5,"k06":6,"k07":7,"k08":8,"k09":9,"k10":1)"
       R"(0,"k11":11,"k12":12,"k13":13,"k14":14,"k15":15})"},
  };
  for (const auto& [hex, text] : documents) {
    CAPTURE(text);
    CHECK(decoded(hex) == json::parse(text));
  }
  CHECK(decoded("c40200ff") == json::binary({0x00, 0xff}));
  // ExtType(5, ...), and Timestamp(1), Timestamp(1700000000, 5), Timestamp(-1, 999999999)
  CHECK(decoded("c70305010203") == json::binary({1, 2, 3}, 5));
  CHECK(decoded("d6ff00000001") == json::binary({0, 0, 0, 1}, 0xff));
  CHECK(decoded("d7ff000000146553f100") ==
        json::binary({0, 0, 0, 0x14, 0x65, 0x53, 0xf1, 0}, 0xff));
  CHECK(
      decoded("c70cff3b9ac9ffffffffffffffffff") ==
      json::binary({0x3b, 0x9a, 0xc9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0xff));
}

TEST_CASE("message pack: a subtype has a byte; what has more would arrive as another") {
  for (const std::uint64_t subtype : {0U, 127U, 128U, 255U}) {
    const json packet = json::binary({1, 2}, subtype);
    CHECK(MessagePack<>{}.deserialize(to_bytes(MessagePack<>{}, packet)) == packet);
  }
  for (const std::uint64_t subtype : {std::uint64_t{256}, std::uint64_t{1} << 40U}) {
    const json packet = {{"a", {json::binary({1, 2}, subtype)}}};
    const auto error = thrown([&] { encode_all(MessagePack<>{}, packet); });
    REQUIRE(error);
    CHECK(error->code() == errc::not_sendable);
    CHECK(error->context().field == "a[0]");
  }
}

TEST_CASE("message pack: what is cut, goes on, or starts as nothing does is malformed") {
  for (const auto& [hex, text] : examples) {
    const std::string bytes = from_hex(hex);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto error = bad(bytes.substr(0, size));
      REQUIRE(error);
      CHECK(error->code() == errc::malformed);
      CHECK(error->context().position == size);
    }
    const auto error = bad(bytes + '\0');
    REQUIRE(error);
    CHECK(error->context().position == bytes.size());
  }
  CHECK(bad("\xc1")->context().position == 0);
  CHECK(bad(from_hex("810102"))->context().position == 1);
}

TEST_CASE("message pack: hostile lengths cost nothing") {
  for (const char* hex :
       {"ddffffffff", "dfffffffff", "dbffffffff", "c6ffffffff", "c9ffffffff05", "dd7fffffff00"}) {
    CHECK(bad(from_hex(hex))->code() == errc::malformed);
  }
}

TEST_CASE("message pack: depth is limited") {
  for (const char* piece :
       {"91", "dc0001", "dd00000001", "81a161", "de0001a161", "df00000001a161"}) {
    const std::string bytes = repeated(from_hex(piece), 100'000);
    CHECK(bad(bytes)->code() == errc::too_large);
    const MessagePack<> most{{.depth = MessagePack<>::most_depth}};
    CHECK(thrown([&] { (void)most.deserialize(bytes_of(bytes)); })->code() == errc::too_large);
  }
  const MessagePack<> most{{.depth = MessagePack<>::most_depth}};
  const std::string arrays = repeated("\x91", 499) + "\x90";
  CHECK(encode_all(most, most.deserialize(bytes_of(arrays))) == arrays);
}

TEST_CASE("message pack: texts must be UTF-8, keys may be there once: an error names the field") {
  const auto text = bad(from_hex("81 a161 92 00 a1ff"));
  REQUIRE(text);
  CHECK(text->code() == errc::malformed);
  CHECK(text->context().field == "a[1]");
  CHECK(bad(from_hex("81a1ff00"))->code() == errc::malformed);
  CHECK(bad(from_hex("82a16100a16101"))->context().field == "a");
  const MessagePack<> last{{.duplicate_keys = DuplicateKeys::last}};
  CHECK(last.deserialize(bytes_of(from_hex("82a16100a16101"))) == json{{"a", 1}});
  CHECK(thrown([] { encode_all(MessagePack<>{}, json("\xff")); })->code() == errc::not_sendable);
}

TEST_CASE("message pack: structs of the program in a stream") {
  using Orders = LengthPrefixed<MessagePack<Order>>;
  const Orders orders{MessagePack<Order>{}, {.width = 1}};
  const Order order{7, {{"tea", 2}}, "x"};
  const std::string frame = encode_all(orders, order);
  CHECK(decode_every_cut(orders, frame + std::string("\1\xc0", 2) + frame) ==
        testing::Outcomes<Orders>{order, errc::malformed, order});
}

TEST_CASE("message pack: rubbish is malformed or too large, nothing else") {
  unsigned seed = 5;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (int i = 0; i < round % 40; ++i) {
      seed = seed * 1103515245U + 12345U;
      bytes += static_cast<char>(seed >> 16U & 0xffU);
    }
    if (const auto error = bad(bytes)) {
      CHECK(error->code() == condition::bad_peer);
    }
  }
}
