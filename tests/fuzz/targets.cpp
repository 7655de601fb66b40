// SPDX-License-Identifier: BSL-1.0
// Every decoder of the library, with small limits: a new one is one entry, and a folder of the same
// name in corpus/.
#include "fuzz/targets.hpp"

#include "cowire/serializers/fixed_size.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/raw.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/serializers/struct.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/fuzz.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
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

}  // namespace

std::vector<FuzzTarget> fuzz_targets() {
  return {
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
      {"separated",
       [](Data data, std::size_t size) {
         const Separated serializer{Text<>{}, {.separator = "abab", .limit = 16}};
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
      {"struct",
       [](Data data, std::size_t size) {
         return testing::fuzz(FixedSize{StructSerializer<Record>{}}, data, size);
       }},
      {"raw",
       [](Data data, std::size_t size) {
         return testing::fuzz(Raw<>{{.limit = 16}}, data, size,
                              {.boundaries = false, .round_trip = false});
       }},
  };
}
