// SPDX-License-Identifier: BSL-1.0
// Compressed packets keep the laws: see check_serializer().
#include "cowire/serializers/checksummed.hpp"
#include "cowire/serializers/compressed.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/serializers/varint_prefixed.hpp"
#include "cowire/testing/check_serializer.hpp"
#include "cowire/testing/replace_new.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace cowire;
using namespace std::string_literals;
using testing::check_serializer;

TEST_CASE("compressed packets keep the laws of serializers") {
  const std::vector<std::string> texts{"one", "", "\0\x80\xff"s, std::string(300, 'x')};
  const std::vector<std::string> too_large{std::string(301, 'x')};
  for (const CompressFormat format :
       {CompressFormat::zlib, CompressFormat::gzip, CompressFormat::raw}) {
    for (const int level : {0, 6}) {
      const CompressOptions options{.level = level, .format = format, .limit = 300};
      CHECK(check_serializer(Compressed{Text<>{}, options}, texts,
                             {.unsendable = too_large, .rounds = 100}));
    }
  }
  // One that compresses too well is sent as it is.
  CHECK(check_serializer(Compressed{Text<>{}, {.limit = 1000, .ratio = 2}}, texts));
  CHECK(check_serializer(VarintPrefixed{Compressed{Checksummed{Text<>{}}}}, texts));
}
