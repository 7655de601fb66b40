// SPDX-License-Identifier: BSL-1.0
#include "cowire/testing/check_serializer.hpp"

#include "cowire/serializers/line.hpp"
#include "cowire/serializers/text.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// Serializers that are wrong on purpose, each in one way. The laws are told by their first words.

using namespace cowire;
using namespace std::string_view_literals;
using testing::check_decoder;
using testing::check_serializer;
using testing::CheckReport;

namespace {

using Answer = Decoded<std::string>;

struct State {
  std::size_t seen = 0;
  std::string text;
};

Answer line_from(Bytes bytes, std::size_t from, State& state) {
  const std::size_t end = find(bytes, std::byte{'\n'}, from);
  if (end == npos) {
    state.seen = bytes.size();
    return Answer::need_more();
  }
  state = {};
  return Answer::packet(std::string(text_of(bytes.first(end))), end + 1);
}

/// Lines, as they should be written and read.
void good_serialize(const std::string& text, OutputBuffer& out) {
  out.append(text);
  out.append("\n"sv);
}
Answer good_decode(Bytes bytes, State& state) { return line_from(bytes, state.seen, state); }

struct Lines {
  using sent_packet = std::string;
  using received_packet = std::string;
  using decoder_state = State;

  Answer (*decode_with)(Bytes, State&) = good_decode;
  void (*serialize_with)(const std::string&, OutputBuffer&) = good_serialize;

  void serialize(const std::string& text, OutputBuffer& out) const { serialize_with(text, out); }
  Answer decode(Bytes bytes, State& state) const { return decode_with(bytes, state); }
};

Lines writes(void (*serialize_with)(const std::string&, OutputBuffer&)) {
  return {good_decode, serialize_with};
}

/// Packets behind their size, one digit: "5hello".
Lines sized(Answer (*decode_with)(Bytes, State&)) {
  return {decode_with, [](const std::string& text, OutputBuffer& out) {
            if (text.size() > 5) {
              throw Error(errc::too_large);
            }
            out.append(std::to_string(text.size()));
            out.append(text);
          }};
}

std::size_t digit(Bytes bytes, std::size_t at = 0) {
  return static_cast<std::size_t>(text_of(bytes)[at] - '0');
}

Answer sized_packet(Bytes bytes, std::size_t wanted) {
  const std::size_t frame = digit(bytes) + 1;
  if (bytes[0] < std::byte{'0'} || bytes[0] > std::byte{'9'}) {
    return Answer::bad(Error(errc::malformed), 1);
  }
  return bytes.size() < frame
             ? Answer::need_more(wanted)
             : Answer::packet(std::string(text_of(bytes.subspan(1, frame - 1))), frame);
}

/// A one-shot serializer of text.
struct OneShot {
  using sent_packet = std::string;
  using received_packet = std::string;

  std::string (*deserialize_with)(Bytes);

  void serialize(const std::string& text, OutputBuffer& out) const { out.append(text); }
  std::string deserialize(Bytes bytes) const { return deserialize_with(bytes); }
};

const std::vector<std::string> packets{"hello", "", "ab"};

template <class S>
std::string law_of(const S& serializer) {
  const CheckReport report = check_serializer(serializer, packets);
  CHECK_FALSE(report.ok());
  CHECK(report.text().starts_with(report.law()));
  return report.law();
}

}  // namespace

TEST_CASE("the kit: a serializer that keeps the laws passes, and the report says what was done") {
  const CheckReport report = check_serializer(Lines{}, packets);
  CHECK(report);
  CHECK(report.ok());
  CHECK(report.law().empty());
  CHECK(report.text().starts_with("ok: 3 packets, 10 bytes, "));
  CHECK_NOTHROW(report.or_throw());
  CHECK(report.unchecked() ==
        std::vector<std::string>{"the limit (the serializer has no frame_limit())"});
}

TEST_CASE("the kit: a report is the smallest case, and can be read aloud") {
  const auto decode = [](Bytes bytes, State& state) {
    const bool again = state.seen != 0;  // The first byte is lost if the packet came in pieces.
    Answer answer = line_from(bytes, state.seen, state);
    if (again && answer.has_packet() && !answer.value().empty()) {
      answer.value().erase(0, 1);
    }
    return answer;
  };
  const CheckReport report = check_serializer(Lines{decode}, {"one", "hello", "", "ab"});
  CHECK(report.text() ==
        "the packets depend on where the stream is cut\n"
        "  packet    \"one\"\n"
        "  arrives   \"o\" | \"ne\\n\"\n"
        "  expected  \"one\"\n"
        "  came      \"ne\"\n"
        "  not checked: the limit (the serializer has no frame_limit())");
  CHECK_THROWS_WITH_AS(report.or_throw(), report.text().c_str(), std::logic_error);
  std::ostringstream out;
  out << report;
  CHECK(out.str() == report.text());
}

