// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/line.hpp"

#include "cowire/protocol.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace cowire;
using testing::decode_every_cut;
using testing::encode_all;
using testing::Feed;

using Line = LineSerializer<>;
using LineView = LineSerializer<std::string_view>;
using Lines = testing::Outcomes<Line>;

static_assert(StreamSerializer<Line> && DecodesEnd<Line> && HasFrameLimit<Line>);
static_assert(StreamSerializer<LineView> && DecodesEnd<LineView>);
static_assert(std::same_as<decltype(LineSerializer{}), Line>);
static_assert(std::same_as<Line::sent_packet, std::string>);
static_assert(std::same_as<LineView::received_packet, std::string_view>);
static_assert(sizeof(Line::decoder_state) <= 24, "each connection keeps one");

namespace {

const Line lf;
const Line crlf{{.ending = LineEnding::crlf}};
const Line cr{{.ending = LineEnding::cr}};
const Line lf_or_crlf{{.accept_crlf = true}};

Line deliver(LineOptions options = {}) {
  options.last_line = LastLine::deliver;
  return Line(options);
}

}  // namespace

TEST_CASE("P10: lines, empty ones too, are packets without their ending") {
  CHECK(decode_every_cut(lf, "GET x\n\nend\n") == Lines{"GET x", "", "end"});
  CHECK(decode_every_cut(crlf, "GET x\r\n\r\nend\r\n") == Lines{"GET x", "", "end"});
  CHECK(decode_every_cut(cr, "GET x\r\rend\r") == Lines{"GET x", "", "end"});
  CHECK(decode_every_cut(lf, "").empty());
}

TEST_CASE("the view packets are the same") {
  CHECK(decode_every_cut(LineView{}, "GET x\n\nend\n") == Lines{"GET x", "", "end"});
}

TEST_CASE("all that is not the ending is text, untouched") {
  const std::string odd("\0\xff\xc3\xa9\t\x7f", 6);
  CHECK(decode_every_cut(lf, odd + "\n") == Lines{odd});
  CHECK(encode_all(lf, odd) == odd + "\n");
  CHECK(decode_every_cut(lf, "a\r\n\r\r\n") == Lines{"a\r", "\r\r"});
  CHECK(decode_every_cut(crlf, "a\rb\nc\r\r\n\n\r\n") == Lines{"a\rb\nc\r", "\n"});
  CHECK(decode_every_cut(cr, "a\nb\r\n\r") == Lines{"a\nb", "\n"});
}

TEST_CASE("accept_crlf: a \\r before the \\n belongs to the ending, at most one") {
  CHECK(decode_every_cut(lf_or_crlf, "a\r\nb\n\r\n\nc\r\r\nd\re\n") ==
        Lines{"a", "b", "", "", "c\r", "d\re"});
}

TEST_CASE("any: \\n, \\r\\n and \\r end a line, however they are cut; \\n is sent") {
  const Line any{{.ending = LineEnding::any}};
  CHECK(decode_every_cut(any, "a\nb\r\nc\rd\r\r\n\n\r\n\n\re") ==
        Lines{"a", "b", "c", "d", "", "", "", "", "", errc::truncated});
  CHECK(decode_every_cut(Line{{.ending = LineEnding::any, .limit = 2}}, "ab\r\nabc\rc\n") ==
        Lines{"ab", errc::too_large, "c"});
  CHECK(decode_every_cut(deliver({.ending = LineEnding::any}), "a\r\nb") == Lines{"a", "b"});
  CHECK(decode_every_cut(deliver({.ending = LineEnding::any}), "a\r") == Lines{"a"});
  CHECK(encode_all(any, "a", "") == "a\n\n");
  for (const std::string_view text : {"a\nb", "a\rb", "ab\r", "\rb"}) {
    CHECK(thrown([&] { encode_all(any, text); })->code() == errc::not_sendable);
  }
  Feed<Line> feed(any);
  feed.receive(bytes_of("one\r"));  // The peer may wait for an answer: so nothing is waited for.
  CHECK(feed.outcomes() == Lines{"one"});
}

TEST_CASE("a line coming in pieces: need_more, then the packet with exactly its bytes") {
  Feed<Line> feed(lf);
  feed.receive(bytes_of("one\ntw"));
  CHECK(feed.outcomes() == Lines{"one"});
  CHECK(feed.kept() == 2);
  feed.receive(bytes_of("o"));
  CHECK(feed.outcomes() == Lines{"one"});
  feed.receive(bytes_of("\nrest"));
  CHECK(feed.outcomes() == Lines{"one", "two"});
  CHECK(feed.kept() == 4);
}

