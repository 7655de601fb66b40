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
#include <vector>

using namespace cowire;
using testing::decode_every_cut;
using testing::encode_all;
using testing::Feed;

using SeparatedText = Separated<Text<>>;
using Packets = testing::Outcomes<SeparatedText>;

static_assert(StreamSerializer<SeparatedText> && HasFrameLimit<SeparatedText>);
static_assert(!DecodesEnd<SeparatedText>);
static_assert(sizeof(SeparatedText::decoder_state) <= 24, "each connection keeps one");

namespace {

SeparatedText separated_by(std::string_view separator, std::size_t limit = default_frame_limit) {
  return SeparatedText(Text<>{}, {.separator = separator, .limit = limit});
}

SeparatedText any_of(std::string_view separator, std::vector<std::string_view> alternatives,
                     std::size_t limit = default_frame_limit) {
  return SeparatedText(
      Text<>{}, {.separator = separator, .alternatives = std::move(alternatives), .limit = limit});
}

/// What `Separated` is to do, written without care for time: the separator that begins first, of
/// those the longest.
Packets cut_slowly(const std::vector<std::string_view>& separators, std::string_view stream) {
  Packets packets;
  for (;;) {
    std::size_t end = std::string_view::npos;
    std::size_t size = 0;
    for (const std::string_view separator : separators) {
      const std::size_t at = stream.find(separator);
      if (at < end || (at == end && separator.size() > size)) {
        end = at;
        size = separator.size();
      }
    }
    if (end == std::string_view::npos) {
      if (!stream.empty()) {
        packets.emplace_back(errc::truncated);
      }
      return packets;
    }
    packets.emplace_back(std::string(stream.substr(0, end)));
    stream.remove_prefix(end + size);
  }
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
      throw Error(errc::malformed, "not a number");
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

TEST_CASE("a separator has at least one byte and is copied") {
  for (const SeparatedOptions& options :
       {SeparatedOptions{.separator = ""}, SeparatedOptions{.alternatives = {"\r", ""}}}) {
    const auto error = thrown([&] { SeparatedText(Text<>{}, options); });
    REQUIRE(error);
    CHECK(error->code() == errc::invalid_argument);
  }
  for (const std::size_t size : {16U, 17U}) {
    std::string separator(size, '-');
    const SeparatedText serializer = separated_by(separator);
    separator.assign(size, '+');
    CHECK(encode_all(serializer, "a") == "a" + std::string(size, '-'));
  }
}

TEST_CASE("frame_limit has room for the separator") {
  CHECK(separated_by("::", 4).frame_limit() == 6);
  CHECK(SeparatedText{}.frame_limit() == default_frame_limit + 1);
  CHECK(separated_by(std::string(100, '-'), 4).frame_limit() == 104);
  CHECK(any_of("\n", {"\r", "\r\n"}, 4).frame_limit() == 6);
}

TEST_CASE("a separator of any length") {
  const std::string line(79, '=');
  CHECK(encode_all(separated_by(line), "one") == "one" + line);
  CHECK(decode_every_cut(separated_by(line), "one" + line + line + "two\n" + line) ==
        Packets{"one", "", "two\n"});
  const std::string late = std::string(20, 'a') + "b";
  CHECK(decode_every_cut(separated_by(late), "x" + std::string(30, 'a') + "by" + late + "a") ==
        Packets{"x" + std::string(10, 'a'), "y", errc::truncated});
}

TEST_CASE(
    "of several separators the first one ends the packet, the longest if they begin together") {
  struct Case {
    std::vector<std::string_view> separators;
    std::string_view letters;
  };
  for (const Case& c :
       {Case{{"\n", "\r"}, "x\n\r"}, Case{{"\n", "\r\n", "\r"}, "x\n\r"},
        Case{{"\r", "\r\n"}, "x\n\r"}, Case{{"::", "---", ":-"}, "x:-"}, Case{{"a", "abab"}, "abx"},
        Case{{"abc", "b"}, "abc"}, Case{{"a", "abb", "abbab"}, "ab"},
        Case{{"aab", "ab", "b"}, "abx"}, Case{{"aaab", "aa"}, "ab"},
        Case{{"ab", "ba", "aba"}, "ab"}, Case{{"aaaaaaaaaaaaaaaaaaab"}, "aaaaaaaaaaaaaaaaaaaab"},
        Case{{"abaabaabaabaabaabaab", "aab", "baaa"}, "aab"}}) {
    const SeparatedText serializer =
        any_of(c.separators[0], {c.separators.begin() + 1, c.separators.end()});
    unsigned seed = 7;
    for (int round = 0; round < 15; ++round) {
      std::string stream;
      for (int i = 0; i < 28; ++i) {
        seed = seed * 1103515245U + 12345U;
        stream += c.letters[(seed >> 16U) % c.letters.size()];
      }
      stream += '.';  // Which no separator begins with: nothing is open at the end.
      CAPTURE(stream);
      CHECK(decode_every_cut(serializer, stream) == cut_slowly(c.separators, stream));
    }
  }
}

TEST_CASE(
    "the packet before a cut \\r\\n is not waited with, and its \\n is dropped when it comes") {
  const SeparatedText serializer = any_of("\n", {"\r", "\r\n"});
  Feed<SeparatedText> feed(serializer);
  feed.receive(bytes_of("one\r"));
  CHECK(feed.outcomes() == Packets{"one"});
  feed.receive(bytes_of("\n"));
  CHECK(feed.outcomes() == Packets{"one"});
  CHECK(feed.kept() == 0);
  feed.receive(bytes_of("\n"));
  CHECK(feed.outcomes() == Packets{"one", ""});

  SeparatedText::decoder_state state;
  CHECK(serializer.decode(bytes_of("two\r"), state).has_packet());
  const auto rest = serializer.decode(bytes_of("\n"), state);
  CHECK(rest.is_padding());  // The peer is between two packets.
  CHECK(rest.consumed() == 1);
}

TEST_CASE(
    "several separators: an overlong packet is one error, dropped to the end of its separator") {
  const SeparatedText serializer = any_of("\n", {"\r", "\r\n", "--end--"}, 4);
  CHECK(decode_every_cut(serializer, "1234\r\n12345\r\nok\n12345678--en-end--end--ok\r123456") ==
        Packets{"1234", errc::too_large, "ok", errc::too_large, "ok", errc::too_large});
  Feed<SeparatedText> feed(serializer);
  feed.receive(bytes_of("1234567890--en"));
  CHECK(feed.outcomes() == Packets{errc::too_large});
  CHECK(feed.kept() == 4);
  feed.receive(bytes_of("x and more"));
  CHECK(feed.kept() == 0);
  feed.receive(bytes_of("--end--ok\r"));
  CHECK(feed.outcomes() == Packets{errc::too_large, "ok"});
}

TEST_CASE("several and long separators: each byte is looked at once") {
  const std::string text(1 << 16, 'x');
  const std::string line(79, '=');
  CHECK_FALSE(testing::looks_back(separated_by(line), text.substr(100) + line, line));
  CHECK_FALSE(testing::looks_back(any_of("\n", {"\r", "\r\n"}), text + "\n", "\r\n"));

  // A naive search takes 65,536 times 32,769 steps.
  const std::string most(1 << 15, 'a');
  const SeparatedText hard = separated_by(most + "b");
  SeparatedText::decoder_state state;
  const std::string stream = most + most + "b";
  for (std::size_t size = 1; size < stream.size(); ++size) {
    REQUIRE(hard.decode(bytes_of(stream).first(size), state).needs_more());
  }
  auto answer = hard.decode(bytes_of(stream), state);
  REQUIRE(answer.has_packet());
  CHECK(answer.value() == most);
}

TEST_CASE("P9: what several separators would cut too early cannot be sent") {
  struct Case {
    SeparatedText serializer;
    std::string_view packet;
    int at;  // -1: can be sent
  };
  for (const Case& c : {
           Case{any_of("\n", {"\r"}), "a\rb", 1},
           Case{any_of("\n", {"\r"}), "ab", -1},
           Case{any_of("\r", {"\r\n"}), "\na", 0},  // "\r" was sent before it
           Case{any_of("\r", {"\r\n"}), "a\nb", -1},
           Case{any_of("a", {"abcd"}), "b", -1},
           Case{any_of("a", {"abab"}), "b", 0},  // "a", "ba", "ba": as "abab"
           Case{any_of("b", {"xbc"}), "ax", 1},  // "axb" and "c"
           Case{separated_by("0123456789abcdef0"), "x0123456789abcdef", 1},
       }) {
    CAPTURE(c.packet);
    const auto error = thrown([&] { encode_all(c.serializer, c.packet); });
    CHECK(error.has_value() == (c.at >= 0));
    if (error) {
      CHECK(error->code() == errc::not_sendable);
      CHECK(error->context().detail ==
            "the packet holds the separator at byte " + std::to_string(c.at));
    } else {
      const std::string twice = encode_all(c.serializer, c.packet, c.packet);
      CHECK(decode_every_cut(c.serializer, twice) ==
            Packets{std::string(c.packet), std::string(c.packet)});
    }
  }
}
