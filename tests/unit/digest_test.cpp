// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/digest.hpp"

#include "cowire/serializers/base64.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/hex.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <string_view>

using namespace cowire;
using testing::encode_all;

namespace {

// [digest]
using SignedText = cowire::HmacSha256<cowire::Text<>>;
using SignedLines = cowire::Separated<cowire::Base64<SignedText>>;

SignedLines signed_lines(std::string_view key) {
  return SignedLines{cowire::Base64<SignedText>{SignedText{cowire::Text<>{}, key}}};
}
// [/digest]

}  // namespace

TEST_CASE("sha-256: the examples of FIPS 180") {
  const Sha256 text{Text<>{}};
  const auto digest = [&](const std::string& packet) {
    return encode_all(text, packet).substr(packet.size());
  };
  CHECK(digest("abc") ==
        from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  CHECK(digest("") == from_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  CHECK(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        from_hex("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
}

TEST_CASE("hmac-sha256: the examples of RFC 4231") {
  struct Example {
    std::string key;
    std::string data;
    const char* digest;
  };
  std::string rising;
  for (char c = 1; c <= 25; ++c) {
    rising += c;
  }
  const Example examples[] = {
      {std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {rising, std::string(50, '\xcd'),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {std::string(131, '\xaa'),
       "This is a test using a larger than block-size key and a larger than block-size data. "
       "The key needs to be hashed before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
  for (const Example& example : examples) {
    const HmacSha256 text{Text<>{}, example.key};
    const std::string bytes = encode_all(text, example.data);
    CHECK(bytes == example.data + from_hex(example.digest));
    CHECK(text.deserialize(bytes_of(bytes)) == example.data);
  }
  const HmacSha256 text{Text<>{}, std::string(20, '\x0c')};  // Case 5: only the first 128 bits.
  CHECK(encode_all(text, "Test With Truncation").substr(20, 16) ==
        from_hex("a3b6167473100ee06e0c796c2955552b"));
}

TEST_CASE("digests: every bit that changes, every cut and another key are malformed") {
  const HmacSha256 hmac{Text<std::string_view>{}, "a key"};
  const Sha256 sha{Text<std::string_view>{}};
  const auto check = [](const auto& serializer) {
    const std::string good = encode_all(serializer, "hi");
    CHECK(serializer.deserialize(bytes_of(good)) == "hi");
    CHECK(serializer.deserialize(bytes_of(good)).data() == good.data());
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
      std::string bytes = good;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      const auto error = thrown([&] { (void)serializer.deserialize(bytes_of(bytes)); });
      REQUIRE(error);
      CHECK(error->code() == errc::malformed);
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
      CHECK(thrown([&] { (void)serializer.deserialize(bytes_of(good.substr(0, size))); }));
    }
  };
  check(hmac);
  check(sha);
  const std::string bytes = encode_all(hmac, "hi");
  const HmacSha256 other{Text<std::string_view>{}, "another key"};
  CHECK(thrown([&] { (void)other.deserialize(bytes_of(bytes)); })->code() == errc::malformed);
}

TEST_CASE("a key must not be empty") {
  const auto error = thrown([] { HmacSha256(Text<>{}, ""); });
  REQUIRE(error);
  CHECK(error->code() == errc::invalid_argument);
}

TEST_CASE("digests in base64, a line each") {
  const SignedLines lines = signed_lines("Jefe");
  const std::string line = encode_all(lines, "what do ya want for nothing?");
  CHECK(line ==
        "d2hhdCBkbyB5YSB3YW50IGZvciBub3RoaW5nP1vcwUa/YHVOagQkJgiVdcdaAD8InSc5g53sWLlk7DhD\n");
  std::string forged = line;
  forged[3] = 'i';
  CHECK(testing::decode_all(lines, line + forged + line) ==
        testing::Outcomes<SignedLines>{"what do ya want for nothing?", errc::malformed,
                                       "what do ya want for nothing?"});
}
