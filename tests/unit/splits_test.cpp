// SPDX-License-Identifier: BSL-1.0
#include "cowire/testing/splits.hpp"

#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace cowire;
using testing::decode_all;
using testing::decode_every_cut;
using testing::looks_back;
using testing::ways_to_cut;

namespace {

using Answer = Decoded<std::string>;

/// A line serializer whose decoder is the given function, so that it can be wrong.
template <auto decode_function>
struct Broken {
  using sent_packet = std::string;
  using received_packet = std::string;
  struct decoder_state {
    std::size_t seen = 0;
  };
  void serialize(const std::string& text, OutputBuffer& out) const { out.append(text + "\n"); }
  Answer decode(Bytes bytes, decoder_state& state) const {
    return decode_function(bytes, state.seen);
  }
};

Answer line_from(Bytes bytes, std::size_t from, std::size_t& seen) {
  const std::size_t end = find(bytes, std::byte{'\n'}, from);
  if (end == npos) {
    seen = bytes.size();
    return Answer::need_more();
  }
  seen = 0;
  return Answer::packet(std::string(text_of(bytes.first(end))), end + 1);
}

using Rescans = Broken<[](Bytes b, std::size_t& seen) { return line_from(b, 0, seen); }>;
using Remembers = Broken<[](Bytes b, std::size_t& seen) { return line_from(b, seen, seen); }>;
using ForgetsToReset = Broken<[](Bytes b, std::size_t& seen) {
  std::size_t ignored = 0;
  seen = b.size();
  return line_from(b, seen > 3 ? 3 : 0, ignored);
}>;
using OnePieceOnly = Broken<[](Bytes b, std::size_t& seen) {
  if (find(b, std::byte{'\n'}) == npos) {
    return Answer::bad(Error(errc::malformed), b.size());
  }
  return line_from(b, 0, seen);
}>;
using ConsumesNothing = Broken<[](Bytes, std::size_t&) { return Answer::packet("x", 0); }>;
using ConsumesTooMuch =
    Broken<[](Bytes b, std::size_t&) { return Answer::packet("x", b.size() + 1); }>;
using AsksForWhatItHas = Broken<[](Bytes b, std::size_t&) { return Answer::need_more(b.size()); }>;
using AsksForTooMuch = Broken<[](Bytes b, std::size_t& seen) {
  return find(b, std::byte{'\n'}) == npos ? Answer::need_more(b.size() + 5) : line_from(b, 0, seen);
}>;
using SkipsAhead = Broken<[](Bytes b, std::size_t&) {
  return text_of(b).starts_with("!") ? Answer::bad(Error(errc::malformed), 5)
                                     : Answer::packet(std::string(1, text_of(b)[0]), 1);
}>;

/// Each byte is a packet: a view of it.
struct Spans {
  using sent_packet = Bytes;
  using received_packet = Bytes;
  struct decoder_state {};
  void serialize(Bytes bytes, OutputBuffer& out) const { out.append(bytes); }
  Decoded<Bytes> decode(Bytes bytes, decoder_state&) const {
    return Decoded<Bytes>::packet(bytes.first(1), 1);
  }
};

template <class S>
using Out = testing::Outcomes<S>;

}  // namespace

TEST_CASE("ways_to_cut: whole, every byte, every cut, every two cuts") {
  using Ways = std::vector<std::vector<std::size_t>>;
  CHECK(ways_to_cut(0) == Ways{{}, {}});
  CHECK(ways_to_cut(1) == Ways{{}, {}});
  CHECK(ways_to_cut(3) == Ways{{}, {1, 2}, {1}, {1, 2}, {2}});
  for (const std::size_t size : {64U, 65U}) {
    const Ways ways = ways_to_cut(size);
    CHECK(ways[1].size() == size - 1);
    const std::size_t pairs = size <= 64 ? (size - 1) * (size - 2) / 2 : 0;
    CHECK(ways.size() == 2 + (size - 1) + pairs);
    const std::set<std::vector<std::size_t>> different(ways.begin(), ways.end());
    CHECK(different.size() == ways.size());
  }
}

TEST_CASE("decode_all cuts where it is told to") {
  CHECK(decode_all(OnePieceOnly{}, "ab\ncd\n") == Out<OnePieceOnly>{"ab", "cd"});
  CHECK(decode_all(OnePieceOnly{}, "ab\ncd\n", {3}) == Out<OnePieceOnly>{"ab", "cd"});
  CHECK(decode_all(OnePieceOnly{}, "ab\ncd\n", {1}) ==
        Out<OnePieceOnly>{errc::malformed, "b", "cd"});
}

