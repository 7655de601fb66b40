// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/cbor.hpp"

#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/testing/splits.hpp"
#include "support/hex.hpp"
#include "support/orders.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstddef>
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

json decoded(std::string_view hex) { return Cbor<>{}.deserialize(bytes_of(from_hex(hex))); }

std::optional<Error> bad(std::string_view bytes) {
  return thrown([&] { (void)Cbor<>{}.deserialize(bytes_of(bytes)); });
}

std::string repeated(std::string_view piece, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) {
    text += piece;
  }
  return text;
}

// The examples of RFC 8949, appendix A, that a JSON document can hold.
constexpr std::pair<const char*, const char*> examples[] = {
    {"00", "0"},
    {"01", "1"},
    {"0a", "10"},
    {"17", "23"},
    {"1818", "24"},
    {"1819", "25"},
    {"1864", "100"},
    {"1903e8", "1000"},
    {"1a000f4240", "1000000"},
    {"1b000000e8d4a51000", "1000000000000"},
    {"1bffffffffffffffff", "18446744073709551615"},
    {"20", "-1"},
    {"29", "-10"},
    {"3863", "-100"},
    {"3903e7", "-1000"},
    {"f90000", "0.0"},
    {"f98000", "-0.0"},
    {"f93c00", "1.0"},
    {"fb3ff199999999999a", "1.1"},
    {"f93e00", "1.5"},
    {"f97bff", "65504.0"},
    {"fa47c35000", "100000.0"},
    {"fa7f7fffff", "3.4028234663852886e+38"},
    {"fb7e37e43c8800759c", "1.0e+300"},
    {"f90001", "5.960464477539063e-8"},
    {"f90400", "0.00006103515625"},
    {"f9c400", "-4.0"},
    {"fbc010666666666666", "-4.1"},
    {"f4", "false"},
    {"f5", "true"},
    {"f6", "null"},
    {"60", R"("")"},
    {"6161", R"("a")"},
    {"6449455446", R"("IETF")"},
    {"62225c", R"("\"\\")"},
    {"62c3bc", R"("\u00fc")"},
    {"63e6b0b4", R"("\u6c34")"},
    {"64f0908591", R"("\ud800\udd51")"},
    {"80", "[]"},
    {"83010203", "[1, 2, 3]"},
    {"8301820203820405", "[1, [2, 3], [4, 5]]"},
    {"98190102030405060708090a0b0c0d0e0f101112131415161718181819",
     "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"},
    {"a0", "{}"},
    {"a26161016162820203", R"({"a": 1, "b": [2, 3]})"},
    {"826161a161626163", R"(["a", {"b": "c"}])"},
    {"a56161614161626142616361436164614461656145",
     R"({"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"})"},
    {"7f657374726561646d696e67ff", R"("streaming")"},
    {"9fff", "[]"},
    {"9f018202039f0405ffff", "[1, [2, 3], [4, 5]]"},
    {"9f01820203820405ff", "[1, [2, 3], [4, 5]]"},
    {"83018202039f0405ff", "[1, [2, 3], [4, 5]]"},
    {"83019f0203ff820405", "[1, [2, 3], [4, 5]]"},
    {"9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
     "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]"},
    {"bf61610161629f0203ffff", R"({"a": 1, "b": [2, 3]})"},
    {"826161bf61626163ff", R"(["a", {"b": "c"}])"},
    {"bf6346756ef563416d7421ff", R"({"Fun": true, "Amt": -2})"},
};

}  // namespace

TEST_CASE("cbor: the examples of RFC 8949, appendix A") {
  for (const auto& [hex, text] : examples) {
    CAPTURE(hex);
    const json value = json::parse(text);
    CHECK(decoded(hex) == value);
    CHECK(Cbor<>{}.deserialize(bytes_of(encode_all(Cbor<>{}, value))) == value);
  }
  CHECK(decoded("f97c00") == std::numeric_limits<double>::infinity());
  CHECK(decoded("faff800000") == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(decoded("fb7ff8000000000000").get<double>()));
  CHECK(decoded("40") == json::binary({}));
  CHECK(decoded("4401020304") == json::binary({1, 2, 3, 4}));
  CHECK(decoded("5f42010243030405ff") == json::binary({1, 2, 3, 4, 5}));
  CHECK(encode_all(Cbor<>{}, json::parse(R"({"a":[1,-2],"b":"x"})")) ==
        from_hex("a2 6161 82 01 21 6162 6178"));
  CHECK(encode_all(Cbor<>{}, json::binary({1, 2})) == from_hex("42 01 02"));
}

TEST_CASE("cbor: the examples that no JSON document can hold are malformed, with the byte") {
  for (const char* hex : {
           "c249010000000000000000",  // big numbers: a tag
           "c349010000000000000000", "c074323031332d30332d32315432303a30343a30305a", "c11a514b67b0",
           "d74401020304", "d818456449455446",  // more tags
           "f7", "f0", "f8ff", "f818",          // simple values
           "a201020304",                        // keys that are numbers
       }) {
    CAPTURE(hex);
    const auto error = bad(from_hex(hex));
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
    CHECK(error->context().position == (std::string_view(hex) == "a201020304" ? 1 : 0));
  }
}

TEST_CASE("cbor: errors say what is not supported") {
  CHECK(bad(from_hex("a1 01 02"))->context().detail == "a key is not a text");
  CHECK(bad(from_hex("c1 00"))->context().detail == "tags are not supported");
  for (const char* hex : {"ff", "81ff", "bf6161ff"}) {
    CHECK(bad(from_hex(hex))->context().detail == "a break out of place");
  }
}

TEST_CASE("cbor: negative integers that nlohmann-json would change are malformed") {
  CHECK(decoded("3b7fffffffffffffff") == std::numeric_limits<std::int64_t>::min());
  CHECK(bad(from_hex("3b8000000000000000")));
  CHECK(bad(from_hex("3bffffffffffffffff")));
}

