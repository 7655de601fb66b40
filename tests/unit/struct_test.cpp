// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/struct.hpp"

#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace cowire;
using namespace std::string_literals;
using testing::encode_all;

namespace {

enum class Color : std::uint8_t { red = 1, blue = 200 };
enum Plain { plain_zero, plain_one };

struct Point {
  std::int32_t x = 0;
  std::uint16_t y = 0;
  static constexpr auto fields = std::tuple{&Point::x, &Point::y};
  friend bool operator==(const Point&, const Point&) = default;
};

/// A type that cannot be changed: its list of fields is given from outside.
struct Foreign {
  std::uint16_t id = 0;
  char tag = ' ';
  friend bool operator==(const Foreign&, const Foreign&) = default;
};

struct Everything {
  bool flag = false;
  char letter = ' ';
  std::int8_t i8 = 0;
  std::uint8_t u8 = 0;
  std::int16_t i16 = 0;
  std::int64_t i64 = 0;
  std::uint64_t u64 = 0;
  float f32 = 0;
  double f64 = 0;
  Color color = Color::red;
  std::array<std::uint16_t, 3> numbers{};
  std::array<std::array<char, 2>, 2> grid{};
  Point point;
  std::array<Point, 2> line{};
  Foreign foreign;
  int not_sent = 0;

  static constexpr auto fields =
      std::tuple{&Everything::flag,  &Everything::letter, &Everything::i8,      &Everything::u8,
                 &Everything::i16,   &Everything::i64,    &Everything::u64,     &Everything::f32,
                 &Everything::f64,   &Everything::color,  &Everything::numbers, &Everything::grid,
                 &Everything::point, &Everything::line,   &Everything::foreign};
  friend bool operator==(const Everything&, const Everything&) = default;
};

struct Line {
  std::string product;
  std::uint16_t amount = 0;
  static constexpr auto fields =
      std::tuple{prefixed(&Line::product, {.width = 1, .limit = 5}), &Line::amount};
  friend bool operator==(const Line&, const Line&) = default;
};

struct Order {
  std::uint32_t id = 0;
  std::vector<Line> lines;
  std::vector<std::string> tags;
  std::optional<Point> place;
  std::optional<std::string> note;
  std::array<std::vector<bool>, 2> flags;
  std::vector<std::byte> blob;

  static constexpr auto fields =
      std::tuple{&Order::id,
                 prefixed(&Order::lines, {.width = 1, .limit = 3}),
                 prefixed(&Order::tags, {.width = 1}, {.width = 2, .limit = 300}),
                 &Order::place,
                 prefixed(&Order::note, {.width = 1}),
                 prefixed(&Order::flags, {.width = 1}),
                 prefixed(&Order::blob, {.width = 4, .limit = 1 << 30})};
  friend bool operator==(const Order&, const Order&) = default;
};

/// Little endian, whatever it is in.
struct Small {
  std::uint16_t value = 0;
  static constexpr std::endian byte_order = std::endian::little;
  static constexpr auto fields = std::tuple{&Small::value};
  friend bool operator==(const Small&, const Small&) = default;
};

struct Mixed {
  std::uint16_t big = 0;
  Small small;
  std::vector<std::uint16_t> numbers;
  static constexpr auto fields =
      std::tuple{&Mixed::big, &Mixed::small, prefixed(&Mixed::numbers, {.width = 2})};
  friend bool operator==(const Mixed&, const Mixed&) = default;
};

struct Blob {
  std::vector<std::uint64_t> numbers;
  friend bool operator==(const Blob&, const Blob&) = default;
};

struct WithBool {
  bool flag = false;
};

struct WithPlain {
  Plain value = plain_zero;
};

template <class S>
concept HasPackedSize = requires { S::packed_size; };

template <class S, class T = typename S::received_packet>
T decode(const S& serializer, std::string_view bytes) {
  return serializer.deserialize(bytes_of(bytes));
}

}  // namespace

template <>
inline constexpr auto cowire::struct_fields<Foreign> = std::tuple{&Foreign::id, &Foreign::tag};