TEST_CASE("decode consumes the line and its ending and nothing else") {
  Line::decoder_state state;
  auto answer = crlf.decode(bytes_of("ab\r\ncd\r\n"), state);
  REQUIRE(answer.has_packet());
  CHECK(answer.value() == "ab");
  CHECK(answer.consumed() == 4);
  CHECK(state.scanned == 0);
  CHECK_FALSE(state.discarding);
}

TEST_CASE("string_view packets are views into the input: no byte is copied") {
  const LineView view;
  LineView::decoder_state state;
  const std::string input = "a line that is too long for the small string optimisation\n";
  auto answer = view.decode(bytes_of(input), state);
  REQUIRE(answer.has_packet());
  CHECK(answer.value().data() == input.data());
}

TEST_CASE("the end of the stream inside a line") {
  CHECK(decode_every_cut(lf, "one\ntw") == Lines{"one", errc::truncated});
  CHECK(decode_every_cut(crlf, "one\r\ntw\r") == Lines{"one", errc::truncated});
  CHECK(decode_every_cut(deliver(), "one\ntw") == Lines{"one", "tw"});
  CHECK(decode_every_cut(deliver(), "one\n") == Lines{"one"});
  CHECK(decode_every_cut(deliver(), "one\ntw\r") == Lines{"one", "tw\r"});
  CHECK(decode_every_cut(deliver({.accept_crlf = true}), "one\r\ntw\r") == Lines{"one", "tw"});
  CHECK(decode_every_cut(deliver({.ending = LineEnding::crlf}), "tw\r") == Lines{"tw\r"});
}

TEST_CASE("decode_end asked without bytes has nothing to say") {
  Line::decoder_state state;
  CHECK(deliver().decode_end({}, state).needs_more());
  CHECK(lf.decode_end({}, state).needs_more());
}

TEST_CASE("a line of exactly the limit passes, one byte more does not") {
  CHECK(decode_every_cut(Line{{.limit = 4}}, "abcd\n12345\nok\n") ==
        Lines{"abcd", errc::too_large, "ok"});
  CHECK(decode_every_cut(Line{{.ending = LineEnding::crlf, .limit = 4}},
                         "abcd\r\n12345\r\nok\r\n") == Lines{"abcd", errc::too_large, "ok"});
  CHECK(
      decode_every_cut(Line{{.accept_crlf = true, .limit = 4}}, "abcd\r\nabcd\n12345\r\n12345\n") ==
      Lines{"abcd", "abcd", errc::too_large, errc::too_large});
  CHECK(decode_every_cut(Line{{.limit = 0}}, "\nx\n\n") == Lines{"", errc::too_large, ""});
}

TEST_CASE("P6, B5: an overlong line is one error, dropped to its ending, and the stream goes on") {
  const std::string rubbish(50, 'x');
  CHECK(decode_every_cut(Line{{.limit = 10}}, "0123456789ABCDEF\nok\n") ==
        Lines{errc::too_large, "ok"});
  CHECK(decode_every_cut(Line{{.limit = 4}}, rubbish + "\n" + rubbish + "\nok\n") ==
        Lines{errc::too_large, errc::too_large, "ok"});
  CHECK(decode_every_cut(Line{{.ending = LineEnding::crlf, .limit = 4}},
                         "xxxxxxxx\r\r\rxxxx\n\r\nok\r\n") == Lines{errc::too_large, "ok"});
}

TEST_CASE("the error names size and limit, if it can") {
  const Line small{{.limit = 4}};
  Line::decoder_state state;
  const auto whole = small.decode(bytes_of("123456\nok\n"), state);
  REQUIRE(whole.is_bad());
  CHECK(whole.consumed() == 7);
  CHECK(whole.error().context().size == 6);
  CHECK(whole.error().context().limit == 4);
  CHECK_FALSE(state.discarding);

  const auto begun = small.decode(bytes_of("123456"), state);
  REQUIRE(begun.is_bad());
  CHECK(begun.consumed() == 6);
  CHECK_FALSE(begun.error().context().size);
  CHECK(begun.error().context().limit == 4);
  CHECK(begun.error().context().detail == "no separator in 6 bytes");
  CHECK(state.discarding);
}