// RFC 8949, appendix F: what is not well-formed.
TEST_CASE("cbor: what is not well-formed is malformed") {
  for (const char* hex : {"18",
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
                          "a26161016162",
                          "5f4100",
                          "7f6100",
                          "9f",
                          "9f0102",
                          "bf",
                          "bf01020102",
                          "819f",
                          "9f8000",
                          "9f9f9f9f9fffffffff",
                          "9f819f819f9fffffff",
                          "1c",
                          "1d",
                          "1e",
                          "3c",
                          "3d",
                          "3e",
                          "5c",
                          "5d",
                          "5e",
                          "7c",
                          "7d",
                          "7e",
                          "9c",
                          "9d",
                          "9e",
                          "bc",
                          "bd",
                          "be",
                          "dc",
                          "dd",
                          "de",
                          "fc",
                          "fd",
                          "fe",
                          "f800",
                          "f801",
                          "f81f",
                          "5f00ff",
                          "5f21ff",
                          "5f6100ff",
                          "5f80ff",
                          "5fa0ff",
                          "5fc000ff",
                          "5fe0ff",
                          "7f4100ff",
                          "5f5f4100ffff",
                          "7f7f6100ffff",
                          "ff",
                          "81ff",
                          "8200ff",
                          "a1ff",
                          "a1ff00",
                          "a100ff",
                          "a20000ff",
                          "9f81ff",
                          "9f829f819f9fffffffff",
                          "bf00ff",
                          "bf000000ff",
                          "1f",
                          "3f",
                          "df",
                          "bf6161ff",
                          "bf616101",
                          "",
                          "0000",
                          "8000",
                          "6161 00"}) {
    CAPTURE(hex);
    const auto error = bad(from_hex(hex));
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
    CHECK(error->context().position.has_value());
  }
}

TEST_CASE("cbor: hostile lengths are refused from their head") {
  for (const char* hex : {"9bffffffffffffffff", "bbffffffffffffffff", "bb8000000000000000",
                          "9a7fffffff00", "ba7fffffff00", "5b7fffffffffffffff", "820102ff"}) {
    CHECK(bad(from_hex(hex))->code() == errc::malformed);
  }
}

TEST_CASE("cbor: depth is limited in every way that there is to nest") {
  const std::size_t deep = 100'000;
  for (const char* piece : {"81", "9f", "a16161", "bf6161"}) {
    CHECK(bad(repeated(from_hex(piece), deep))->code() == errc::too_large);
    const Cbor<> most{{.depth = Cbor<>::most_depth}};
    const std::string bytes = repeated(from_hex(piece), deep);
    CHECK(thrown([&] { (void)most.deserialize(bytes_of(bytes)); })->code() == errc::too_large);
  }
  for (const char* piece : {"7f", "5f", "c1", "a17f", "bf7f"}) {
    CHECK(bad(repeated(from_hex(piece), deep))->code() == errc::malformed);
  }
  // A string in pieces in a string in pieces: 31, the mark of such a string, is not its length.
  const auto pieces = bad(from_hex("7f7f") +
                          repeated("\x61"
                                   "a",
                                   15) +
                          "\x60\xff\xff");
  REQUIRE(pieces);
  CHECK(pieces->code() == errc::malformed);
  CHECK(pieces->context().position == 1);
  const Cbor<> most{{.depth = Cbor<>::most_depth}};
  const std::string arrays = repeated("\x81", 499) + "\x80";
  CHECK(encode_all(most, most.deserialize(bytes_of(arrays))) == arrays);
  const Cbor<> two{{.depth = 2}};
  CHECK(two.deserialize(bytes_of(from_hex("8180"))) == json::parse("[[]]"));
  const auto error = thrown([&] { (void)two.deserialize(bytes_of(from_hex("81a1616180"))); });
  REQUIRE(error);
  CHECK(error->code() == errc::too_large);
  CHECK(error->context().position == 4);
}

TEST_CASE("cbor: texts must be UTF-8; keys may be there once") {
  const auto error = bad(from_hex("8263616263 62 61ff"));
  REQUIRE(error);
  CHECK(error->code() == errc::malformed);
  CHECK(error->context().position == 7);
  CHECK(bad(from_hex("7f61c361a9ff")));  // A character in two pieces.
  const auto twice = bad(from_hex("81a26161016161 02"));
  REQUIRE(twice);
  CHECK(twice->context().field == "[0].a");
  CHECK(thrown([] { encode_all(Cbor<>{}, json("\xff")); })->code() == errc::not_sendable);
  CHECK(thrown([] { encode_all(Cbor<>{}, json::binary({1}, 7)); })->code() == errc::not_sendable);
}

TEST_CASE("cbor: structs of the program in a stream") {
  using Orders = LengthPrefixed<Cbor<Order>>;
  const Orders orders{Cbor<Order>{}, {.width = 2}};
  const Order order{7, {{"tea", 2}}, {}};
  const std::string frame = encode_all(orders, order);
  CHECK(frame == from_hex("0021 a2 626964 07 656c696e6573 81 a2 66616d6f756e74 02 "
                          "6770726f64756374 63746561"));
  CHECK(decode_every_cut(orders, frame + std::string("\0\1\xff", 3) + frame) ==
        testing::Outcomes<Orders>{order, errc::malformed, order});
  const auto error =
      thrown([&] { (void)Cbor<Order>{}.deserialize(bytes_of(from_hex("a1626964 6137"))); });
  REQUIRE(error);
  CHECK(error->context().field == "id");
}

TEST_CASE("cbor: rubbish is malformed or too large, nothing else") {
  unsigned seed = 3;
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
