// SPDX-License-Identifier: BSL-1.0
#include "compile/exemplars.hpp"

#include "cowire/serializers/fixed_size.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/serializers/stapled.hpp"
#include "cowire/testing/splits.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>

using namespace cowire;
using namespace std::string_literals;
using exemplars::ByteProtocol;
using exemplars::OneCharacter;
using exemplars::ShortText;
using exemplars::YesOrNo;
using testing::decode_every_cut;
using testing::encode_all;
using testing::Outcomes;

TEST_CASE("P1: the least Serializer works in every wrapper") {
  CHECK(encode_all(Separated{OneCharacter{}}, 'a', 'b') == "a\nb\n");
  CHECK(decode_every_cut(Separated{OneCharacter{}}, "a\nbc\n\nd\n") ==
        Outcomes<Separated<OneCharacter>>{'a', errc::malformed, errc::malformed, 'd'});
  CHECK(encode_all(LengthPrefixed{OneCharacter{}}, 'a') == "\0\0\0\1a"s);
  CHECK(decode_every_cut(FixedSize{OneCharacter{}, 1}, "ab") ==
        Outcomes<FixedSize<OneCharacter>>{'a', 'b'});
}

TEST_CASE("P2: the least StreamSerializer works in a protocol and in Stapled") {
  const StreamProtocol protocol{ShortText{}};
  CHECK(encode_all(protocol, "hi", ""s) == "\2hi\0"s);
  CHECK(decode_every_cut(protocol, "\2hi\0\1"s) == Outcomes<ShortText>{"hi", "", errc::truncated});
  CHECK(protocol.frame_limit() == 0);
  const Stapled stapled{OneCharacter{}, ShortText{}};
  CHECK(encode_all(stapled, 'a') == "a");
  CHECK(decode_every_cut(stapled, "\1x") == Outcomes<ShortText>{"x"});
}

TEST_CASE("the least Converter works in a protocol") {
  const StreamProtocol protocol{ShortText{}, YesOrNo{}};
  CHECK(encode_all(protocol, true, false) == "\3yes\2no");
  CHECK(decode_every_cut(protocol, "\2no\5maybe\3yes") ==
        Outcomes<StreamProtocol<ShortText, YesOrNo>>{false, errc::malformed, true});
}

TEST_CASE("a Protocol need not be a StreamProtocol") {
  CHECK(encode_all(ByteProtocol{}, std::byte{'a'}) == "a");
  CHECK(decode_every_cut(ByteProtocol{}, "ab") ==
        Outcomes<ByteProtocol>{std::byte{'a'}, std::byte{'b'}});
}