TEST_CASE("the kit: state that is kept after a packet") {
  const auto decode = [](Bytes bytes, State& state) {
    State forgotten;
    Answer answer = line_from(bytes, std::min(state.seen, bytes.size()), forgotten);
    state.seen += answer.has_packet() ? 1 : bytes.size() - state.seen;
    return answer;
  };
  const CheckReport report = check_serializer(Lines{decode}, {"hello", "", "ab"});
  CHECK(report.law() == "packets that come together are not those that come alone");
  CHECK(report.text().find("packets   \"hello\", \"\"\n") != npos);
}

TEST_CASE("the kit: state that is kept outside of decoder_state") {
  const auto decode = [](Bytes bytes, State&) {
    static State shared;
    return line_from(bytes, std::exchange(shared.seen, 0) == 0 ? 0 : bytes.size(), shared);
  };
  const CheckReport report = check_serializer(Lines{decode}, packets);
  CHECK(report.law().starts_with("one stream disturbs another"));
  CHECK(report.text().find("stream 1  \"h\", abandoned\n") != npos);

  // One that starts afresh with each stream: only two at once disturb each other.
  const auto subtle = [](Bytes bytes, State& state) {
    static State shared;
    if (state.seen == 0) {
      shared = {};
    }
    state.seen = 1;
    Answer answer = line_from(bytes, std::min(shared.seen, bytes.size()), shared);
    if (answer.has_packet()) {
      state = {};
    }
    return answer;
  };
  CHECK(law_of(Lines{subtle}).starts_with("one stream disturbs another"));
}

TEST_CASE("the kit: nothing consumed, too much, or the wrong bytes") {
  const auto bad_of_nothing = [](Bytes bytes, State& state) {
    return bytes[0] == std::byte{0xff} ? Answer::bad(Error(errc::malformed), 0)
                                       : good_decode(bytes, state);
  };
  CHECK(law_of(Lines{bad_of_nothing}).starts_with("the decoder consumed nothing"));

  const auto packet_of_nothing = [](Bytes, State&) { return Answer::packet("hello", 0); };
  CHECK(law_of(Lines{packet_of_nothing}).starts_with("the decoder consumed nothing"));

  const auto too_much = [](Bytes bytes, State& state) {
    Answer answer = good_decode(bytes, state);
    return answer.has_packet() ? Answer::packet(answer.value(), answer.consumed() + 1)
                               : Answer::need_more();
  };
  CHECK(law_of(Lines{too_much}) == "the decoder consumed more bytes than there are");

  const auto leaves_the_end = [](Bytes bytes, State&) {
    const std::size_t skip = bytes[0] == std::byte{'\n'} ? 1 : 0;  // of the last packet
    const std::size_t end = find(bytes, std::byte{'\n'}, skip);
    return end == npos ? Answer::need_more(0, skip)
                       : Answer::packet(std::string(text_of(bytes.subspan(skip, end - skip))), end);
  };
  const CheckReport report = check_serializer(Lines{leaves_the_end}, {"hello"});
  CHECK(report.law() == "the decoder does not consume exactly the bytes of a packet");
}

TEST_CASE("the kit: packets that end elsewhere if they come in pieces") {
  const auto decode = [](Bytes bytes, State& state) {
    const bool in_pieces = state.seen != 0;
    if (!state.text.empty()) {  // The line ending that was left is dropped now.
      state = {};
      return Answer::need_more(0, 1);
    }
    Answer answer = good_decode(bytes, state);
    if (!in_pieces || answer.needs_more()) {
      return answer;
    }
    state.text = "a line ending is left";
    return Answer::packet(answer.value(), answer.consumed() - 1);
  };
  const CheckReport report = check_serializer(Lines{decode}, {"hello"});
  CHECK(report.law().starts_with("bytes are read twice or lost"));
  CHECK(report.text().find("arrives   \"h\" | \"ello\\n\"") != npos);
}