using PointSerializer = StructSerializer<Point>;

static_assert(Serializer<PointSerializer> && !StreamSerializer<PointSerializer>);
static_assert(PointSerializer::packed_size == 6);
static_assert(StructSerializer<Foreign>::packed_size == 3);
static_assert(Serializer<StructSerializer<Order>>);
static_assert(HasPackedSize<PointSerializer> && !HasPackedSize<StructSerializer<Order>>);
static_assert(StructSerializer<Everything>::packed_size ==
              1 + 1 + 1 + 1 + 2 + 8 + 8 + 4 + 8 + 1 + 6 + 4 + 6 + 12 + 3);

TEST_CASE("fields follow each other without padding, in network order") {
  const PointSerializer serializer;
  CHECK(encode_all(serializer, Point{-2, 258}) == "\xff\xff\xff\xfe\1\2");
  CHECK(decode(serializer, "\xff\xff\xff\xfe\1\2") == Point{-2, 258});
}

TEST_CASE("little endian on demand") {
  const PointSerializer serializer{std::endian::little};
  CHECK(encode_all(serializer, Point{-2, 258}) == "\xfe\xff\xff\xff\2\1");
  CHECK(decode(serializer, "\xfe\xff\xff\xff\2\1") == Point{-2, 258});
}

TEST_CASE("the members named in place win over the type's own list") {
  const StructSerializer<Point, &Point::y, &Point::x> swapped;
  CHECK(encode_all(swapped, Point{-2, 258}) == "\1\2\xff\xff\xff\xfe");
  CHECK(decode(swapped, "\1\2\xff\xff\xff\xfe") == Point{-2, 258});
  const StructSerializer<Point, &Point::y> only_y;
  CHECK(only_y.packed_size == 2);
  CHECK(decode(only_y, "\1\2") == Point{0, 258});
}

TEST_CASE("every type of field, both orders") {
  Everything all;
  all.flag = true;
  all.letter = 'Z';
  all.i8 = -128;
  all.u8 = 255;
  all.i16 = std::numeric_limits<std::int16_t>::min();
  all.i64 = std::numeric_limits<std::int64_t>::min();
  all.u64 = std::numeric_limits<std::uint64_t>::max() - 1;
  all.f32 = -1.5F;
  all.f64 = 0.1;
  all.color = Color::blue;
  all.numbers = {1, 2, 0xfffe};
  all.grid = {{{'a', 'b'}, {'c', 'd'}}};
  all.point = {-7, 8};
  all.line = {Point{1, 2}, Point{-3, 4}};
  all.foreign = {0x0102, 't'};
  for (const std::endian order : {std::endian::big, std::endian::little}) {
    const StructSerializer<Everything> serializer{order};
    const std::string bytes = encode_all(serializer, all);
    CHECK(bytes.size() == serializer.packed_size);
    CHECK(decode(serializer, bytes) == all);
  }
}

TEST_CASE("members outside the list are not carried") {
  Everything all;
  all.not_sent = 5;
  const StructSerializer<Everything> serializer;
  CHECK(decode(serializer, encode_all(serializer, all)).not_sent == 0);
}

TEST_CASE("floating point numbers are IEEE 754, bit by bit") {
  struct Number {
    float f = 0;
    double d = 0;
  };
  const StructSerializer<Number, &Number::f, &Number::d> serializer;
  CHECK(encode_all(serializer, Number{1.0F, -2.0}) == "\x3f\x80\0\0\xc0\0\0\0\0\0\0\0"s);
  const Number odd = decode(serializer, "\x7f\xc0\0\1\xff\xf0\0\0\0\0\0\0"s);
  CHECK(std::bit_cast<std::uint32_t>(odd.f) == 0x7fc00001);
  CHECK(odd.d == -std::numeric_limits<double>::infinity());
}

