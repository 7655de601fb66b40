// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/compressed.hpp"

#include "cowire/serializers/checksummed.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/allocations.hpp"
#include "cowire/testing/splits.hpp"
#include "support/bomb.hpp"
#include "support/hex.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

using namespace cowire;
using testing::encode_all;

namespace {

using TextCompressed = Compressed<Text<>>;

TextCompressed with(const CompressOptions& options) { return TextCompressed{Text<>{}, options}; }

std::optional<Error> bad(const TextCompressed& serializer, std::string_view bytes) {
  return thrown([&] { (void)serializer.deserialize(bytes_of(bytes)); });
}

// [compressed]
const cowire::LengthPrefixed compressed{
    cowire::Compressed{cowire::Text<>{}, {.level = 9, .limit = 1 << 20}}};
// [/compressed]

std::string noise(std::size_t size) {
  std::string text;
  unsigned seed = 1;
  while (text.size() < size) {
    seed = seed * 1103515245U + 12345U;
    text += static_cast<char>(seed >> 16U);
  }
  return text;
}

}  // namespace

TEST_CASE("compressed: what Python's zlib and gzip made is read") {
  CHECK(TextCompressed{}.deserialize(bytes_of(from_hex("789c4b4c84010014e103cb"))) == "aaaaaaaaaa");
  const std::string hello = "hello hello hello";
  CHECK(TextCompressed{}.deserialize(bytes_of(from_hex("78dacb48cdc9c957c84090003a2e067d"))) ==
        hello);
  CHECK(TextCompressed{}.deserialize(bytes_of(from_hex("78da030000000001"))).empty());
  CHECK(TextCompressed{}.deserialize(bytes_of(from_hex("7801010200fdff6869013b00d2"))) == "hi");
  CHECK(with({.format = CompressFormat::raw})
            .deserialize(bytes_of(from_hex("cb48cdc9c957c8409000"))) == hello);
  CHECK(with({.format = CompressFormat::gzip})
            .deserialize(bytes_of(
                from_hex("1f8b0800000000000003cb48cdc9c957c84090008088f9e511000000"))) == hello);
}

TEST_CASE("compressed: every level and format, there and back") {
  for (const CompressFormat format :
       {CompressFormat::zlib, CompressFormat::gzip, CompressFormat::raw}) {
    for (int level = 0; level <= 9; ++level) {
      const TextCompressed serializer = with({.level = level, .format = format});
      for (const std::string& packet :
           {std::string(), std::string("a"), std::string(5000, 'x'), noise(5000), noise(65536)}) {
        CHECK(serializer.deserialize(bytes_of(encode_all(serializer, packet))) == packet);
      }
    }
  }
  CHECK(encode_all(with({.level = 9}), std::string(5000, 'x')).size() < 100);
  CHECK(encode_all(with({.level = 0}), std::string(5000, 'x')).size() > 5000);
}

TEST_CASE("compressed: at the limit, and one over, in both directions") {
  const TextCompressed small = with({.limit = 100, .ratio = 0});
  const TextCompressed large;
  const std::string at_limit = encode_all(large, std::string(100, 'x'));
  CHECK(small.deserialize(bytes_of(at_limit)) == std::string(100, 'x'));
  CHECK(encode_all(small, std::string(100, 'x')) == at_limit);
  const auto received = bad(small, encode_all(large, std::string(101, 'x')));
  REQUIRE(received);
  CHECK(received->code() == errc::too_large);
  CHECK(received->context().limit == 100);
  const auto sent = thrown([&] { encode_all(small, std::string(101, 'x')); });
  REQUIRE(sent);
  CHECK(sent->code() == errc::too_large);
  CHECK(sent->context().size == 101);
  CHECK(bad(with({.limit = 0}), encode_all(large, "x"))->code() == errc::too_large);
  CHECK(with({.limit = 0}).deserialize(bytes_of(encode_all(large, ""))).empty());
  constexpr std::size_t most = SIZE_MAX;
  CHECK(with({.limit = most, .ratio = 0}).deserialize(bytes_of(at_limit)).size() == 100);
}