TEST_CASE("the kit: a packet that depends on what follows") {
  const auto swallows = [](Bytes bytes, State& state) {
    Answer answer = good_decode(bytes, state);
    if (answer.has_packet() && answer.consumed() < bytes.size() &&
        bytes[static_cast<std::size_t>(answer.consumed())] == std::byte{0}) {
      return Answer::packet(answer.value(), answer.consumed() + 1);
    }
    return answer;
  };
  CHECK(law_of(Lines{swallows}) == "a packet depends on the bytes that follow it");
}

TEST_CASE("the kit: waiting for too little, too much, or what is there") {
  const auto early = [](Bytes bytes, State& state) {
    return text_of(bytes) == "hell" ? Answer::packet("hell", 4) : good_decode(bytes, state);
  };
  CHECK(law_of(Lines{early}) == "the decoder does not wait for the rest of a packet");

  const auto refuses = [](Bytes bytes, State& state) {
    return find(bytes, std::byte{'\n'}) == npos ? Answer::bad(Error(errc::malformed), 1)
                                                : good_decode(bytes, state);
  };
  CHECK(law_of(Lines{refuses}) == "the decoder does not wait for the rest of a packet");

  const auto too_much = [](Bytes bytes, State&) { return sized_packet(bytes, digit(bytes) + 2); };
  CHECK(law_of(sized(too_much)).starts_with("the decoder waits for more bytes than the packet"));

  const auto present = [](Bytes bytes, State&) { return sized_packet(bytes, bytes.size()); };
  CHECK(law_of(sized(present)) == "the decoder asks for bytes that it has already");

  const auto right = [](Bytes bytes, State&) { return sized_packet(bytes, digit(bytes) + 1); };
  CHECK(check_serializer(sized(right), packets));
}

TEST_CASE("the kit: reading past the end") {
  const auto two_digits = [](Bytes bytes, State&) {
    const char* const text = text_of(bytes).data();  // The second byte may not be there.
    return text[1] == '\0' ? Answer::need_more(2) : sized_packet(bytes, digit(bytes) + 1);
  };
  const CheckReport report = check_serializer(sized(two_digits), {"hello"});
  CHECK(report.law() == "the decoder reads past the end of the bytes it is given");
  CHECK(report.text().find("bytes     \"5\"\n") != npos);
}

TEST_CASE("the kit: quadratic cost") {
  const std::vector<std::string> long_packets{"ab", std::string(150, 'x')};
  const auto rescans = [](Bytes bytes, State& state) { return line_from(bytes, 0, state); };
  CHECK(check_serializer(Lines{rescans}, long_packets).law() ==
        "the decoder looks again at bytes that it has seen: quadratic cost");

  const auto checks_all = [](Bytes bytes, State& state) {
    return std::ranges::find(bytes, std::byte{0xff}) != bytes.end()
               ? Answer::bad(Error(errc::malformed), bytes.size())
               : good_decode(bytes, state);
  };
  CHECK_FALSE(check_serializer(Lines{checks_all}, long_packets));

  const auto copies = [](Bytes bytes, State& state) {
    state.text = std::string(text_of(bytes));
    const std::string copy = state.text + "";
    return line_from(bytes, state.seen, state);
  };
  CHECK(check_serializer(Lines{copies}, {std::string(1000, 'x')}).law() ==
        "the decoder copies what it has seen again and again: quadratic cost");
}

TEST_CASE("the kit: the end of the stream inside a packet") {
  const auto drops_the_tail = [](Bytes bytes, State& state) {
    const std::size_t end = find(bytes, std::byte{'\n'});
    if (end == npos) {
      state.text += text_of(bytes);  // Kept in the state: the connection thinks that all is done.
      return Answer::need_more(0, bytes.size());
    }
    std::string text = state.text + std::string(text_of(bytes.first(end)));
    state = {};
    return Answer::packet(std::move(text), end + 1);
  };
  CHECK(law_of(Lines{drops_the_tail}) == "the stream ends inside a packet, and nobody is told");
}

TEST_CASE("the kit: empty packets") {
  const auto writes_nothing = [](const std::string& text, OutputBuffer& out) {
    if (!text.empty()) {
      good_serialize(text, out);
    }
  };
  CHECK(law_of(writes(writes_nothing)).starts_with("a packet is written as no bytes at all"));

  const auto skips_empty = [](Bytes bytes, State& state) {
    return bytes[0] == std::byte{'\n'} ? Answer::need_more(0, 1) : good_decode(bytes, state);
  };
  CHECK(law_of(Lines{skips_empty}) == "the decoder does not find one packet in the bytes of one");
}

