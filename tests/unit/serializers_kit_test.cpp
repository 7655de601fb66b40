// SPDX-License-Identifier: BSL-1.0
// Every serializer of the library keeps the laws: see check_serializer().
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
#include "support/hex.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

using namespace cowire;
using namespace std::string_literals;
using namespace std::string_view_literals;
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

struct Note {
  std::string text;
  std::vector<std::uint16_t> pages;
  std::optional<Record> record;
  std::vector<std::string> words;
  static constexpr auto fields = std::tuple{
      prefixed(&Note::text, {.width = 1, .limit = 200}), prefixed(&Note::pages, {.limit = 100}),
      &Note::record, prefixed(&Note::words, {.width = 2}, {.width = 8, .limit = 20})};
  friend bool operator==(const Note&, const Note&) = default;
};

const std::vector<Note> notes{
    {}, {"a note", {1, 65535}, records[1], {"", "two"}}, {std::string(120, 'n'), {}, {}, {}}};

std::vector<std::string> from_hex_each(const std::vector<std::string>& digits) {
  std::vector<std::string> all;
  for (const std::string& one : digits) {
    all.push_back(from_hex(one));
  }
  return all;
}

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
  CHECK(check_serializer(LineSerializer<>{{.ending = LineEnding::any, .limit = 120}}, texts,
                         {.unsendable = {"a\r", "a\nb", "\r\n"}}));
  const LineOptions last_of_any{
      .ending = LineEnding::any, .limit = 150, .last_line = LastLine::deliver};
  CHECK(check_serializer(LineSerializer<std::string_view>{last_of_any}, views));
}

TEST_CASE("lines and texts of an encoding keep the laws of serializers") {
  const std::vector<std::string> ascii{"", "one", "\x7f", std::string(120, 'x')};
  const std::vector<std::string> utf8{"", "caf\xc3\xa9", "\xf0\x9f\x98\x80", std::string(120, 'x')};
  CHECK(check_serializer(LineSerializer<>{{.limit = 150, .encoding = TextEncoding::ascii}}, ascii,
                         {.unsendable = {"\x80", "caf\xc3\xa9"}}));
  CHECK(check_serializer(
      LineSerializer<>{{.ending = LineEnding::any, .limit = 150, .encoding = TextEncoding::utf8}},
      utf8, {.unsendable = {"\xc0\xaf", "caf\xc3"}}));
  CHECK(
      check_serializer(Text<>{{.encoding = TextEncoding::ascii}}, ascii, {.unsendable = {"\x80"}}));
  CHECK(check_serializer(Text<>{{.encoding = TextEncoding::utf8}}, utf8,
                         {.unsendable = {"\xed\xa0\x80", "\xf4\x90\x80\x80"}}));
}

TEST_CASE("separated packets keep the laws of serializers") {
  CHECK(check_serializer(Separated{Text<>{}}, texts, {.unsendable = {"\n"}}));
  CHECK(check_serializer(Separated{Text<>{}, {.separator = "::", .limit = 120}}, texts,
                         {.unsendable = {"a::b", "a:", std::string(121, 'x')}}));
  CHECK(check_serializer(Separated{Text<std::string_view>{}, {.separator = "abab", .limit = 300}},
                         views, {.unsendable = {"xab"}}));
}