TEST_CASE("compressed: at the ratio, and one over") {
  const std::string bytes = encode_all(with({.ratio = 0}), std::string(4000, 'x'));
  const std::size_t ratio = 4000 / bytes.size();
  CHECK(bad(with({.ratio = ratio}), bytes)->code() == errc::too_large);
  CHECK(with({.ratio = ratio + 1}).deserialize(bytes_of(bytes)).size() == 4000);
  // Where the limit leaves room for more than the ratio does.
  REQUIRE(ratio * bytes.size() < 4000);
  REQUIRE(4000 / ratio == bytes.size());
  const auto close = bad(with({.limit = 4000, .ratio = ratio}), bytes);
  REQUIRE(close);
  CHECK(close->context().limit == ratio * bytes.size());
}

TEST_CASE("compressed: a packet that would break the ratio is sent so that it does not") {
  const TextCompressed serializer = with({.ratio = 10});
  const std::string even(60'000, 'x');
  const std::string bytes = encode_all(serializer, even);
  CHECK(bytes.size() > even.size());
  CHECK(serializer.deserialize(bytes_of(bytes)) == even);
  CHECK(encode_all(serializer, noise(300) + noise(300)).size() < 600);
}

TEST_CASE("compressed: a bomb of 1 GB is refused at the limit, of the packet or of the ratio") {
  constexpr std::size_t megabyte = 1 << 20;
  const std::string bomb = make_bomb(1024);
  CHECK(bomb.size() < 2 * megabyte);

  const auto raw = [](std::size_t limit, std::size_t ratio) {
    return with({.format = CompressFormat::raw, .limit = limit, .ratio = ratio});
  };
  const auto limit = bad(raw(megabyte, 0), bomb);
  REQUIRE(limit);
  CHECK(limit->code() == errc::too_large);
  CHECK(limit->context().limit == megabyte);
  const auto ratio = bad(raw(std::size_t{1} << 40U, 2), bomb);
  REQUIRE(ratio);
  CHECK(ratio->code() == errc::too_large);
  CHECK(ratio->context().limit == 2 * bomb.size());

  // The old room and the new one, side by side, are one and a half of the limit at most.
  constexpr std::size_t most = 20 * megabyte;
  REQUIRE(testing::AllocationWatch::works());
  {
    const testing::AllocationWatch watch;
    CHECK_THROWS_AS((void)raw(most, 0).deserialize(bytes_of(bomb)), Error);
    CHECK(watch.largest() == most + 1);
    CHECK(watch.bytes() < 2 * most);
  }
  // It is one: two of its pieces are two megabytes.
  const std::string two = raw(2 * megabyte, 0).deserialize(bytes_of(make_bomb(2)));
  CHECK(two.size() == 2 * megabyte);
}

TEST_CASE("compressed: cut, changed, longer, or of another format: malformed") {
  const TextCompressed serializer;
  const std::string good = encode_all(serializer, "hello hello hello");
  for (std::size_t size = 0; size < good.size(); ++size) {
    CHECK(bad(serializer, good.substr(0, size))->code() == errc::malformed);
  }
  const auto longer = bad(serializer, good + "x");
  REQUIRE(longer);
  CHECK(longer->code() == errc::malformed);
  CHECK(longer->context().position == good.size());
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    const auto error = bad(serializer, changed);
    REQUIRE(error);
    CHECK(error->code() == condition::bad_peer);
  }
  CHECK(bad(with({.format = CompressFormat::gzip}), good)->code() == errc::malformed);
  const auto dictionary = bad(serializer, from_hex("78bb 00000001 00"));
  REQUIRE(dictionary);
  CHECK(dictionary->context().detail == "the compressed data need a dictionary");
}

TEST_CASE("compressed: in a stream, with a checksum inside") {
  using Packets = LengthPrefixed<Compressed<Checksummed<Text<>>>>;
  const Packets packets{Compressed<Checksummed<Text<>>>{}, {.width = 1}};
  const std::string good = encode_all(packets, "hi");
  CHECK(testing::decode_every_cut(packets, good + "\3abc" + good) ==
        testing::Outcomes<Packets>{"hi", errc::malformed, "hi"});
}

TEST_CASE("compressed: the example of the page of values") {
  CHECK(encode_all(compressed, "aaaaaaaaaa") == from_hex("0000000b 78da4b4c84010014e103cb"));
}

TEST_CASE("compressed: levels that do not exist are refused") {
  for (const int level : {-1, 10}) {
    CHECK(thrown([&] { with({.level = level}); })->code() == errc::invalid_argument);
  }
}
