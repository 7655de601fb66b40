// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/json_documents.hpp"

#include "cowire/packet_reader.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

using namespace cowire;
using testing::decode_every_cut;
using testing::encode_all;
using testing::Feed;

using Documents = JsonDocuments<Text<>>;
using Packets = testing::Outcomes<Documents>;

static_assert(StreamSerializer<Documents> && HasFrameLimit<Documents>);
static_assert(sizeof(Documents::decoder_state) <= 24, "each connection keeps one");

namespace {

Documents with(const JsonDocumentsOptions& options) { return Documents(Text<>{}, options); }

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

/// Rejects what has a question mark in it.
struct Picky {
  using sent_packet = std::string;
  using received_packet = std::string;
  void serialize(const std::string& text, OutputBuffer& out) const { out.append(text); }
  std::string deserialize(Bytes bytes) const {
    if (text_of(bytes).find('?') != std::string_view::npos) {
      throw Error(errc::malformed);
    }
    return std::string(text_of(bytes));
  }
};

}  // namespace

TEST_CASE("documents of all kinds follow each other, without separators or with white space") {
  CHECK(decode_every_cut(Documents{}, R"({"a":1}[2,3]"x"{}[]"")") ==
        Packets{R"({"a":1})", "[2,3]", R"("x")", "{}", "[]", R"("")"});
  CHECK(decode_every_cut(Documents{}, " \t\r\n{ \"a\" :\n1 }\r\n\n [ ] \n\"x\"  ") ==
        Packets{"{ \"a\" :\n1 }", "[ ]", R"("x")"});
}

TEST_CASE("3.5: brackets of all kinds are counted, those in strings are not") {
  CHECK(decode_every_cut(Documents{}, R"({"a":[{"b":[]}]}[{"]":"}"},["{["]])") ==
        Packets{R"({"a":[{"b":[]}]})", R"([{"]":"}"},["{["]])"});
  CHECK(decode_every_cut(JsonDocuments{Picky{}}, R"({"?":[}]}[1])") ==
        Packets{errc::malformed, errc::malformed, "[1]"});  // The second is the lone bracket.
}

TEST_CASE("escapes in strings") {
  CHECK(decode_every_cut(Documents{}, R"(["\"]","\\"]"\\\"{"["\u005d\\\\"])") ==
        Packets{R"(["\"]","\\"])", R"("\\\"{")", R"(["\u005d\\\\"])"});
}

TEST_CASE("3.5: numbers, true, false and null end where something else begins") {
  CHECK(decode_every_cut(Documents{}, "1 2\n-3.5e+7\ttrue false\r\nnull ") ==
        Packets{"1", "2", "-3.5e+7", "true", "false", "null"});
  CHECK(decode_every_cut(Documents{}, R"(1[2]3{"a":4}5"x"true"y"null[])") ==
        Packets{"1", "[2]", "3", R"({"a":4})", "5", R"("x")", "true", R"("y")", "null", "[]"});
}

TEST_CASE("a number at the end of the stream may be cut short") {
  CHECK(decode_every_cut(Documents{}, "[1]12") == Packets{"[1]", errc::truncated});
  CHECK(decode_every_cut(Documents{}, "12\n") == Packets{"12"});
}

TEST_CASE("the end of the stream inside a document; behind one there may be white space") {
  CHECK(decode_every_cut(Documents{}, "[1]{\"a\":") == Packets{"[1]", errc::truncated});
  CHECK(decode_every_cut(Documents{}, "\"a\\\"") == Packets{errc::truncated});
  CHECK(decode_every_cut(Documents{}, "[1]\n \n") == Packets{"[1]"});
}

TEST_CASE("white space between documents is not the beginning of one") {
  const StreamProtocol protocol{Documents{}};
  BlockPool pool;
  PacketReader reader(protocol, pool, 1024);
  const auto push = [&](std::string_view text) {
    std::ranges::copy(bytes_of(text), reader.prepare().begin());
    reader.commit(text.size());
    decltype(reader)::Slot slot;
    return reader.next(slot);
  };
  using Outcome = decltype(reader)::Outcome;
  CHECK(push("[1]") == Outcome::packet);
  CHECK(push("\n") == Outcome::nothing);
  CHECK(!reader.mid_packet());
  CHECK(reader.pending().empty());
  CHECK(push("  [") == Outcome::nothing);
  CHECK(reader.mid_packet());
  CHECK(reader.pending().size() == 1);
}

TEST_CASE("the inner serializer sees the bytes of the document, without a copy") {
  const JsonDocuments<Text<std::string_view>> views;
  JsonDocuments<Text<std::string_view>>::decoder_state state;
  const std::string input = " [1] [2]";
  auto answer = views.decode(bytes_of(input), state);
  REQUIRE(answer.has_packet());
  CHECK(answer.value() == "[1]");
  CHECK(answer.value().data() == input.data() + 1);
  CHECK(answer.consumed() == 4);
}

TEST_CASE("what begins no document is one error, dropped to white space, a bracket or a quote") {
  CHECK(decode_every_cut(Documents{}, R"({"a":1},{"b":2}, "c" oh! [3])") ==
        Packets{R"({"a":1})", errc::malformed, R"({"b":2})", errc::malformed, R"("c")",
                errc::malformed, "[3]"});
  CHECK(decode_every_cut(Documents{}, "]}]}[1]") == Packets{errc::malformed, "[1]"});
  CHECK(decode_every_cut(Documents{}, "hello:{}\xff\xfe\"x\"") ==
        Packets{errc::malformed, "{}", errc::malformed, R"("x")"});
  CHECK(decode_every_cut(Documents{}, "1,2 3") == Packets{"1", errc::malformed, errc::truncated});
}