TEST_CASE("a bool is 0 or 1") {
  const StructSerializer<WithBool, &WithBool::flag> serializer;
  CHECK(encode_all(serializer, WithBool{true}) == "\1");
  CHECK_FALSE(decode(serializer, "\0"s).flag);
  CHECK(decode(serializer, "\1").flag);
  const auto error = thrown([&] { decode(serializer, "\2"); });
  REQUIRE(error);
  CHECK(error->code() == errc::malformed);
  CHECK(error->context().detail == "a bool field is 2 instead of 0 or 1");
}

TEST_CASE("enums are their numbers; those without a name pass, too") {
  struct Colored {
    Color color = Color::red;
  };
  const StructSerializer<Colored, &Colored::color> serializer;
  CHECK(encode_all(serializer, Colored{Color::blue}) == "\xc8");
  CHECK(decode(serializer, "\x63").color == static_cast<Color>(0x63));
  const StructSerializer<WithPlain, &WithPlain::value> plain;
  CHECK(plain.packed_size == sizeof(Plain));
  CHECK(decode(plain, encode_all(plain, WithPlain{plain_one})).value == plain_one);
}

TEST_CASE("bytes of another size are malformed") {
  const PointSerializer serializer;
  for (const std::string& bytes : {""s, "12345"s, "1234567"s}) {
    const auto error = thrown([&] { decode(serializer, bytes); });
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
    CHECK(error->context().size == bytes.size());
    CHECK(error->context().detail == "the struct has 6 bytes");
  }
}

TEST_CASE("the fields go behind earlier output") {
  BlockPool pool;
  OutputBuffer out(pool);
  out.append("x");
  PointSerializer{}.serialize({1, 2}, out);
  CHECK(text_of(out.readable()) == "x\0\0\0\1\0\2"s);
}

TEST_CASE("strings and vectors come after their length, optionals after a byte") {
  const StructSerializer<Order> serializer;
  const Order order{7,
                    {{"tea", 2}, {"", 3}},
                    {"new", ""},
                    Point{-1, 2},
                    std::nullopt,
                    {{{true, false}, {}}},
                    {std::byte{9}}};
  const std::string bytes =
      "\0\0\0\7"
      "\2\3tea\0\2\0\0\3"
      "\2\0\3new\0\0"
      "\1\xff\xff\xff\xff\0\2"
      "\0"
      "\2\1\0\0"
      "\0\0\0\1\x09"s;
  CHECK(encode_all(serializer, order) == bytes);
  CHECK(decode(serializer, bytes) == order);
  CHECK(decode(serializer, encode_all(serializer, Order{})) == Order{});
  const StructSerializer<Order> little{std::endian::little};
  CHECK(encode_all(little, order).substr(0, 4) == "\7\0\0\0"s);
  CHECK(decode(little, encode_all(little, order)) == order);
}

TEST_CASE("every proper prefix of a struct of variable size is malformed, and a longer one, too") {
  const StructSerializer<Order> serializer;
  const Order order{7, {{"tea", 2}}, {"new"}, Point{-1, 2}, "x", {{{true}, {false}}}, {}};
  const std::string bytes = encode_all(serializer, order);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto error = thrown([&] { decode(serializer, bytes.substr(0, size)); });
    CAPTURE(size);
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
    CHECK(error->context().detail == "the packet ends too early");
    CHECK(error->context().position <= size);
    CHECK_FALSE(error->context().field.empty());
  }
  const auto error = thrown([&] { decode(serializer, bytes + "!"); });
  REQUIRE(error);
  CHECK(error->code() == errc::malformed);
  CHECK(error->context().detail == "there are bytes behind the last field");
  CHECK(error->context().position == bytes.size());
}

TEST_CASE("an error names the field, however deep it is") {
  const StructSerializer<Order> serializer;
  const auto early = thrown([&] { decode(serializer, "\0\0\0\7\2\3tea\0\2\4te"s); });
  REQUIRE(early);
  CHECK(early->context().field == "lines[1].product");
  CHECK(early->context().position == 11);
  const auto flag = thrown([&] { decode(serializer, "\0\0\0\7\0\0\2"s); });
  REQUIRE(flag);
  CHECK(flag->context().field == "place");
  CHECK(flag->context().detail == "a bool field is 2 instead of 0 or 1");
  Order order;
  order.lines = {{"coffee", 1}};
  const auto sent = thrown([&] { encode_all(serializer, order); });
  REQUIRE(sent);
  CHECK(sent->code() == errc::too_large);
  CHECK(sent->context().field == "lines[0].product");
  const StructSerializer<WithBool, &WithBool::flag> fixed;
  CHECK(thrown([&] { decode(fixed, "\2"); })->context().field == "flag");
}

