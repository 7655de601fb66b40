// SPDX-License-Identifier: BSL-1.0
// The code of docs/serializers.md.
#include "cowire/converter.hpp"
#include "cowire/protocol.hpp"
#include "cowire/serializers/base64.hpp"
#include "cowire/serializers/cbor_items.hpp"
#include "cowire/serializers/checksummed.hpp"
#include "cowire/serializers/cobs.hpp"
#include "cowire/serializers/fixed_size.hpp"
#include "cowire/serializers/json_documents.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/message_pack_objects.hpp"
#include "cowire/serializers/netstring.hpp"
#include "cowire/serializers/raw.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/serializers/stapled.hpp"
#include "cowire/serializers/struct.hpp"
#include "cowire/serializers/tagged.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/serializers/varint_prefixed.hpp"
#include "cowire/testing/check_serializer.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

using namespace std::string_literals;

namespace {

// [lines]
const cowire::LineSerializer lines;  // `\n`, std::string packets
const cowire::LineSerializer crlf_lines{{.ending = cowire::LineEnding::crlf, .limit = 512}};
const cowire::LineSerializer<std::string_view> views{{.accept_crlf = true}};  // no copies
// [/lines]

// [separated]
const cowire::Separated records{cowire::Text<>{}, {.separator = "\x1e", .limit = 4096}};
const cowire::Separated paragraphs{cowire::Text<>{},
                                   {.separator = "\n\n", .alternatives = {"\r\n\r\n", "\n--\n"}}};
// [/separated]

// [length_prefixed]
const cowire::LengthPrefixed messages{cowire::Text<>{}};  // 4 bytes, big endian
const cowire::LengthPrefixed small_messages{cowire::Text<std::string_view>{},
                                            {.width = 2, .order = std::endian::little}};
// [/length_prefixed]

// [frames]
const cowire::VarintPrefixed delimited{cowire::Text<>{}};
const cowire::Netstring netstrings{cowire::Text<std::string_view>{}, {.limit = 4096}};
const cowire::Cobs serial_packets{cowire::Text<>{}, {.limit = 256}};
// [/frames]

// [values]
const cowire::JsonDocuments documents{cowire::Text<>{}, {.limit = 1 << 20, .depth = 64}};
const cowire::CborItems items{cowire::Text<std::string_view>{}};
const cowire::MessagePackObjects objects{cowire::Text<std::string_view>{}, {.depth = 16}};
// [/values]

// [struct]
enum class Kind : std::uint8_t { temperature = 1, pressure = 2 };

struct Measurement {
  Kind kind = Kind::temperature;
  std::uint32_t sensor = 0;
  std::array<float, 2> values{};

  static constexpr auto fields =
      std::tuple{&Measurement::kind, &Measurement::sensor, &Measurement::values};
};

const cowire::FixedSize measurements{cowire::StructSerializer<Measurement>{}};
// [/struct]

// [variable_struct]
struct Product {
  std::string name;
  std::uint32_t cents = 0;

  static constexpr auto fields =
      std::tuple{cowire::prefixed(&Product::name, {.width = 1, .limit = 40}), &Product::cents};
};

struct Basket {
  std::vector<Product> products;
  std::optional<std::uint16_t> voucher;

  static constexpr auto fields =
      std::tuple{cowire::prefixed(&Basket::products, {.width = 2, .limit = 100}), &Basket::voucher};
};

const cowire::LengthPrefixed baskets{cowire::StructSerializer<Basket>{}};
// [/variable_struct]

// [wrappers]
using Basket64 = cowire::Base64<cowire::StructSerializer<Basket>>;
const cowire::Separated basket_lines{Basket64{}};  // a line of base64 each

const cowire::LengthPrefixed checked{cowire::Checksummed{cowire::Text<>{}}};
// [/wrappers]

// [tagged]
using Shop = cowire::Tagged<cowire::Tag<1, cowire::StructSerializer<Basket>>,  //
                            cowire::Tag<2, cowire::Text<>>>;
using ShopPacket = std::variant<Basket, std::string>;  // Shop::received_packet

std::string describe(const ShopPacket& packet) {
  struct Visitor {
    std::string operator()(const Basket& basket) const {
      return std::to_string(basket.products.size()) + " products";
    }
    std::string operator()(const std::string& text) const { return "a note: " + text; }
  };
  return std::visit(Visitor{}, packet);
}
// [/tagged]

// [type_first]
/// Leaves room for the length, which LengthPrefixed fills in.
template <class S>
struct BehindLength {
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;

