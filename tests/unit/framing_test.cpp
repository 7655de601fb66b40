// SPDX-License-Identifier: BSL-1.0
#include "cowire/framing.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

using namespace cowire;

TEST_CASE("Decoded: padding is a need_more that has seen no beginning of a packet") {
  const auto answer = Decoded<std::string>::padding(3);
  CHECK(answer.needs_more());
  CHECK(answer.is_padding());
  CHECK(answer.consumed() == 3);
  CHECK(answer.total() == 0);
  CHECK_FALSE(Decoded<std::string>::need_more(0, 3).is_padding());
}

TEST_CASE("Decoded: need_more") {
  const auto answer = Decoded<std::string>::need_more(10, 3);
  CHECK(answer.needs_more());
  CHECK_FALSE(answer.has_packet());
  CHECK_FALSE(answer.is_bad());
  CHECK(answer.total() == 10);
  CHECK(answer.consumed() == 3);
  CHECK(Decoded<int>::need_more().total() == 0);
  CHECK(Decoded<int>::need_more().consumed() == 0);
}

TEST_CASE("Decoded: packet") {
  auto answer = Decoded<std::unique_ptr<int>>::packet(std::make_unique<int>(5), 4);
  CHECK(answer.has_packet());
  CHECK_FALSE(answer.needs_more());
  CHECK_FALSE(answer.is_bad());
  CHECK(answer.consumed() == 4);
  const std::unique_ptr<int> taken = std::move(answer.value());
  CHECK(*taken == 5);
}

TEST_CASE("Decoded: bad, also with more bytes than there can be in memory") {
  const auto answer =
      Decoded<std::string>::bad(Error(errc::too_large), std::numeric_limits<std::uint64_t>::max());
  CHECK(answer.is_bad());
  CHECK_FALSE(answer.has_packet());
  CHECK(answer.consumed() == std::numeric_limits<std::uint64_t>::max());
  CHECK(answer.error().code() == errc::too_large);
}

TEST_CASE("Decoded: a packet that is an Error is a packet") {
  auto answer = Decoded<Error>::packet(Error(errc::busy), 1);
  CHECK(answer.has_packet());
  CHECK(answer.value().code() == errc::busy);
  CHECK(Decoded<Error>::bad(Error(errc::busy), 1).is_bad());
}

TEST_CASE("the error of a packet over the limit") {
  const Error error = too_large(70, 64);
  CHECK(error.code() == errc::too_large);
  CHECK(error.context().size == 70);
  CHECK(error.context().limit == 64);
  CHECK_FALSE(too_large(std::nullopt, 64).context().size.has_value());
}

TEST_CASE("find a byte") {
  const Bytes bytes = bytes_of("a,b,c");
  CHECK(cowire::find(bytes, std::byte{','}) == 1);
  CHECK(cowire::find(bytes, std::byte{','}, 1) == 1);
  CHECK(cowire::find(bytes, std::byte{','}, 2) == 3);
  CHECK(cowire::find(bytes, std::byte{','}, 4) == npos);
  CHECK(cowire::find(bytes, std::byte{','}, 5) == npos);
  CHECK(cowire::find(bytes, std::byte{','}, 99) == npos);
  CHECK(cowire::find({}, std::byte{','}) == npos);
}

TEST_CASE("find a string of bytes") {
  const Bytes bytes = bytes_of("a\r\r\nb\r\n");
  CHECK(cowire::find(bytes, bytes_of("\r\n")) == 2);
  CHECK(cowire::find(bytes, bytes_of("\r\n"), 3) == 5);
  CHECK(cowire::find(bytes, bytes_of("\r\n"), 6) == npos);
  CHECK(cowire::find(bytes, bytes_of("\r\n"), 99) == npos);
  CHECK(cowire::find(bytes_of("a"), bytes_of("ab")) == npos);
  CHECK(cowire::find({}, bytes_of("ab")) == npos);
}

TEST_CASE("integers of every width and order") {
  const Bytes bytes = bytes_of("\x81\x02\x03\x04\x05\x06\x07\xf8");
  CHECK(read_uint(bytes, 1, std::endian::big) == 0x81);
  CHECK(read_uint(bytes, 2, std::endian::big) == 0x8102);
  CHECK(read_uint(bytes, 2, std::endian::little) == 0x0281);
  CHECK(read_uint(bytes, 4, std::endian::big) == 0x81020304);
  CHECK(read_uint(bytes, 4, std::endian::little) == 0x04030281);
  CHECK(read_uint(bytes, 8, std::endian::big) == 0x81020304050607f8);
  CHECK(read_uint(bytes, 8, std::endian::little) == 0xf807060504030281);

  for (const std::endian order : {std::endian::big, std::endian::little}) {
    for (const std::size_t width : {1U, 2U, 4U, 8U}) {
      const std::uint64_t value = 0x81020304050607f8 >> (64 - 8 * width);
      std::array<std::byte, 9> room{};
      room[width] = std::byte{0x55};
      write_uint(room, value, width, order);
      CHECK(read_uint(room, width, order) == value);
      CHECK(room[width] == std::byte{0x55});  // not more than `width` bytes are written
    }
  }
}
