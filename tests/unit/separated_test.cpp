// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/separated.hpp"

#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

using namespace cowire;
using testing::decode_every_cut;
using testing::encode_all;
using testing::Feed;

using SeparatedText = Separated<Text<>>;
using Packets = testing::Outcomes<SeparatedText>;

static_assert(StreamSerializer<SeparatedText> && HasFrameLimit<SeparatedText>);
static_assert(!DecodesEnd<SeparatedText>);
static_assert(sizeof(SeparatedText::decoder_state) <= 16, "each connection keeps one");

namespace {

SeparatedText separated_by(std::string_view separator, std::size_t limit = default_frame_limit) {
  return SeparatedText(Text<>{}, {.separator = separator, .limit = limit});
}

/// Decimal numbers; "boom" makes it throw what no serializer should.
struct Number {
  using sent_packet = int;
  using received_packet = int;

  void serialize(int number, OutputBuffer& out) const { out.append(std::to_string(number)); }

  int deserialize(Bytes bytes) const {
    const std::string text(text_of(bytes));
    if (text == "boom") {
      throw std::runtime_error("a mistake in the serializer");
    }
    if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) {
      ErrorContext context;
      context.detail = "not a number";
      throw Error(errc::malformed, std::move(context));
    }
    return std::stoi(text);
  }
};

}  // namespace

TEST_CASE("packets are what is between the separators") {
  CHECK(decode_every_cut(SeparatedText{}, "one\n\ntwo\n") == Packets{"one", "", "two"});
  CHECK(decode_every_cut(separated_by("::"), "one::two::::a:b::") ==
        Packets{"one", "two", "", "a:b"});
  CHECK(decode_every_cut(separated_by(std::string_view("\0", 1)), std::string("a\0b\0", 4)) ==
        Packets{"a", "b"});
  CHECK(decode_every_cut(separated_by("0123456789abcdef"), "x0123456789abcdefy0123456789abcdef") ==
        Packets{"x", "y"});
}

TEST_CASE("separators that begin like themselves") {
  CHECK(decode_every_cut(separated_by("aab"),
                         "aaab"
                         "xaaaab"
                         "aab") == Packets{"a", "xaa", ""});
  CHECK(decode_every_cut(separated_by("aa"), "xaaaay") == Packets{"x", "", errc::truncated});
}

TEST_CASE("the end of the stream inside a packet or its separator") {
  CHECK(decode_every_cut(separated_by("::"), "one::tw") == Packets{"one", errc::truncated});
  CHECK(decode_every_cut(separated_by("::"), "one::two:") == Packets{"one", errc::truncated});
}

TEST_CASE("P6: an overlong packet is one error, dropped to its separator, the stream goes on") {
  CHECK(decode_every_cut(separated_by("::", 4), "1234::12345::ok::") ==
        Packets{"1234", errc::too_large, "ok"});
  CHECK(decode_every_cut(separated_by("::", 4), "123456:8:0:::ok::") ==
        Packets{errc::too_large, ":ok"});
  CHECK(decode_every_cut(separated_by("aab", 2), "xxaaaaaaabokaab") ==
        Packets{errc::too_large, "ok"});
  CHECK(decode_every_cut(separated_by("--end--", 3), "1234567--en-end--end--abc--end--") ==
        Packets{errc::too_large, "abc"});
}

TEST_CASE("while an overlong packet is dropped, only a begun separator is kept") {
  const SeparatedText serializer = separated_by("--end--", 3);
  Feed<SeparatedText> feed(serializer);
  feed.receive(bytes_of("1234567890"));
  CHECK(feed.outcomes() == Packets{errc::too_large});
  CHECK(feed.kept() == 0);
  feed.receive(bytes_of("more--en"));
  CHECK(feed.kept() == 4);
  feed.receive(bytes_of("x"));
  CHECK(feed.kept() == 0);
}

TEST_CASE("each byte of a long packet is looked at at most once for each byte of the separator") {
  const std::string mebibyte(1 << 20, 'x');
  CHECK_FALSE(testing::looks_back(separated_by("\n", 1 << 20), mebibyte + "\n", "\n"));
  CHECK_FALSE(testing::looks_back(separated_by("::", 1 << 20), mebibyte + "::", "::", 1));
  CHECK_FALSE(testing::looks_back(separated_by("<end>", 1 << 20), mebibyte + "<end>", "<end>", 4));
}