TEST_CASE("the kit: exceptions that should be something else") {
  const auto other = [](const std::string& text, OutputBuffer&) { throw std::out_of_range(text); };
  CHECK(law_of(writes(other)) == "serialize throws something that is not an Error");
  const auto refuses = [](const std::string&, OutputBuffer&) { throw Error(errc::not_sendable); };
  CHECK(law_of(writes(refuses)) == "serialize refuses a packet");

  const auto throws_error = [](Bytes bytes, State& state) {
    if (bytes[0] == std::byte{0xff}) {
      throw Error(errc::malformed);
    }
    return good_decode(bytes, state);
  };
  CHECK(law_of(Lines{throws_error}).starts_with("the decoder throws"));
  const auto throws_int = [](Bytes bytes, State& state) {
    return bytes[0] == std::byte{0xff} ? throw 7 : good_decode(bytes, state);
  };
  const CheckReport report = check_serializer(Lines{throws_int}, packets);
  CHECK(report.law().starts_with("the decoder throws"));
  CHECK(report.text().find("something that is not even a std::exception") != npos);
}

TEST_CASE("the kit: what was written before, and what cannot be written") {
  const auto restarts = [](const std::string& text, OutputBuffer& out) {
    out.truncate(0);
    good_serialize(text, out);
  };
  CHECK(law_of(writes(restarts)) == "serialize changes what was there: it may only append");

  const auto takes_back_all = [](const std::string& text, OutputBuffer& out) {
    if (text == "a\nb") {
      out.truncate(0);
      throw Error(errc::not_sendable);
    }
    good_serialize(text, out);
  };
  CHECK(check_serializer(writes(takes_back_all), packets));
  CHECK(check_serializer(writes(takes_back_all), packets, {.unsendable = {"a\nb"}}).law() ==
        "serialize changes what was there: it may only append");
  CHECK(check_serializer(Lines{}, packets, {.unsendable = {"a\nb"}}).law() ==
        "serialize sends a packet that cannot be sent");
  const auto refuses_oddly = [](const std::string& text, OutputBuffer& out) {
    if (text == "a\nb") {
      throw std::invalid_argument(text);
    }
    good_serialize(text, out);
  };
  CHECK(check_serializer(writes(refuses_oddly), packets, {.unsendable = {"a\nb"}}).law() ==
        "serialize throws something that is not an Error");
  CHECK(check_serializer(LineSerializer<>{}, packets, {.unsendable = {"a\nb", "\n"}}));
}

TEST_CASE("the kit: a packet that is changed") {
  const auto upper = [](const std::string& text, OutputBuffer& out) {
    good_serialize(text == "ab" ? "AB" : text, out);
  };
  const CheckReport report = check_serializer(writes(upper), packets);
  CHECK(report.law() == "a packet is not the same after the round trip");
  CHECK(report.text().find("  packet    \"ab\"\n  bytes     \"AB\\n\"\n  came      \"AB\"") !=
        npos);
}

TEST_CASE("the kit: limits that are not kept") {
  struct Receives : Lines {
    std::size_t limit = 10;
    std::size_t frame_limit() const { return limit; }
    void serialize(const std::string& text, OutputBuffer& out) const {
      if (text.size() >= limit) {
        throw Error(errc::too_large);
      }
      good_serialize(text, out);
    }
  };
  for (const std::size_t limit : {10U, 2000U}) {
    Receives receives;
    receives.limit = limit;
    CHECK(law_of(receives) == "the decoder waits for more bytes than its frame_limit()");
  }

  struct Sends : LineSerializer<> {
    Sends() : LineSerializer({.limit = 9}) {}
    void serialize(const std::string& text, OutputBuffer& out) const { good_serialize(text, out); }
  };
  CHECK(law_of(Sends{}) == "serialize sends more than its own frame_limit()");

  struct Header : Lines {
    std::size_t frame_limit() const { return 6; }  // But it waits for "9".
  };
  const auto any_size = [](Bytes bytes, State&) { return sized_packet(bytes, digit(bytes) + 1); };
  CHECK(law_of(Header{sized(any_size)}) ==
        "the decoder waits for more bytes than its frame_limit()");
}