TEST_CASE("what is left at the end is truncated, unless the decoder has a word on it") {
  CHECK(decode_all(Remembers{}, "a\nb") == Out<Remembers>{"a", errc::truncated});
  using Line = LineSerializer<>;
  const Line deliver{{.last_line = LastLine::deliver}};
  CHECK(decode_all(deliver, "a\nb") == Out<Line>{"a", "b"});
}

TEST_CASE("what the decoder calls padding at the end is not truncated, what it only drops is") {
  struct Padded : Remembers {
    Answer decode_end(Bytes bytes, decoder_state&) const {
      return text_of(bytes) == "." ? Answer::padding(1) : Answer::need_more(0, bytes.size());
    }
  };
  CHECK(decode_all(Padded{}, "a\n.") == Out<Padded>{"a"});
  CHECK(decode_all(Padded{}, "a\nb") == Out<Padded>{"a", errc::truncated});
}

TEST_CASE("a bad frame may be longer than what has arrived") {
  CHECK(decode_every_cut(SkipsAhead{}, "a!....b") == Out<SkipsAhead>{"a", errc::malformed, "b"});
  CHECK(decode_every_cut(SkipsAhead{}, "a!..") == Out<SkipsAhead>{"a", errc::malformed});
}

TEST_CASE("decode_every_cut finds decoders that depend on the cut, and says where") {
  CHECK(decode_every_cut(Remembers{}, "ab\ncd\n") == Out<Remembers>{"ab", "cd"});
  CHECK_THROWS_WITH_AS(decode_every_cut(OnePieceOnly{}, "a\nb\n"),
                       "the outcomes are different if the stream is cut at 1 2 3",
                       std::logic_error);
  CHECK_THROWS_AS(decode_every_cut(ForgetsToReset{}, "abcd\na\nb\n"), std::logic_error);
}

TEST_CASE("a decoder that asks for more than it needs waits in vain") {
  CHECK(decode_all(AsksForTooMuch{}, "a\n") == Out<AsksForTooMuch>{"a"});
  CHECK_THROWS_AS(decode_every_cut(AsksForTooMuch{}, "a\n"), std::logic_error);
}

TEST_CASE("decoders that break the laws are caught instead of looping for ever") {
  CHECK_THROWS_WITH_AS(decode_all(ConsumesNothing{}, "a"),
                       "the decoder consumed nothing: it would give the same answer forever",
                       std::logic_error);
  CHECK_THROWS_WITH_AS(decode_all(ConsumesTooMuch{}, "a"),
                       "the decoder consumed more bytes than there are", std::logic_error);
  CHECK_THROWS_WITH_AS(decode_all(AsksForWhatItHas{}, "a"),
                       "the decoder asks for bytes that it has already", std::logic_error);
}

TEST_CASE("looks_back tells a decoder that remembers from one that starts again each time") {
  CHECK_FALSE(looks_back(Remembers{}, "a long line\n", "\n"));
  CHECK(looks_back(Rescans{}, "a long line\n", "\n"));
  CHECK_THROWS_AS(looks_back(Remembers{}, "no ending", "\n"), std::logic_error);
}

TEST_CASE("outcomes are compared and printed") {
  using Text = testing::Outcome<std::string>;
  CHECK(Text("a") == Text(std::string("a")));
  CHECK(Text("a") != Text("b"));
  CHECK(Text(errc::timeout) == Text(std::error_code(errc::timeout)));
  CHECK(Text(errc::timeout) != Text(errc::closed));
  CHECK(Text("") != Text(errc::closed));

  std::ostringstream out;
  out << Text("a\n") << ' ' << testing::Outcome<int>(7) << ' ' << Text(errc::end_of_stream) << ' '
      << testing::Outcome<std::vector<int>>(std::vector<int>{1});
  CHECK(out.str() == "\"a\\n\" 7 cowire:1 a packet");
}

TEST_CASE("packets that are views are copied") {
  const Out<Spans> outcomes = decode_all(Spans{}, "ab");
  REQUIRE(outcomes.size() == 2);
  CHECK(*outcomes[1].packet == std::vector<std::byte>{std::byte{'b'}});
}

TEST_CASE("a protocol can be tested like a serializer") {
  const StreamProtocol protocol{LineSerializer<std::string_view>{}};
  CHECK(decode_every_cut(protocol, "a\nb") ==
        testing::Outcomes<LineSerializer<>>{"a", errc::truncated});
  CHECK(testing::encode_all(protocol, "a", "b") == "a\nb\n");
}
