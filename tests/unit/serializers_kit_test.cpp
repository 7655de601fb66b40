// SPDX-License-Identifier: BSL-1.0
// Every serializer of the library keeps the laws: see check_serializer().
#include "cowire/protocol.hpp"
#include "cowire/serializers/fixed_size.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/raw.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/serializers/stapled.hpp"
#include "cowire/serializers/struct.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/check_serializer.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace cowire;
using namespace std::string_literals;
using testing::check_decoder;
using testing::check_serializer;

namespace {

const std::vector<std::string> texts{"one", "", "two words", "\0\x80\xff"s, std::string(120, 'x')};
const std::vector<std::string_view> views(texts.begin(), texts.end());

enum class Kind : std::uint8_t { one = 1, two = 2 };

struct Record {
  Kind kind = Kind::one;
  std::int32_t number = 0;
  std::array<double, 2> values{};
  bool flag = false;
  static constexpr auto fields =
      std::tuple{&Record::kind, &Record::number, &Record::values, &Record::flag};
  friend bool operator==(const Record&, const Record&) = default;
};

const std::vector<Record> records{{}, {Kind::two, -5, {0.5, -1e300}, true}};

}  // namespace

TEST_CASE("lines keep the laws of serializers") {
  CHECK(check_serializer(LineSerializer<>{}, texts, {.unsendable = {"a\nb", "\n"}}));
  CHECK(check_serializer(LineSerializer<>{{.ending = LineEnding::crlf, .limit = 200}}, texts,
                         {.unsendable = {"a\r\nb", std::string(201, 'x')}}));
  CHECK(check_serializer(LineSerializer<>{{.ending = LineEnding::cr, .limit = 120}}, texts,
                         {.unsendable = {"\r"}}));
  CHECK(check_serializer(LineSerializer<std::string_view>{{.accept_crlf = true, .limit = 150}},
                         views, {.unsendable = {"a\r", "a\n"}}));
  CHECK(check_serializer(LineSerializer<>{{.limit = 120, .last_line = LastLine::deliver}}, texts));
}

TEST_CASE("separated packets keep the laws of serializers") {
  CHECK(check_serializer(Separated{Text<>{}}, texts, {.unsendable = {"\n"}}));
  CHECK(check_serializer(Separated{Text<>{}, {.separator = "::", .limit = 120}}, texts,
                         {.unsendable = {"a::b", "a:", std::string(121, 'x')}}));
  CHECK(check_serializer(Separated{Text<std::string_view>{}, {.separator = "abab", .limit = 300}},
                         views, {.unsendable = {"xab"}}));
}

TEST_CASE("length-prefixed packets keep the laws of serializers") {
  for (const std::size_t width : {1U, 2U, 4U, 8U}) {
    for (const std::endian order : {std::endian::big, std::endian::little}) {
      CAPTURE(width);
      CHECK(
          check_serializer(LengthPrefixed{Text<>{}, {.width = width, .order = order, .limit = 200}},
                           texts, {.unsendable = {std::string(201, 'x')}}));
    }
  }
  CHECK(check_serializer(LengthPrefixed{Text<std::string_view>{}}, views));
}

TEST_CASE("packets of one size keep the laws of serializers") {
  CHECK(check_serializer(FixedSize{Text<>{}, 4}, {"abcd", "\0\0\0\0"s},
                         {.unsendable = {"abc", "abcde", ""}}));
  CHECK(check_serializer(FixedSize{Text<>{}, 120}, {std::string(120, 'x')}));
  CHECK(check_serializer(FixedSize{StructSerializer<Record>{}}, records));
}

TEST_CASE("packed fields and text keep the laws of one-shot serializers") {
  CHECK(check_serializer(StructSerializer<Record>{}, records));
  CHECK(check_serializer(StructSerializer<Record>{std::endian::little}, records));
  CHECK(check_serializer(Text<>{}, texts));
  CHECK(check_serializer(Text<std::string_view>{}, views));
}

TEST_CASE("what has no frames keeps the laws, but for the ends of packets") {
  CHECK(check_serializer(Raw<>{}, {"one", "two words"}, {.boundaries = false}));
  CHECK(check_serializer(Raw<std::string_view>{{.limit = 3}}, {"one", "two words"},
                         {.boundaries = false}));
  CHECK_FALSE(check_serializer(Raw<>{}, {"one", "two words"}));
}

TEST_CASE("stapled serializers keep the laws of their halves") {
  CHECK(check_decoder(Stapled{Raw<>{}, LineSerializer<>{}}, {"one\n", "\n", "two words\n"}));
  CHECK(check_serializer(Stapled{LineSerializer<std::string_view>{}, LineSerializer<>{}}, views));
}

TEST_CASE("a protocol keeps the laws of its serializer") {
  CHECK(check_serializer(StreamProtocol{LineSerializer<std::string_view>{}}, views));
  CHECK(check_serializer(StreamProtocol{FixedSize{StructSerializer<Record>{}}}, records));
  struct Twice {
    using sent_packet = std::string;
    using received_packet = std::string;
    std::string to_wire(const std::string& text) const { return text + text; }
    std::string from_wire(const std::string& text) const {
      if (text.size() % 2 != 0) {
        throw Error(errc::malformed);
      }
      return text.substr(0, text.size() / 2);
    }
  };
  CHECK(check_serializer(StreamProtocol{LineSerializer<>{}, Twice{}}, texts));
}