TEST_CASE("the kit: errors that depend on the cuts") {
  const auto decode = [](Bytes bytes, State& state) {
    // Only the bytes that came last are checked.
    const Bytes fresh = bytes.subspan(std::min(state.seen, bytes.size() - 1));
    if (std::ranges::find(fresh, std::byte{0x80}) != fresh.end()) {
      state = {};
      return Answer::bad(Error(errc::malformed), bytes.size());
    }
    return good_decode(bytes, state);
  };
  CHECK(law_of(Lines{decode}) == "the packets depend on where the stream is cut");
}

TEST_CASE("the kit: allocations that fail") {
  const auto malformed = [](Bytes bytes, State& state) {
    try {
      return good_decode(bytes, state);
    } catch (const std::bad_alloc&) {
      return Answer::bad(Error(errc::malformed), bytes.size());
    }
  };
  CHECK(law_of(Lines{malformed}) == "the decoder makes something else of an allocation that fails");

  const auto malformed_later = [](Bytes bytes, State& state) {
    const bool resumed = state.seen != 0;
    try {
      return good_decode(bytes, state);
    } catch (const std::bad_alloc&) {
      return resumed ? Answer::bad(Error(errc::malformed), bytes.size()) : throw;
    }
  };
  CHECK(law_of(Lines{malformed_later}) ==
        "the decoder makes something else of an allocation that fails");

  const auto nothing = [](const std::string& text, OutputBuffer& out) {
    try {
      good_serialize(text, out);
    } catch (const std::bad_alloc&) {
    }
  };
  CHECK(law_of(writes(nothing)) == "serialize makes something else of an allocation that fails");

  const auto reserves = [](Bytes bytes, State& state) {
    if (bytes[0] == std::byte{0xff}) {
      state.text.reserve(std::size_t{1} << 24U);
    }
    return good_decode(bytes, state);
  };
  CHECK(law_of(Lines{reserves}) ==
        "the decoder allocates what a header announces before it has come");
}

TEST_CASE("the kit: one-shot serializers") {
  CHECK(check_serializer(Text<>{}, packets));

  const auto throws = [](Bytes bytes) { return std::string(text_of(bytes)).substr(1, 0) + "x"; };
  CHECK(law_of(OneShot{throws}).starts_with("the decoder throws"));

  const auto lower_bits = [](Bytes bytes) {
    std::string text(text_of(bytes));
    std::ranges::replace(text, 'b', 'c');
    return text;
  };
  CHECK(law_of(OneShot{lower_bits}) == "a packet is not the same after the round trip");

  const auto past_the_end = [](Bytes bytes) {
    return std::string(text_of(bytes)) + (bytes.data()[bytes.size()] == std::byte{0xff} ? "!" : "");
  };
  CHECK(law_of(OneShot{past_the_end}) == "the decoder reads past the end of the bytes it is given");

  const auto needs_all = [](Bytes bytes) {
    if (text_of(bytes) == "hel") {
      throw std::runtime_error("cut short");
    }
    return std::string(text_of(bytes));
  };
  CHECK(law_of(OneShot{needs_all}).starts_with("the decoder throws"));
}

TEST_CASE("the kit: decoders alone, by the frames of others") {
  CHECK(check_decoder(Lines{}, {"one\n", "\n"}));
  CHECK(check_decoder(Lines{}, {"one\ntwo\n"}).law() ==
        "the decoder does not find one packet in the bytes of one");
  CHECK(check_decoder(Lines{}, {}).law() == "no packet was given: nothing was checked");
  CHECK(check_serializer(Lines{}, {}).law() == "no packet was given: nothing was checked");
}

TEST_CASE("the kit: streams that do not say where a packet ends") {
  // Whatever has come is a packet.
  const auto pieces = [](Bytes bytes, State&) {
    return Answer::packet(std::string(text_of(bytes)), bytes.size());
  };
  const auto plainly = [](const std::string& text, OutputBuffer& out) { out.append(text); };
  const std::vector<std::string> texts{"hello", "ab"};
  CHECK(check_serializer(Lines{pieces, plainly}, texts, {.boundaries = false}));
  CHECK(check_serializer(Lines{pieces, plainly}, texts).law() ==
        "a packet depends on the bytes that follow it");

  const auto keeps_all = [](Bytes, State&) { return Answer::need_more(); };
  const auto drops_all = [](Bytes bytes, State&) { return Answer::need_more(0, bytes.size()); };
  CHECK_FALSE(check_serializer(Lines{keeps_all, plainly}, texts, {.boundaries = false}));
  CHECK(check_serializer(Lines{drops_all, plainly}, texts, {.boundaries = false}).law() ==
        "the decoder does not find a packet in the bytes of one");

  const auto loses_the_last = [](Bytes bytes, State&) {
    const std::size_t size = bytes.size() - (bytes.size() > 2 ? 1 : 0);
    return Answer::packet(std::string(text_of(bytes.first(size))), bytes.size());
  };
  CHECK(check_serializer(Lines{loses_the_last, plainly}, texts, {.boundaries = false}).law() ==
        "packets that come together are not those that come alone");
}

