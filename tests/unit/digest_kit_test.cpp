// SPDX-License-Identifier: BSL-1.0
// Packets with a digest keep the laws: see check_serializer().
#include "cowire/serializers/base64.hpp"
#include "cowire/serializers/digest.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/check_serializer.hpp"
#include "cowire/testing/replace_new.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace cowire;
using namespace std::string_literals;
using testing::check_serializer;

TEST_CASE("packets with a digest keep the laws of serializers") {
  const std::vector<std::string> texts{"one", "", "\0\x80\xff"s, std::string(120, 'x')};
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  CHECK(check_serializer(Sha256{Text<>{}}, texts));
  CHECK(check_serializer(Sha256{Text<std::string_view>{}}, views));
  CHECK(check_serializer(HmacSha256{Text<>{}, "the key"}, texts));
  CHECK(check_serializer(HmacSha256{Text<std::string_view>{}, "the key"}, views));
  CHECK(check_serializer(Separated{Base64{HmacSha256{Text<>{}, "the key"}}, {.limit = 250}}, texts,
                         {.unsendable = {std::string(200, 'x')}}));
}