  void serialize(const sent_packet& packet, cowire::OutputBuffer& out) const {
    out.append(std::string_view("\0\0", 2));
    S{}.serialize(packet, out);
  }
  received_packet deserialize(cowire::Bytes bytes) const {
    return S{}.deserialize(bytes.subspan(std::min<std::size_t>(bytes.size(), 2)));
  }
};

using Records = cowire::Tagged<cowire::Tag<1, BehindLength<cowire::StructSerializer<Basket>>>,
                               cowire::Tag<2, BehindLength<cowire::Text<>>>>;
const cowire::LengthPrefixed records_of_types{
    Records{}, {.width = 2, .order = std::endian::little, .offset = 1, .strip = 0}};
// [/type_first]

// [encoding]
const cowire::LineSerializer utf8_lines{{.encoding = cowire::TextEncoding::utf8}};
const cowire::Separated ascii{cowire::Text{{.encoding = cowire::TextEncoding::ascii}}};
// [/encoding]

// [foreign]
struct Date {  // From somebody else's header.
  std::uint16_t year = 0;
  std::uint8_t month = 0;
  std::uint8_t day = 0;
};

using DateSerializer = cowire::StructSerializer<Date, &Date::year, &Date::month, &Date::day>;
// [/foreign]

// [stapled]
// Requests are lines; answers are whatever the handler builds.
const cowire::StreamProtocol protocol{
    cowire::Stapled{cowire::Raw<>{}, cowire::LineSerializer<std::string_view>{}}};
// [/stapled]

// [one_shot]
/// Decimal numbers, as text. Does not know where a number ends in a stream.
struct Decimal {
  using sent_packet = int;
  using received_packet = int;

  void serialize(int packet, cowire::OutputBuffer& out) const {
    out.append(std::to_string(packet));
  }

  int deserialize(cowire::Bytes bytes) const {
    const std::string_view text = cowire::text_of(bytes);
    const char* const end = text.data() + text.size();
    int packet = 0;
    const auto [stop, code] = std::from_chars(text.data(), end, packet);
    if (stop != end || code != std::errc()) {
      throw cowire::Error(cowire::errc::malformed,  // The peer's mistake.
                          "\"" + cowire::printable(bytes) + "\" is not a number");
    }
    return packet;
  }
};
static_assert(cowire::Serializer<Decimal>);

const cowire::Separated number_lines{Decimal{}};                // "12\n-3\n"
const cowire::LengthPrefixed numbers{Decimal{}, {.width = 1}};  // "\2" "12" "\2" "-3"
// [/one_shot]

// [netstring]
/// Netstrings: the size in decimal, a colon, the bytes, a comma.
///
///     received     "5:hello,0:,3:ab"
///     packets      "hello", ""           kept: "3:ab", and 6 bytes are asked for
class Netstring {
 public:
  using sent_packet = std::string;
  using received_packet = std::string;
  struct decoder_state {};  // Nothing to remember: the size is read again, it has few digits.

  explicit Netstring(std::size_t limit = cowire::default_frame_limit) : limit_(limit) {}

  void serialize(std::string_view packet, cowire::OutputBuffer& out) const {
    if (packet.size() > limit_) {
      throw cowire::too_large(packet.size(), limit_);
    }
    out.append(std::to_string(packet.size()));
    out.append(":");
    out.append(packet);
    out.append(",");
  }

  cowire::Decoded<std::string> decode(cowire::Bytes bytes, decoder_state&) const {
    using Answer = cowire::Decoded<std::string>;
    const std::string_view text = cowire::text_of(bytes);
    const std::size_t colon = std::min(text.find_first_not_of("0123456789"), text.size());
    if (colon > most_digits || (colon < text.size() && (text[colon] != ':' || colon == 0))) {
      return Answer::bad(malformed("no size"), std::min(colon, most_digits) + 1);  // Not a packet.
    }
    if (colon == text.size()) {
      return Answer::need_more();  // Less than a packet, nobody knows how much less.
    }
    std::size_t size = 0;
    std::from_chars(text.data(), text.data() + colon, size);
    const std::size_t frame = colon + 1 + size + 1;
    if (size > limit_) {
      // Before the bytes are waited for.
      return Answer::bad(cowire::too_large(size, limit_), frame);
    }
    if (text.size() < frame) {
      return Answer::need_more(frame);  // Less than a packet: so many bytes it will be.
    }
    if (text[frame - 1] != ',') {
      return Answer::bad(malformed("no comma"), frame);
    }
    return Answer::packet(std::string(text.substr(colon + 1, size)), frame);
  }

  std::size_t frame_limit() const noexcept { return most_digits + 1 + limit_ + 1; }

 private:
  static constexpr std::size_t most_digits = 9;

  static cowire::Error malformed(std::string detail) {
    return cowire::Error(cowire::errc::malformed, std::move(detail));
  }