TEST_CASE("sending: the packet and the separator, in place") {
  CHECK(encode_all(SeparatedText{}, "a", "", std::string("b")) == "a\n\nb\n");
  CHECK(encode_all(separated_by("::"), "a", "b:c") == "a::b:c::");
  CHECK(encode_all(Separated{Number{}}, 1, 23) == "1\n23\n");
}

TEST_CASE("P9: a packet in which the separator would be found too early cannot be sent") {
  struct Case {
    std::string_view separator;
    std::string_view packet;
    int at;  // -1: can be sent
  };
  for (const Case& c :
       {Case{"\n", "a\nb", 1}, Case{"::", "ab::", 2}, Case{"::", "ab:", 2}, Case{"::", ":a", -1},
        Case{"aab", "xaa", -1}, Case{"abab", "xab", 1}, Case{"abab", "xaba", -1}}) {
    CAPTURE(c.separator);
    CAPTURE(c.packet);
    const SeparatedText serializer = separated_by(c.separator);
    const auto error = thrown([&] { encode_all(serializer, c.packet); });
    CHECK(error.has_value() == (c.at >= 0));
    if (error) {
      CHECK(error->code() == errc::not_sendable);
      CHECK(error->context().detail ==
            "the packet holds the separator at byte " + std::to_string(c.at));
    } else {
      CHECK(decode_every_cut(serializer, encode_all(serializer, c.packet)) ==
            Packets{std::string(c.packet)});
    }
  }
}

TEST_CASE("earlier output is not mistaken for a part of the packet") {
  BlockPool pool;
  OutputBuffer out(pool);
  out.append("earlier\n");
  SeparatedText{}.serialize("now", out);
  CHECK(text_of(out.readable()) == "earlier\nnow\n");
}

TEST_CASE("a packet over the limit cannot be sent") {
  CHECK(encode_all(separated_by("::", 4), "abcd") == "abcd::");
  const auto error = thrown([&] { encode_all(separated_by("::", 4), "abcde"); });
  REQUIRE(error);
  CHECK(error->code() == errc::too_large);
  CHECK(error->context().size == 5);
  CHECK(error->context().limit == 4);
}

TEST_CASE("what the inner serializer rejects is dropped with its separator") {
  using Numbers = testing::Outcomes<Separated<Number>>;
  CHECK(decode_every_cut(Separated{Number{}}, "1\nx2\n\n3\n") ==
        Numbers{1, errc::malformed, errc::malformed, 3});
  Separated<Number>::decoder_state state;
  const auto answer = Separated{Number{}}.decode(bytes_of("bad\n1\n"), state);
  REQUIRE(answer.is_bad());
  CHECK(answer.consumed() == 4);
  CHECK(answer.error().context().detail == "not a number");
}

TEST_CASE("other exceptions of the inner serializer pass through, the state is as at the start") {
  const Separated serializer{Number{}};
  Separated<Number>::decoder_state state;
  CHECK(serializer.decode(bytes_of("bo"), state).needs_more());
  CHECK(state.scanned == 2);
  CHECK_THROWS_AS((void)serializer.decode(bytes_of("boom\n"), state), std::runtime_error);
  CHECK(state.scanned == 0);
  CHECK_FALSE(state.discarding);
}

TEST_CASE("a separator has 1 to 16 bytes and is copied") {
  for (const std::string& separator : {std::string(), std::string(17, '-')}) {
    const auto error = thrown([&] { separated_by(separator); });
    REQUIRE(error);
    CHECK(error->code() == errc::invalid_argument);
    CHECK(error->context().size == separator.size());
  }
  std::string separator(16, '-');
  const SeparatedText serializer = separated_by(separator);
  separator.assign(16, '+');
  CHECK(encode_all(serializer, "a") == "a" + std::string(16, '-'));
}

TEST_CASE("frame_limit has room for the separator") {
  CHECK(separated_by("::", 4).frame_limit() == 6);
  CHECK(SeparatedText{}.frame_limit() == default_frame_limit + 1);
}
