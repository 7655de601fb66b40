// SPDX-License-Identifier: BSL-1.0
// Every decoder of the library, with small limits: a new one is one entry, and a folder of the same
// name in corpus/.
#include "fuzz/targets.hpp"

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
#include "cowire/serializers/struct.hpp"
#include "cowire/serializers/tagged.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/serializers/varint_prefixed.hpp"
#include "cowire/testing/fuzz.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace {

using namespace cowire;
using Data = const std::uint8_t*;

enum class Kind : std::uint8_t {};

struct Record {
  bool flag = false;
  Kind kind{};
  std::array<float, 2> values{};
  std::int16_t number = 0;
  static constexpr auto fields =
      std::tuple{&Record::flag, &Record::kind, &Record::values, &Record::number};
  friend bool operator==(const Record&, const Record&) = default;
};

struct Note {
  std::string text;
  std::vector<std::uint16_t> pages;
  std::optional<Record> record;
  std::vector<std::string> words;
  static constexpr auto fields =
      std::tuple{prefixed(&Note::text, {.width = 1, .limit = 20}),
                 prefixed(&Note::pages, {.width = 2, .limit = 10}), &Note::record,
                 prefixed(&Note::words, {.width = 8, .limit = 4}, {.width = 4, .limit = 20})};
  friend bool operator==(const Note&, const Note&) = default;
};

}  // namespace

std::vector<FuzzTarget> fuzz_targets() {
  std::vector<FuzzTarget> targets{
      {"line_lf",
       [](Data data, std::size_t size) {
         return testing::fuzz(LineSerializer<>{{.limit = 16}}, data, size);
       }},
      {"line_crlf",
       [](Data data, std::size_t size) {
         const LineOptions options{
             .ending = LineEnding::crlf, .limit = 16, .last_line = LastLine::deliver};
         return testing::fuzz(LineSerializer<>{options}, data, size);
       }},
      {"line_lf_or_crlf",
       [](Data data, std::size_t size) {
         const LineOptions options{
             .accept_crlf = true, .limit = 16, .last_line = LastLine::deliver};
         return testing::fuzz(LineSerializer<std::string_view>{options}, data, size);
       }},
      {"line_any",
       [](Data data, std::size_t size) {
         const LineOptions options{
             .ending = LineEnding::any, .limit = 16, .last_line = LastLine::deliver};
         return testing::fuzz(LineSerializer<>{options}, data, size);
       }},
      {"line_utf8",
       [](Data data, std::size_t size) {
         const LineOptions options{.limit = 16, .encoding = TextEncoding::utf8};
         return testing::fuzz(LineSerializer<>{options}, data, size);
       }},
      {"separated",
       [](Data data, std::size_t size) {
         const Separated serializer{Text<>{}, {.separator = "abab", .limit = 16}};
         return testing::fuzz(serializer, data, size);
       }},
      {"separated_several",
       [](Data data, std::size_t size) {
         const SeparatedOptions options{
             .separator = "ab", .alternatives = {"abab", "b:", "aba:", "::"}, .limit = 8};
         return testing::fuzz(Separated{Text<>{}, options}, data, size);
       }},
      {"separated_long",
       [](Data data, std::size_t size) {
         const Separated serializer{Text<>{}, {.separator = "aaaaaaaabaaaaaaaaaaaab", .limit = 40}};
         return testing::fuzz(serializer, data, size);
       }},
      {"length_prefixed",
       [](Data data, std::size_t size) {
         const LengthPrefixed serializer{Text<>{}, {.width = 2, .limit = 300}};
         return testing::fuzz(serializer, data, size);
       }},
      {"length_prefixed_wide",
       [](Data data, std::size_t size) {
         const LengthPrefixed serializer{Text<std::string_view>{},
                                         {.width = 8, .order = std::endian::little, .limit = 300}};
         return testing::fuzz(serializer, data, size);
       }},
      {"length_adjusted",
       [](Data data, std::size_t size) {
         const LengthOptions options{
             .width = 3, .limit = 40, .offset = 1, .adjustment = -2, .strip = 6};
         return testing::fuzz(LengthPrefixed{Text<>{}, options}, data, size);
       }},
      {"length_whole",
       [](Data data, std::size_t size) {
         const LengthOptions options{.width = 2,
                                     .order = std::endian::little,
                                     .limit = 40,
                                     .offset = 1,
                                     .adjustment = -3,
                                     .strip = 0};
         return testing::fuzz(LengthPrefixed{Text<>{}, options}, data, size);
       }},
      {"varint_prefixed",
       [](Data data, std::size_t size) {
         return testing::fuzz(VarintPrefixed{Text<>{}, {.limit = 140}}, data, size);
       }},
      {"netstring",
       [](Data data, std::size_t size) {
         return testing::fuzz(Netstring{Text<>{}, {.limit = 40}}, data, size);
       }},
      {"cobs",
       [](Data data, std::size_t size) {
         return testing::fuzz(Cobs{Text<>{}, {.limit = 260}}, data, size);
       }},
      {"json_documents",
       [](Data data, std::size_t size) {
         const JsonDocuments serializer{Text<>{}, {.limit = 24, .depth = 4}};
         return testing::fuzz(serializer, data, size);
       }},
      {"cbor_items",
       [](Data data, std::size_t size) {
         return testing::fuzz(CborItems{Text<>{}, {.limit = 24, .depth = 3}}, data, size);
       }},
      {"message_pack_objects",
       [](Data data, std::size_t size) {
         const MessagePackObjects serializer{Text<>{}, {.limit = 24, .depth = 3}};
         return testing::fuzz(serializer, data, size);
       }},
      {"struct",
       [](Data data, std::size_t size) {
         return testing::fuzz(FixedSize{StructSerializer<Record>{}}, data, size);
       }},
      {"struct_strings",
       [](Data data, std::size_t size) {
         return testing::fuzz(StructSerializer<Note>{}, data, size);
       }},
      {"tagged",
       [](Data data, std::size_t size) {
         using Types = Tagged<Tag<1, StructSerializer<Record>>, Tag<2, StructSerializer<Note>>,
                              Tag<255, Text<>>>;
         return testing::fuzz(VarintPrefixed<Types>{}, data, size);
       }},
      {"base64",
       [](Data data, std::size_t size) {
         const Base64 serializer{Text<>{}, {.padding = Base64Padding::optional}};
         return testing::fuzz(serializer, data, size);
       }},
      {"checksummed",
       [](Data data, std::size_t size) {
         return testing::fuzz(VarintPrefixed{Checksummed{Text<>{}}}, data, size);
       }},
      {"raw",
       [](Data data, std::size_t size) {
         return testing::fuzz(Raw<>{{.limit = 16}}, data, size,
                              {.boundaries = false, .round_trip = false});
       }},
  };
  const std::vector<FuzzTarget> more = library_fuzz_targets();
  targets.insert(targets.end(), more.begin(), more.end());
  return targets;
}