  std::size_t limit_;
};
static_assert(cowire::StreamSerializer<Netstring>);
// [/netstring]

// [field_errors]
int digits(std::string_view text) {
  int number = 0;
  const char* const end = text.data() + text.size();
  if (std::from_chars(text.data(), end, number).ptr != end) {
    throw cowire::bad_field(cowire::errc::malformed, "cents", "not a number");
  }
  return number;
}

int to_cents(std::string_view field, std::string_view text) {
  return cowire::in_field(field,
                          [&] { return digits(text); });  // "not a number (field price.cents)"
}
// [/field_errors]

// [converter]
struct Request {
  std::string verb;
  std::string argument;
};

struct Reply {
  int code = 0;
  std::string text;
};

struct Commands {
  using sent_packet = Reply;
  using received_packet = Request;

  std::string to_wire(const Reply& reply) const {
    return std::to_string(reply.code) + " " + reply.text;
  }

  Request from_wire(std::string_view line) const {
    const std::size_t space = std::min(line.find(' '), line.size());
    if (space == 0) {
      throw cowire::Error(cowire::errc::malformed, "a command is missing");
    }
    return {std::string(line.substr(0, space)),
            std::string(line.substr(std::min(space + 1, line.size())))};
  }
};

const cowire::StreamProtocol commands{cowire::LineSerializer<std::string_view>{}, Commands{}};
// [/converter]

}  // namespace

TEST_CASE("the built-in serializers of the page do what it says") {
  using cowire::testing::decode_every_cut;
  using cowire::testing::encode_all;
  CHECK(encode_all(lines, "a") == "a\n");
  CHECK(encode_all(crlf_lines, "a") == "a\r\n");
  CHECK(decode_every_cut(views, "a\r\nb\n") ==
        cowire::testing::Outcomes<cowire::LineSerializer<>>{"a", "b"});
  CHECK(encode_all(records, "a\nb") == "a\nb\x1e");
  CHECK(encode_all(messages, "hi") == "\0\0\0\2hi"s);
  CHECK(encode_all(small_messages, "hi") == "\2\0hi"s);
  CHECK(encode_all(measurements, Measurement{Kind::pressure, 258, {1.0F, 0.0F}}) ==
        "\2\0\0\1\2\x3f\x80\0\0\0\0\0\0"s);
  CHECK(encode_all(cowire::FixedSize{DateSerializer{}}, Date{2026, 7, 14}) == "\x07\xea\7\16");
  CHECK(encode_all(protocol, "any\nbytes") == "any\nbytes");
  CHECK(decode_every_cut(protocol, "a\n") ==
        cowire::testing::Outcomes<cowire::LineSerializer<>>{"a"});
}

TEST_CASE("the frames and values of the page are what it says") {
  using cowire::testing::decode_every_cut;
  using cowire::testing::encode_all;
  using Texts = cowire::testing::Outcomes<cowire::Separated<cowire::Text<>>>;
  using cowire::errc;
  CHECK(encode_all(paragraphs, "one") == "one\n\n");
  CHECK(decode_every_cut(paragraphs, "one\ntwo\n\nthree\r\n\r\nfour\n--\n") ==
        Texts{"one\ntwo", "three", "four"});
  const cowire::LengthPrefixed whole{cowire::Text<>{},
                                     {.width = 2, .offset = 1, .adjustment = -3, .strip = 0}};
  CHECK(decode_every_cut(whole, "\7\0\5hi"s) == Texts{"\7\0\5hi"s});

  CHECK(decode_every_cut(delimited, "\2hi\0\xac\2w"s) == Texts{"hi", "", errc::truncated});
  CHECK(decode_every_cut(netstrings, "5:hello,0:,12:hel") == Texts{"hello", "", errc::truncated});
  CHECK(decode_every_cut(serial_packets, "\3\x11\x22\2\x33\0\1\0\5\x11"s) ==
        Texts{"\x11\x22\0\x33"s, "", errc::truncated});
  CHECK(decode_every_cut(documents, R"({"a":[1,"}"]} [2]"x"3 true{"b)") ==
        Texts{R"({"a":[1,"}"]})", "[2]", R"("x")", "3", "true", errc::truncated});
  CHECK(decode_every_cut(items, "\x83\1aa\xf6\xa0\x18\x64\x9f\1") ==
        Texts{"\x83\1aa\xf6", "\xa0", "\x18\x64", errc::truncated});
  CHECK(decode_every_cut(objects, "\x93\1\xa1\x61\xc0\x80\xcc\x64\x92\1") ==
        Texts{"\x93\1\xa1\x61\xc0", "\x80", "\xcc\x64", errc::truncated});
}

