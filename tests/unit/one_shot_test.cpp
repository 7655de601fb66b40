// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializer.hpp"
#include "cowire/serializers/struct.hpp"
#include "cowire/serializers/text.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace cowire;

namespace {

struct Point {
  std::int16_t x = 0;
  std::int16_t y = 0;
  static constexpr auto fields = std::tuple{&Point::x, &Point::y};
  friend bool operator==(const Point&, const Point&) = default;
};

}  // namespace

TEST_CASE("to_bytes and from_bytes: a packet without a stream") {
  const StructSerializer<Point> serializer;
  const std::vector<std::byte> bytes = to_bytes(serializer, Point{1, -2});
  CHECK(text_of(bytes) == std::string_view("\0\1\xff\xfe", 4));
  CHECK(from_bytes(serializer, bytes) == Point{1, -2});
  const auto error = thrown([&] { (void)from_bytes(serializer, Bytes(bytes).first(3)); });
  REQUIRE(error);
  CHECK(error->code() == errc::malformed);
}

TEST_CASE("to_bytes takes what the serializer takes; from_bytes gives views into the bytes") {
  const Text<std::string_view> text{{.encoding = TextEncoding::utf8}};
  const std::vector<std::byte> bytes = to_bytes(text, "hi");
  CHECK(from_bytes(text, bytes) == "hi");
  CHECK(from_bytes(text, bytes).data() == text_of(bytes).data());
  CHECK(to_bytes(text, "").empty());
  const auto error = thrown([&] { (void)to_bytes(text, "\xff"); });
  REQUIRE(error);
  CHECK(error->code() == errc::not_sendable);
}
