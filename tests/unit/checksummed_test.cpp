// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/checksummed.hpp"

#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace cowire;
using namespace std::string_literals;
using testing::encode_all;

namespace {

std::uint32_t sum(std::string_view text) { return detail::crc32c(bytes_of(text)); }

}  // namespace

// The bytes there are those on the wire, least significant first.
TEST_CASE("crc-32c: the examples of RFC 3720, B.4") {
  CHECK(sum(std::string(32, '\0')) == 0x8a9136aa);
  CHECK(sum(std::string(32, '\xff')) == 0x62a8ab43);
  std::string rising;
  for (char c = 0; c < 32; ++c) {
    rising += c;
  }
  CHECK(sum(rising) == 0x46dd794e);
  CHECK(sum(std::string(rising.rbegin(), rising.rend())) == 0x113fdb5c);
  std::string read(48, '\0');  // An iSCSI command: read 10.
  read[0] = '\x01';
  read[1] = '\xc0';
  read[16] = '\x14';
  read[22] = '\x04';
  read[27] = '\x14';
  read[31] = '\x18';
  read[32] = '\x28';
  read[40] = '\x02';
  CHECK(sum(read) == 0xd9963a56);
  CHECK(sum("123456789") == 0xe3069283);
  CHECK(sum("") == 0);
}

TEST_CASE("crc-32c: eight bytes at a time or one, the sum is the same") {
  std::string text;
  std::uint32_t crc = 0xffffffff;
  for (int size = 0; size < 70; ++size) {
    CHECK(sum(text) == ~crc);
    const auto byte = static_cast<unsigned char>(size * 37);
    text += static_cast<char>(byte);
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0x82f63b78U : 0U);
    }
  }
}

TEST_CASE("a packet comes with its checksum, in the declared byte order") {
  const Checksummed text{Text<>{}};
  CHECK(encode_all(text, "123456789") == "123456789\xe3\x06\x92\x83");
  CHECK(text.deserialize(bytes_of("123456789\xe3\x06\x92\x83")) == "123456789");
  CHECK(encode_all(text, "") == "\0\0\0\0"s);
  CHECK(text.deserialize(bytes_of("\0\0\0\0"s)).empty());
  const Checksummed little{Text<std::string_view>{}, {.order = std::endian::little}};
  CHECK(encode_all(little, "123456789") == "123456789\x83\x92\x06\xe3");
  const std::string bytes = "123456789\x83\x92\x06\xe3";
  CHECK(little.deserialize(bytes_of(bytes)).data() == bytes.data());
}

TEST_CASE("every bit that changes is noticed, and so is what is too short") {
  const Checksummed text{Text<>{}};
  const std::string good = encode_all(text, "a packet");
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const auto error = thrown([&] { (void)text.deserialize(bytes_of(bytes)); });
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto error =
        thrown([&] { (void)text.deserialize(bytes_of(std::string_view(good).substr(0, size))); });
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
    CHECK(error->context().size.has_value() == (size < 4));
    CHECK(error->context().size.value_or(size) == size);
  }
}

TEST_CASE("checksummed packets in a stream: a wrong one is dropped alone") {
  using Packets = LengthPrefixed<Checksummed<Text<>>>;
  const Packets packets{Checksummed{Text<>{}}, {.width = 1}};
  const std::string good = encode_all(packets, "hi");
  CHECK(good == "\6hi" + encode_all(Checksummed{Text<>{}}, "hi").substr(2));
  std::string bad = good;
  bad[1] = 'H';
  CHECK(testing::decode_every_cut(packets, good + bad + "\1x" + good) ==
        testing::Outcomes<Packets>{"hi", errc::malformed, errc::malformed, "hi"});
}

TEST_CASE("what the inner serializer refuses is refused") {
  const Checksummed ascii{Text<>{{.encoding = TextEncoding::ascii}}};
  const std::string bytes = encode_all(Checksummed{Text<>{}}, "\xff");
  const auto error = thrown([&] { (void)ascii.deserialize(bytes_of(bytes)); });
  REQUIRE(error);
  CHECK(error->context().detail == "the text is not ASCII");
  CHECK(thrown([&] { encode_all(ascii, "\xff"); })->code() == errc::not_sendable);
}