TEST_CASE("the serializers of one's own do what the page says") {
  using cowire::testing::encode_all;
  CHECK(encode_all(number_lines, 12, -3) == "12\n-3\n");
  CHECK(encode_all(numbers, 12, -3) ==
        "\2"
        "12"
        "\2"
        "-3");
  const auto error = thrown([] { (void)Decimal{}.deserialize(cowire::bytes_of("1x")); });
  REQUIRE(error);
  CHECK(error->context().detail == "\"1x\" is not a number");
  CHECK(thrown([] { (void)Decimal{}.deserialize({}); }));
}

// [kit]
TEST_CASE("netstrings keep the laws of serializers") {
  const std::string longest(200, 'x');
  CHECK(cowire::testing::check_serializer(Netstring(200), {"hello", "", "5:a,", longest},
                                          {.unsendable = {longest + "x"}}));
}
// [/kit]

// [test]
TEST_CASE("netstrings") {
  using cowire::errc;
  using cowire::testing::decode_every_cut;
  using cowire::testing::encode_all;
  using Packets = cowire::testing::Outcomes<Netstring>;
  const Netstring small(9);

  CHECK(encode_all(small, "hello", "") == "5:hello,0:,");
  CHECK(decode_every_cut(small, "5:hello,0:,") == Packets{"hello", ""});
  CHECK(decode_every_cut(small, "5:hel") == Packets{errc::truncated});
  CHECK(decode_every_cut(small, "10:0123456789,1:x,") == Packets{errc::too_large, "x"});
  CHECK(decode_every_cut(small, "1:ab1:x,") == Packets{errc::malformed, "x"});
  CHECK(decode_every_cut(small, "!1:x,") == Packets{errc::malformed, "x"});
  CHECK(decode_every_cut(small, "0123456789") == Packets{errc::malformed});
}
// [/test]

TEST_CASE("the netstring decoder says how many bytes it needs, and limits what is sent") {
  Netstring::decoder_state state;
  CHECK(Netstring{}.decode(cowire::bytes_of("3:ab"), state).total() == 6);
  CHECK(Netstring{}.decode(cowire::bytes_of("3"), state).total() == 0);
  CHECK(Netstring(9).frame_limit() == 20);
  CHECK(thrown([] { cowire::testing::encode_all(Netstring(2), "abc"); }));
}

TEST_CASE("the converter of the page does what it says") {
  using cowire::testing::encode_all;
  CHECK(encode_all(commands, Reply{200, "Command okay."}) == "200 Command okay.\n");
  decltype(commands)::decoder_state state;
  auto answer = commands.decode(cowire::bytes_of("USER rose\n"), state);
  REQUIRE(answer.has_packet());
  CHECK(answer.value().verb == "USER");
  CHECK(answer.value().argument == "rose");
  CHECK(commands.decode(cowire::bytes_of("NOOP\n"), state).value().argument == "");
  CHECK(commands.decode(cowire::bytes_of(" x\n"), state).is_bad());
}

TEST_CASE("values, wrappers and one-shot functions of the page") {
  using cowire::testing::encode_all;
  const Basket basket{{{"tea", 250}}, 7};
  CHECK(encode_all(baskets, basket) == "\0\0\0\x0d\0\1\3tea\0\0\0\xfa\1\0\7"s);
  CHECK(encode_all(basket_lines, basket) == "AAEDdGVhAAAA+gEABw==\n");
  CHECK(encode_all(checked, "123456789") == "\0\0\0\x0d"s + "123456789\xe3\x06\x92\x83");
  CHECK(encode_all(utf8_lines, "caf\xc3\xa9") == "caf\xc3\xa9\n");
  CHECK(thrown([] { encode_all(ascii, "caf\xc3\xa9"); })->code() == cowire::errc::not_sendable);
  const Shop shop;
  CHECK(describe(shop.deserialize(cowire::bytes_of("\2hi"))) == "a note: hi");
  CHECK(describe(shop.deserialize(cowire::bytes_of("\1\0\0\0"s))) == "0 products");

  CHECK(encode_all(records_of_types, ShopPacket("hi"), ShopPacket(Basket{})) ==
        "\2\2\0hi\1\3\0\0\0\0"s);
  CHECK(cowire::testing::check_serializer(
      records_of_types, {Basket{}, Basket{{{"tea", 250}}, 7}, "hi", "", std::string(200, 'x')},
      {.unsendable = {std::string(65'536, 'x')}}));

  // [bytes]
  const cowire::StructSerializer<Basket> serializer;
  const std::vector<std::byte> bytes = cowire::to_bytes(serializer, basket);
  const Basket again = cowire::from_bytes(serializer, bytes);
  // [/bytes]
  CHECK(bytes.size() == 13);
  CHECK(again.products.at(0).name == "tea");

  const auto error = thrown([&] { (void)to_cents("price", "12x"); });
  REQUIRE(error);
  CHECK(error->context().field == "price.cents");
}
