// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/base64.hpp"

#include "cowire/serializers/separated.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/hex.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

using namespace cowire;
using namespace std::string_literals;
using testing::encode_all;

namespace {

using TextBase64 = Base64<Text<>>;

const TextBase64 standard;
const TextBase64 url_safe{Text<>{}, {.alphabet = Base64Alphabet::url_safe}};
const TextBase64 unpadded{Text<>{}, {.padding = Base64Padding::forbidden}};
const TextBase64 lenient{Text<>{}, {.padding = Base64Padding::optional}};

std::string decode(const TextBase64& serializer, std::string_view text) {
  return serializer.deserialize(bytes_of(text));
}

/// The position of what is wrong, or nothing if the text is right.
std::optional<std::size_t> wrong(const TextBase64& serializer, std::string_view text) {
  const auto error = thrown([&] { (void)decode(serializer, text); });
  if (!error) {
    return std::nullopt;
  }
  CHECK(error->code() == errc::malformed);
  return error->context().position;
}

}  // namespace

TEST_CASE("base64: the examples of RFC 4648, section 10") {
  constexpr std::pair<const char*, const char*> examples[] = {{"", ""},
                                                              {"f", "Zg=="},
                                                              {"fo", "Zm8="},
                                                              {"foo", "Zm9v"},
                                                              {"foob", "Zm9vYg=="},
                                                              {"fooba", "Zm9vYmE="},
                                                              {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : examples) {
    CHECK(encode_all(standard, plain) == encoded);
    CHECK(decode(standard, encoded) == plain);
    CHECK(encode_all(url_safe, plain) == encoded);
    CHECK(encode_all(lenient, plain) == encoded);
    CHECK(decode(lenient, encoded) == plain);
    std::string bare = encoded;
    bare.resize(std::min(bare.size(), bare.find('=')));
    CHECK(encode_all(unpadded, plain) == bare);
    CHECK(decode(unpadded, bare) == plain);
    CHECK(decode(lenient, bare) == plain);
    CHECK(wrong(standard, bare).has_value() == (bare != encoded));
    CHECK(wrong(unpadded, encoded).has_value() == (bare != encoded));
  }
}

TEST_CASE("base64: RFC 3548's examples, and the two alphabets") {
  CHECK(encode_all(standard, from_hex("14fb9c03d97e")) == "FPucA9l+");
  CHECK(encode_all(standard, from_hex("14fb9c03d9")) == "FPucA9k=");
  CHECK(encode_all(standard, from_hex("14fb9c03")) == "FPucAw==");
  CHECK(encode_all(standard, "\xfb\xff\xbf") == "+/+/");
  CHECK(encode_all(url_safe, "\xfb\xff\xbf") == "-_-_");
  CHECK(decode(url_safe, "-_-_") == "\xfb\xff\xbf");
  CHECK(wrong(standard, "AA-_") == 2);
  CHECK(wrong(url_safe, "AAAAA+AA") == 5);
}

TEST_CASE("base64: every byte, every length") {
  std::string plain;
  for (int i = 0; i < 300; ++i) {
    CHECK(decode(standard, encode_all(standard, plain)) == plain);
    CHECK(decode(unpadded, encode_all(unpadded, plain)) == plain);
    plain += static_cast<char>(i * 7);
  }
}

TEST_CASE("base64: strict: whatever is no digit is malformed, with the byte") {
  CHECK(wrong(standard, "Zm9v\n") == 5);
  CHECK(wrong(standard, "Zm9\n") == 3);
  CHECK(wrong(standard, "Zm 9") == 2);
  CHECK(wrong(standard, "Zg=v") == 2);
  CHECK(wrong(standard, "Z===") == 1);
  CHECK(wrong(standard, "====") == 0);
  CHECK(wrong(standard, "Zg==Zg==") == 2);
  CHECK(wrong(standard, "Zg=") == 3);
  CHECK(wrong(standard, "Zm9v=") == 5);
  CHECK(wrong(lenient, "Zg=") == 3);
  CHECK(wrong(lenient, "Z") == 0);
  CHECK(wrong(lenient, "Zm9vY") == 4);
  CHECK(wrong(unpadded, "Zg==") == 2);
  CHECK(wrong(standard, "\xff\xff\xff\xff") == 0);
  for (int byte = 0; byte < 256; ++byte) {
    const std::string digits = "AAA"s + static_cast<char>(byte);
    const bool digit = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                       (byte >= '0' && byte <= '9') || byte == '+' || byte == '/' || byte == '=';
    CAPTURE(byte);
    CHECK(wrong(standard, digits).has_value() != digit);
  }
}

TEST_CASE("base64: bits that no byte has must be 0: a packet has one form") {
  CHECK(wrong(standard, "Zh==") == 1);
  CHECK(wrong(standard, "Zm9=") == 2);
  CHECK(wrong(unpadded, "Zh") == 1);
  CHECK(wrong(unpadded, "Zm9") == 2);
}

TEST_CASE("base64: any bytes go through lines") {
  const Separated<TextBase64> lines;
  CHECK(encode_all(lines, "a\nb", "") == "YQpi\n\n");
  CHECK(testing::decode_every_cut(lines, "YQpi\nYQ\n\nYQ==\n") ==
        testing::Outcomes<Separated<TextBase64>>{"a\nb", errc::malformed, "", "a"});
}

TEST_CASE("base64: behind earlier output") {
  BlockPool pool;
  OutputBuffer out(pool);
  out.append("x");
  standard.serialize(std::string(1000, 'y'), out);
  CHECK(decode(standard, text_of(out.readable()).substr(1)) == std::string(1000, 'y'));
}