TEST_CASE("packets with several separators, and with long ones, keep the laws of serializers") {
  CHECK(check_serializer(
      Separated{Text<>{}, {.separator = "\n", .alternatives = {"\r\n", "\r"}, .limit = 150}}, texts,
      {.unsendable = {"a\r", "a\nb"}}));
  // What is sent may be the beginning of a longer one.
  CHECK(check_serializer(
      Separated{Text<>{}, {.separator = "\r", .alternatives = {"\r\n", "\r\nend"}, .limit = 150}},
      texts, {.unsendable = {"\n", "\nend", "a\rb"}}));
  CHECK(check_serializer(
      Separated{Text<std::string_view>{},
                {.separator = "aba", .alternatives = {"abab", "b::"}, .limit = 150}},
      {"one", "", "::", std::string_view(texts[4])}, {.unsendable = {"xab", "b::", "baba"}}));
  CHECK(check_serializer(
      Separated{Text<>{}, {.separator = "--- the end of a packet ---", .limit = 120}}, texts,
      {.unsendable = {"--- the end of a packet ---", std::string(121, 'x')}}));
  CHECK(check_serializer(
      Separated{Text<>{}, {.separator = std::string(40, 'a') + 'b', .limit = 150}},
      {"one", "", std::string(100, 'c'), "aaab"}, {.unsendable = {std::string(40, 'a') + 'b'}}));
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

TEST_CASE("lengths anywhere in a header, of anything, keep the laws of serializers") {
  CHECK(check_serializer(LengthPrefixed{Text<>{}, {.width = 3, .limit = 200}}, texts,
                         {.unsendable = {std::string(201, 'x')}}));
  const std::endian little = std::endian::little;
  CHECK(check_serializer(LengthPrefixed{Text<>{}, {.width = 3, .order = little}}, texts));
  // The length is that of the whole frame.
  CHECK(check_serializer(
      LengthPrefixed{Text<>{}, {.width = 1, .limit = 200, .offset = 2, .adjustment = -3}}, texts,
      {.unsendable = {std::string(201, 'x')}}));
  // A byte behind the length is not counted by it: packets have one at least.
  CHECK(check_serializer(
      LengthPrefixed{Text<>{}, {.width = 2, .limit = 200, .offset = 1, .adjustment = 1}},
      {"1", "one", std::string(120, 'x')}, {.unsendable = {""}}));
  // More than the header is stripped.
  CHECK(check_serializer(
      LengthPrefixed{Text<>{}, {.width = 2, .limit = 200, .adjustment = 2, .strip = 4}}, texts));
  // Nothing is stripped: the length is a part of the packet.
  const LengthOptions whole{.width = 2, .limit = 200, .offset = 1, .adjustment = -3, .strip = 0};
  CHECK(check_serializer(LengthPrefixed{Text<>{}, whole},
                         {"\7\0\3"s, "\7\0\5hi"s, "\0\0\x67"s + std::string(100, 'x')},
                         {.unsendable = {"", "\7\0"s}}));
  const LengthOptions half{.width = 2, .limit = 200, .offset = 2, .strip = 3};
  CHECK(check_serializer(LengthPrefixed{Text<std::string_view>{}, half}, {"\0"sv, "\2hi"sv},
                         {.unsendable = {""}}));
}

TEST_CASE("lengths of other forms keep the laws of serializers") {
  std::vector<std::string> longer = texts;
  longer.emplace_back(127, 'x');
  longer.emplace_back(128, 'y');
  longer.emplace_back(300, 'z');
  const std::vector<std::string> too_large{std::string(301, 'x')};
  CHECK(check_serializer(VarintPrefixed{Text<>{}, {.limit = 300}}, longer,
                         {.unsendable = too_large}));
  CHECK(check_serializer(VarintPrefixed{Text<std::string_view>{}}, views));
  CHECK(check_serializer(Netstring{Text<>{}, {.limit = 300}}, longer, {.unsendable = too_large}));
  CHECK(check_serializer(Netstring{Text<std::string_view>{}}, views));
}

TEST_CASE("stuffed packets keep the laws of serializers") {
  std::vector<std::string> longer = texts;
  longer.insert(longer.end(), {std::string(3, '\0'), std::string(254, 'x'), std::string(255, 'y'),
                               std::string(254, 'z') + '\0'});
  CHECK(check_serializer(Cobs{Text<>{}, {.limit = 260}}, longer,
                         {.unsendable = {std::string(261, 'x')}}));
  CHECK(check_serializer(Cobs{Text<std::string_view>{}, {.limit = 120}}, views));
  CHECK(check_serializer(Cobs{StructSerializer<Note>{}}, notes));
  CHECK(check_decoder(Cobs{Text<>{}}, {"\1\0"s, "\0\2a\0"s, "\0\0\1\0"s}));
}

TEST_CASE("documents and items that say themselves where they end keep the laws of serializers") {
  const std::vector<std::string> documents{
      "{\"a\":[1,\"}\\\"\"]}",          "[]", "\"text\"", "-1.5e3", "null",
      '"' + std::string(120, 'x') + '"'};
  CHECK(
      check_serializer(JsonDocuments{Text<>{}, {.limit = 150}}, documents,
                       {.unsendable = {"", "[", "[] []", "x", '"' + std::string(200, 'x') + '"'}}));
  CHECK(check_serializer(JsonDocuments{Text<>{}, {.depth = 2}}, {"[[]]", "[{\"a\":1},[]]"},
                         {.unsendable = {"[[[]]]"}}));
  CHECK(check_decoder(JsonDocuments{Text<std::string_view>{}},
                      {" [1]", "\n\n{}", "\t7 ", "true\n", "  \"\""}));
  const std::vector<std::string> items = from_hex_each(
      {"00", "1864", "f6", "fb3ff199999999999a", "8301616180", "a1616182f5f4", "9f018202039fffff",
       "bf616101ff", "5f42010243030405ff", "c11a514b67b0", "5878" + std::string(240, 'e')});
  CHECK(check_serializer(
      CborItems{Text<>{}, {.limit = 150, .depth = 3}}, items,
      {.unsendable = from_hex_each(
           {"", "01 02", "82 01", "1c", "ff", "81818181 00", "5897" + std::string(302, '0')})}));
  CHECK(check_serializer(CborItems{Text<std::string_view>{}},
                         std::vector<std::string_view>(items.begin(), items.end())));
  std::vector<std::string> objects = from_hex_each(
      {"00", "cc64", "c0", "cb3ff199999999999a", "9301a16180", "81a16192c3c2", "dc00020102",
       "df0000000101 c2", "c403010203", "d6ff514b67b0", "c478" + std::string(240, 'e')});
  CHECK(check_serializer(MessagePackObjects{Text<>{}, {.limit = 150, .depth = 3}}, objects,
                         {.unsendable = from_hex_each({"", "01 02", "92 01", "c1", "91919191 00",
                                                       "c497" + std::string(302, '0')})}));
  CHECK(check_serializer(MessagePackObjects{Text<std::string_view>{}},
                         std::vector<std::string_view>(objects.begin(), objects.end())));
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

TEST_CASE("structs with strings, vectors and optionals keep the laws of one-shot serializers") {
  const Note too_long{std::string(201, 'x'), {}, {}, {}};
  const Note too_many{"", std::vector<std::uint16_t>(101), {}, {}};
  const Note too_long_inside{"", {}, {}, {std::string(21, 'x')}};
  const std::vector<Note> unsendable{too_long, too_many, too_long_inside};
  CHECK(check_serializer(StructSerializer<Note>{}, notes, {.unsendable = unsendable}));
  CHECK(check_serializer(StructSerializer<Note>{std::endian::little}, notes,
                         {.unsendable = unsendable}));
  CHECK(check_serializer(VarintPrefixed{StructSerializer<Note>{}}, notes));
}

TEST_CASE("packets of several types keep the laws of one-shot serializers") {
  using Types =
      Tagged<Tag<1, StructSerializer<Record>>, Tag<7, Text<>>, Tag<255, StructSerializer<Note>>>;
  const std::vector<Types::sent_packet> packets{records[1], texts[4], "", notes[1]};
  const std::vector<Types::sent_packet> unsendable{Note{std::string(201, 'x'), {}, {}, {}}};
  CHECK(check_serializer(Types{}, packets, {.unsendable = unsendable}));
  CHECK(check_serializer(Netstring<Types>{}, packets));
}

TEST_CASE("bytes as text keep the laws of one-shot serializers") {
  for (const Base64Alphabet alphabet : {Base64Alphabet::standard, Base64Alphabet::url_safe}) {
    for (const Base64Padding padding :
         {Base64Padding::required, Base64Padding::forbidden, Base64Padding::optional}) {
      CHECK(check_serializer(Base64{Text<>{}, {.alphabet = alphabet, .padding = padding}}, texts));
    }
  }
  CHECK(check_serializer(Separated{Base64{StructSerializer<Note>{}}}, notes));
}

TEST_CASE("checksummed packets keep the laws of one-shot serializers") {
  CHECK(check_serializer(Checksummed{Text<>{}}, texts));
  CHECK(check_serializer(Checksummed{Text<std::string_view>{}, {.order = std::endian::little}},
                         views));
  CHECK(check_serializer(Cobs{Checksummed{Text<>{}}}, texts));
  CHECK(check_serializer(Separated{Base64{Checksummed{StructSerializer<Note>{}}}}, notes));
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