TEST_CASE("lengths: at the limit, over it, and over what the prefix can say") {
  const StructSerializer<Line> line;
  const Line most{"12345", 1};
  CHECK(decode(line, encode_all(line, most)) == most);
  const auto received = thrown([&] {
    decode(line,
           "\6"
           "123456\0\1"s);
  });
  REQUIRE(received);
  CHECK(received->code() == errc::too_large);
  CHECK(received->context().detail == "the length of a field is 6, at most 5 is allowed");
  CHECK(thrown([&] { encode_all(line, Line{"123456", 1}); })->code() == errc::too_large);
  Order order;
  order.note = std::string(255, 'n');
  const StructSerializer<Order> serializer;
  CHECK(decode(serializer, encode_all(serializer, order)) == order);
  order.note = std::string(256, 'n');
  const auto sent = thrown([&] { encode_all(serializer, order); });
  REQUIRE(sent);
  CHECK(sent->code() == errc::too_large);
  CHECK(sent->context().field == "note");
}

TEST_CASE("a length is checked against the bytes that are there: nothing is allocated for it") {
  constexpr auto every = std::numeric_limits<std::size_t>::max();
  const StructSerializer<Blob, prefixed(&Blob::numbers, {.width = 8, .limit = every})> serializer;
  for (const std::string& length :
       {"\0\0\0\0\0\0\0\2"s, "\0\0\0\0\xff\xff\xff\xff"s, "\x7f\xff\xff\xff\xff\xff\xff\xff"s,
        "\x80\0\0\0\0\0\0\0"s, "\x20\0\0\0\0\0\0\1"s, "\xff\xff\xff\xff\xff\xff\xff\xff"s}) {
    const auto error = thrown([&] { decode(serializer, length + "12345678"); });
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
    CHECK(error->context().position == 0);
  }
  CHECK(decode(serializer,
               "\0\0\0\0\0\0\0\1"
               "\0\0\0\0\0\0\0\5"s) == Blob{{5}});
}

TEST_CASE("a struct declares its byte order for itself") {
  const StructSerializer<Mixed> serializer;
  const Mixed mixed{1, {2}, {3}};
  CHECK(encode_all(serializer, mixed) == "\0\1\2\0\0\1\0\3"s);
  CHECK(decode(serializer, "\0\1\2\0\0\1\0\3"s) == mixed);
  CHECK(encode_all(StructSerializer<Small>{std::endian::big}, Small{2}) == "\2\0"s);
  CHECK(decode(StructSerializer<Small>{}, "\2\0"s) == Small{2});
}

TEST_CASE("structs of variable size in a stream, cut anywhere") {
  using Lines = LengthPrefixed<StructSerializer<Line>>;
  const Lines lines{StructSerializer<Line>{}, {.width = 1}};
  const Line tea{"tea", 2};
  CHECK(testing::decode_every_cut(lines, "\6\3tea\0\2\2\1t\6\3tea\0\2"s) ==
        testing::Outcomes<Lines>{tea, errc::malformed, tea});
}

TEST_CASE("rubbish is malformed or too large, nothing else") {
  const StructSerializer<Order> serializer;
  unsigned seed = 7;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < round % 60; ++i) {
      seed = seed * 1103515245U + 12345U;
      bytes += static_cast<char>(seed >> 16U & (round % 2 == 0 ? 3U : 255U));
    }
    const auto error = thrown([&] { decode(serializer, bytes); });
    if (error) {
      CHECK(error->code() == condition::bad_peer);
    }
  }
}