TEST_CASE("while an overlong line is dropped its bytes are not kept") {
  const Line small{{.limit = 4}};
  Feed<Line> feed(small);
  feed.receive(bytes_of("1234"));
  CHECK(feed.outcomes().empty());
  feed.receive(bytes_of("5"));
  CHECK(feed.outcomes() == Lines{errc::too_large});
  for (int i = 0; i < 100; ++i) {
    feed.receive(bytes_of("more than the limit"));
    CHECK(feed.kept() == 0);
  }
  feed.receive(bytes_of("the end\nok\nmo"));
  CHECK(feed.outcomes() == Lines{errc::too_large, "ok"});
  CHECK(feed.kept() == 2);
}

TEST_CASE("what follows a dropped line in the same piece is decoded in the same call") {
  const LineView small{{.limit = 4}};
  LineView::decoder_state state{0, true};
  const std::string input = "rest of it\nok\nmore";
  auto answer = small.decode(bytes_of(input), state);
  REQUIRE(answer.has_packet());
  CHECK(answer.value() == "ok");
  CHECK(answer.consumed() == 14);
  CHECK_FALSE(state.discarding);

  state.discarding = true;
  const auto overlong = small.decode(bytes_of("rest\n12345\nok"), state);
  REQUIRE(overlong.is_bad());
  CHECK(overlong.consumed() == 11);
  CHECK_FALSE(state.discarding);

  state.discarding = true;
  const auto partial = small.decode(bytes_of("rest\nab"), state);
  CHECK(partial.needs_more());
  CHECK(partial.consumed() == 5);
  CHECK(state.scanned == 2);  // counted without the consumed bytes
}

TEST_CASE("the end of the stream while an overlong line is dropped") {
  CHECK(decode_every_cut(Line{{.limit = 4}}, "a\n1234567") == Lines{"a", errc::too_large});
  // A `\r` is kept as the possible beginning of the ending, and so it is left over.
  const Line small{{.ending = LineEnding::crlf, .limit = 4}};
  CHECK(decode_every_cut(small, "1234567\r") == Lines{errc::too_large, errc::truncated});

  Line::decoder_state state{0, true};
  const auto answer = deliver({.limit = 4}).decode_end(bytes_of("tail"), state);
  REQUIRE(answer.is_bad());
  CHECK(answer.error().code() == errc::truncated);
  CHECK(answer.consumed() == 4);
  CHECK_FALSE(state.discarding);
}

TEST_CASE("the last line keeps to the limit, too") {
  CHECK(decode_every_cut(deliver({.limit = 4}), "abcd") == Lines{"abcd"});
  CHECK(decode_every_cut(deliver({.ending = LineEnding::crlf, .limit = 4}), "abcde") ==
        Lines{errc::too_large});
  CHECK(decode_every_cut(deliver({.accept_crlf = true, .limit = 4}), "abcd\r") == Lines{"abcd"});
}

TEST_CASE("each byte of a long line is looked at once, however it is cut") {
  const std::string mebibyte(1 << 20, 'x');
  const std::size_t limit = mebibyte.size();
  CHECK_FALSE(testing::looks_back(Line{{.limit = limit}}, mebibyte + "\n", "\n"));
  CHECK_FALSE(testing::looks_back(LineView{{.limit = limit}}, mebibyte + "\n", "\n"));
  CHECK_FALSE(
      testing::looks_back(Line{{.ending = LineEnding::cr, .limit = limit}}, mebibyte + "\r", "\r"));
  CHECK_FALSE(
      testing::looks_back(Line{{.accept_crlf = true, .limit = limit}}, mebibyte + "\r\n", "\n"));
  CHECK_FALSE(testing::looks_back(Line{{.ending = LineEnding::crlf, .limit = limit}},
                                  mebibyte + "\r\n", "\r\n", 1));
}

TEST_CASE("sending: the text and an ending; an empty packet is an empty line") {
  CHECK(encode_all(lf, "a", "", std::string("b"), std::string_view("c")) == "a\n\nb\nc\n");
  CHECK(encode_all(crlf, "a", "") == "a\r\n\r\n");
  CHECK(encode_all(cr, "a") == "a\r");
  CHECK(encode_all(lf_or_crlf, "a") == "a\n");
  CHECK(encode_all(lf, std::string_view{}) == "\n");
}