TEST_CASE("the kit: packets without == are compared by their bytes") {
  struct Plain {
    std::string text;
  };
  struct Plainly {
    using sent_packet = Plain;
    using received_packet = Plain;
    using decoder_state = State;
    bool right = true;
    void serialize(const Plain& packet, OutputBuffer& out) const {
      good_serialize(packet.text, out);
    }
    Decoded<Plain> decode(Bytes bytes, State& state) const {
      Answer answer = good_decode(bytes, state);
      return answer.has_packet()
                 ? Decoded<Plain>::packet(Plain{right ? answer.value() : "b"}, answer.consumed())
                 : Decoded<Plain>::need_more();
    }
  };
  CHECK(check_serializer(Plainly{}, {Plain{"a"}, Plain{""}}));
  const CheckReport report = check_serializer(Plainly{false}, {Plain{"a"}});
  CHECK(report.law() == "a packet is not the same after the round trip");

  // Inside of others, whose == is declared, but does not compile.
  struct Several {
    using sent_packet = std::vector<std::variant<std::optional<Plain>, std::pair<int, Plain>>>;
    using received_packet = sent_packet;
    using decoder_state = State;
    Plainly inner;
    void serialize(const sent_packet& packet, OutputBuffer& out) const {
      inner.serialize(**std::get_if<0>(&packet.front()), out);
    }
    Decoded<received_packet> decode(Bytes bytes, State& state) const {
      Decoded<Plain> answer = inner.decode(bytes, state);
      return answer.has_packet()
                 ? Decoded<received_packet>::packet(received_packet{std::optional(answer.value())},
                                                    static_cast<std::size_t>(answer.consumed()))
                 : Decoded<received_packet>::need_more();
    }
  };
  const Several::sent_packet one{std::optional(Plain{"a"})};
  CHECK(check_serializer(Several{}, {one}));
  CHECK(check_serializer(Several{{false}}, {one}).law() == report.law());
}

TEST_CASE("the kit: padding belongs to no packet, and its end is not the end inside of one") {
  const auto skips_spaces = [](Bytes bytes, State& state) {
    const std::size_t spaces = std::min(text_of(bytes).find_first_not_of(' '), bytes.size());
    if (spaces == bytes.size()) {
      return Answer::padding(spaces);
    }
    Answer answer = good_decode(bytes, state);
    return answer.has_packet() ? Answer::packet(answer.value().substr(spaces), answer.consumed())
                               : std::move(answer);
  };
  CHECK(check_decoder(Lines{skips_spaces}, {"one\n", "  two\n", " \n"}));

  const auto begins_idle = [](Bytes bytes, State& state) {
    if (state.text.empty() && bytes.size() == 1 && bytes[0] != std::byte{'\n'}) {
      state.text = text_of(bytes);  // Kept in the state: the connection seems to be idle.
      return Answer::padding(1);
    }
    const std::string begin = state.text;
    Answer answer = line_from(bytes, state.seen, state);
    return answer.has_packet() ? Answer::packet(begin + answer.value(), answer.consumed())
                               : std::move(answer);
  };
  const CheckReport report = check_serializer(Lines{begins_idle}, packets);
  CHECK(report.law().starts_with("the decoder takes a part of a packet for padding"));
  CHECK(report.text().find("came      waits for more bytes, drops 1 as padding") != npos);
}

TEST_CASE("the kit: the same seed gives the same streams") {
  // Notes the bytes that it is fed, in the order in which they come.
  static std::string* seen = nullptr;
  const auto decode = [](Bytes bytes, State& state) {
    seen->append(text_of(bytes));
    return good_decode(bytes, state);
  };
  const auto streams = [&](std::uint64_t seed) {
    std::string bytes;
    bytes.reserve(std::size_t{1} << 23U);  // Else it looks as if the decoder made copies.
    seen = &bytes;
    CHECK(check_serializer(Lines{decode}, {"ab"}, {.seed = seed, .rounds = 5}));
    return bytes;
  };
  CHECK(streams(1) == streams(1));
  CHECK(streams(1) != streams(2));
}
