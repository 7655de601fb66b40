// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/stapled.hpp"

#include "cowire/protocol.hpp"
#include "cowire/serializers/fixed_size.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/raw.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

using namespace cowire;
using testing::decode_every_cut;
using testing::encode_all;

namespace {

/// Can only send.
struct Shout {
  using sent_packet = int;
  void serialize(int number, OutputBuffer& out) const { out.append(std::to_string(number) + "!"); }
};

/// Can only receive, as far as Stapled is concerned: no end of stream, no limit.
struct OneByte {
  using sent_packet = char;
  using received_packet = char;
  struct decoder_state {};
  void serialize(char, OutputBuffer&) const {}
  Decoded<char> decode(Bytes bytes, decoder_state&) const {
    return bytes.empty() ? Decoded<char>::need_more() : Decoded<char>::packet(text_of(bytes)[0], 1);
  }
};

}  // namespace

using RawOutLinesIn = Stapled<Raw<>, LineSerializer<>>;
using Lines = testing::Outcomes<RawOutLinesIn>;

static_assert(StreamSerializer<RawOutLinesIn>);
static_assert(DecodesEnd<RawOutLinesIn> && HasFrameLimit<RawOutLinesIn>);
static_assert(std::same_as<RawOutLinesIn::decoder_state, LineSerializer<>::decoder_state>);

using ShoutOutByteIn = Stapled<Shout, OneByte>;
static_assert(StreamSerializer<ShoutOutByteIn>);
static_assert(!DecodesEnd<ShoutOutByteIn> && !HasFrameLimit<ShoutOutByteIn>);
static_assert(std::same_as<ShoutOutByteIn::sent_packet, int>);
static_assert(std::same_as<ShoutOutByteIn::received_packet, char>);

TEST_CASE("P8: sends with the first, receives with the second") {
  const Stapled serializer{Raw<>{}, LineSerializer<>{}};
  CHECK(encode_all(serializer, "any\nbytes", std::string("!")) == "any\nbytes!");
  CHECK(decode_every_cut(serializer, "one\ntwo\n") == Lines{"one", "two"});
}

TEST_CASE("the receiving half's limit and end of stream count") {
  const LineSerializer<> lines{{.limit = 4, .last_line = LastLine::deliver}};
  const Stapled serializer{Raw<>{}, lines};
  CHECK(serializer.frame_limit() == 5);
  CHECK(decode_every_cut(serializer, "12345\nok\nend") == Lines{errc::too_large, "ok", "end"});
}

TEST_CASE("the sending half's errors come through") {
  const Stapled serializer{LineSerializer<>{}, Raw<>{}};
  const auto error = thrown([&] { encode_all(serializer, "a\nb"); });
  REQUIRE(error);
  CHECK(error->code() == errc::not_sendable);
}

TEST_CASE("a sending half need not be able to receive") {
  const Stapled serializer{Shout{}, OneByte{}};
  CHECK(encode_all(serializer, 12) == "12!");
  CHECK(decode_every_cut(serializer, "ab") == testing::Outcomes<ShoutOutByteIn>{'a', 'b'});
}

TEST_CASE("in a protocol") {
  const StreamProtocol protocol{Stapled{Shout{}, LineSerializer<>{}}};
  static_assert(Protocol<std::remove_const_t<decltype(protocol)>>);
  CHECK(encode_all(protocol, 3) == "3!");
  CHECK(decode_every_cut(protocol, "x\n") == Lines{"x"});
}