TEST_CASE("P9: text that holds a line ending cannot be sent") {
  struct Case {
    const Line& serializer;
    std::string_view text;
    int at;  // -1: can be sent
  };
  for (const Case& c :
       {Case{lf, "", -1}, Case{crlf, "", -1}, Case{lf, "a\nb", 1}, Case{lf, "ab\n", 2},
        Case{lf, "a\r", -1}, Case{crlf, "ab\r\nc", 2}, Case{crlf, "a\nb\rc\r", -1},
        Case{cr, "\rb", 0}, Case{cr, "a\n", -1}, Case{lf_or_crlf, "ab\r", 2},
        Case{lf_or_crlf, "a\rb", -1}, Case{lf_or_crlf, "a\n", 1}}) {
    CAPTURE(printable(bytes_of(c.text)));
    const auto error = thrown([&] { encode_all(c.serializer, c.text); });
    CHECK(error.has_value() == (c.at >= 0));
    if (error) {
      CHECK(error->code() == errc::not_sendable);
      CHECK(error->context().detail ==
            "the text holds a line ending at byte " + std::to_string(c.at));
    } else {
      CHECK(decode_every_cut(c.serializer, encode_all(c.serializer, c.text)) ==
            Lines{std::string(c.text)});
    }
  }
}

TEST_CASE("text over the limit cannot be sent") {
  const Line small{{.limit = 4}};
  CHECK(encode_all(small, "abcd") == "abcd\n");
  const auto error = thrown([&] { encode_all(small, "abcde"); });
  REQUIRE(error);
  CHECK(error->code() == errc::too_large);
  CHECK(error->context().size == 5);
  CHECK(error->context().limit == 4);
}

TEST_CASE("the default limit is 64 KiB") {
  const std::string most(64 * 1024, 'x');
  CHECK(encode_all(lf, most).size() == most.size() + 1);
  CHECK(thrown([&] { encode_all(lf, most + "x"); }));
}

TEST_CASE("frame_limit has room for the ending and does not overflow") {
  CHECK(Line{{.limit = 4}}.frame_limit() == 5);
  CHECK(Line{{.ending = LineEnding::crlf, .limit = 4}}.frame_limit() == 6);
  CHECK(Line{{.accept_crlf = true, .limit = 4}}.frame_limit() == 6);
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  CHECK(Line{{.limit = most}}.frame_limit() == most);
  CHECK(decode_every_cut(Line{{.limit = most}}, "a\n") == Lines{"a"});
}

TEST_CASE("options that contradict each other are refused") {
  for (const LineEnding ending : {LineEnding::crlf, LineEnding::cr}) {
    const auto error = thrown([&] { Line({.ending = ending, .accept_crlf = true}); });
    REQUIRE(error);
    CHECK(error->code() == errc::invalid_argument);
  }
}

TEST_CASE("rubbish is a line like any other: no byte string makes the decoder fail") {
  std::string rubbish;
  unsigned seed = 1;
  for (int i = 0; i < 300; ++i) {
    seed = seed * 1103515245U + 12345U;
    rubbish += "\r\nab"[seed >> 16U & 3U];
  }
  for (const Line& serializer :
       {Line{{.limit = 4}}, Line{{.ending = LineEnding::crlf, .limit = 4}},
        Line{{.ending = LineEnding::any, .limit = 3}}, Line{{.ending = LineEnding::cr, .limit = 1}},
        Line{{.accept_crlf = true, .limit = 2}}}) {
    CHECK_NOTHROW(decode_every_cut(serializer, rubbish));
  }
}

TEST_CASE("the encoding of lines is checked in both directions; a bad line is dropped alone") {
  const Line utf8{{.last_line = LastLine::deliver, .encoding = TextEncoding::utf8}};
  CHECK(decode_every_cut(utf8, "caf\xc3\xa9\n\xc0\xaf\nok\n\xed\xa0\x80") ==
        Lines{"caf\xc3\xa9", errc::malformed, "ok", errc::malformed});
  CHECK(encode_all(utf8, "caf\xc3\xa9") == "caf\xc3\xa9\n");
  const auto error = thrown([&] { encode_all(utf8, "caf\xc3"); });
  REQUIRE(error);
  CHECK(error->code() == errc::not_sendable);
  CHECK(error->context().position == 3);
  const Line ascii{{.accept_crlf = true, .encoding = TextEncoding::ascii}};
  CHECK(decode_every_cut(ascii, "cafe\r\ncaf\xc3\xa9\n") == Lines{"cafe", errc::malformed});
  CHECK(decode_every_cut(Line{}, "\xc0\xaf\n") == Lines{"\xc0\xaf"});
}