TEST_CASE("while rubbish is dropped nothing is kept") {
  const Documents documents;
  Feed<Documents> feed(documents);
  for (int i = 0; i < 100; ++i) {
    feed.receive(bytes_of("rubbish-without-an-end"));
    CHECK(feed.kept() == 0);
  }
  feed.receive(bytes_of("\n[1]"));
  CHECK(feed.outcomes() == Packets{errc::malformed, "[1]"});
}

TEST_CASE("a document of exactly the limit passes, one byte more does not") {
  const Documents small = with({.limit = 6});
  CHECK(decode_every_cut(small, R"([1234][12345]"1234""12345" [1])") ==
        Packets{"[1234]", errc::too_large, R"("1234")", errc::too_large, "[1]"});
  CHECK(decode_every_cut(small, "123456 1234567 1\n[1]") ==
        Packets{"123456", errc::too_large, "1", "[1]"});
  CHECK(small.frame_limit() == 7);
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  CHECK(with({.limit = most}).frame_limit() == most);
}

TEST_CASE("3.5: an overlong document is one error, dropped to its end, without being kept") {
  const Documents small = with({.limit = 6});
  CHECK(decode_every_cut(small, R"({"a":["}]",{"b":"\"]"}]}[1]"long string"[2]12345678[3])") ==
        Packets{errc::too_large, "[1]", errc::too_large, "[2]", errc::too_large, "[3]"});
  Feed<Documents> feed(small);
  feed.receive(bytes_of("[\"1234567"));
  for (int i = 0; i < 100; ++i) {
    feed.receive(bytes_of("]more than the limit"));
    CHECK(feed.kept() == 0);
  }
  feed.receive(bytes_of("\"][1]["));
  CHECK(feed.outcomes() == Packets{errc::too_large, "[1]"});
  CHECK(feed.kept() == 1);
}

TEST_CASE("documents that are too deep are dropped to their end") {
  const Documents shallow = with({.depth = 2});
  CHECK(decode_every_cut(shallow, "[[]][[[]]][{}]{\"a\":[[[],[]]]}1 [2]") ==
        Packets{"[[]]", errc::too_large, "[{}]", errc::too_large, "1", "[2]"});
  Documents::decoder_state state;
  const auto answer = shallow.decode(bytes_of("[[[[[]]]]]"), state);
  REQUIRE(answer.is_bad());
  CHECK(answer.error().context().detail == "more than 2 brackets of JSON are open at once");
  CHECK(testing::decode_all(Documents{}, nested(128) + nested(129) + "[1]") ==
        Packets{nested(128), errc::too_large, "[1]"});
}

TEST_CASE("100,000 brackets are refused at the 129th, with nothing kept") {
  const Documents documents;
  Feed<Documents> feed(documents);
  const std::string deep = nested(100'000);
  for (std::size_t at = 0; at < deep.size(); at += 1000) {
    feed.receive(bytes_of(deep).subspan(at, 1000));
    CHECK(feed.kept() <= 128);
  }
  feed.receive(bytes_of("[1]"));
  CHECK(feed.outcomes() == Packets{errc::too_large, "[1]"});
}

TEST_CASE("each byte of a long document is looked at once") {
  const std::string text(30'000, 'x');
  CHECK_FALSE(testing::looks_back(Documents{}, "[\"" + text + "\"]", "\"]"));
  CHECK_FALSE(testing::looks_back(Documents{}, "\"" + text + "\"", "\""));
  CHECK_FALSE(testing::looks_back(Documents{}, std::string(30'000, '1') + "\n", "\n"));
}

TEST_CASE("sending: the document; behind a number, true, false and null an end of line") {
  CHECK(encode_all(Documents{}, "{\"a\":1}", "\"x\"", "1", "[2]", "true") ==
        "{\"a\":1}\"x\"1\n[2]true\n");
  for (const std::string document : {"{\"a\":[1]}", "\"x\\\"\"", "-1.5", "null"}) {
    const std::string twice = encode_all(Documents{}, document, document);
    CHECK(decode_every_cut(Documents{}, twice) == Packets{document, document});
    Documents::decoder_state state;
    CHECK(Documents{}.decode(bytes_of(twice), state).consumed() == twice.size() / 2);
  }
}

TEST_CASE("the inner serializer may write white space around the document") {
  CHECK(encode_all(Documents{}, " [1]\n", "1 ") == " [1]\n1 \n");
  CHECK(decode_every_cut(Documents{}, encode_all(Documents{}, " [1]\n", "1 ")) ==
        Packets{"[1]", "1"});
}

TEST_CASE("what is not one document cannot be sent") {
  for (const std::string_view text :
       {"", " ", "[1][2]", "1 2", "1[2]", "[1", "\"x", "]", "[1]]", "hello", "[1],", "1,"}) {
    CAPTURE(text);
    const auto error = thrown([&] { encode_all(Documents{}, text); });
    REQUIRE(error);
    CHECK(error->code() == errc::not_sendable);
  }
}

TEST_CASE("a document that is too large or too deep cannot be sent") {
  const Documents small = with({.limit = 6, .depth = 2});
  CHECK(encode_all(small, "[1234]", "[[12]]", "123456") == "[1234][[12]]123456\n");
  const auto large = thrown([&] { encode_all(small, "[12345]"); });
  REQUIRE(large);
  CHECK(large->code() == errc::too_large);
  CHECK(large->context().size == 7);
  CHECK(large->context().limit == 6);
  CHECK(thrown([&] { encode_all(small, "1234567"); })->code() == errc::too_large);
  CHECK(thrown([&] { encode_all(small, "[[[]]]"); })->code() == errc::too_large);
}
