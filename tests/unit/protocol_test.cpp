// SPDX-License-Identifier: BSL-1.0
#include "cowire/protocol.hpp"

#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/raw.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

using namespace cowire;
using testing::decode_every_cut;
using testing::encode_all;

namespace {

/// A command of a made-up protocol: "ADD 2" and "SUB 2".
struct Command {
  int change = 0;
  friend bool operator==(const Command&, const Command&) = default;
};

/// Replies are "= n"; received are commands.
struct Calculator {
  using sent_packet = int;
  using received_packet = Command;

  std::string to_wire(int value) const {
    if (value < 0) {
      throw Error(errc::not_sendable, "no negative numbers");
    }
    return "= " + std::to_string(value);
  }

  Command from_wire(std::string_view line) const {
    if (line == "BOOM") {
      throw std::runtime_error("a mistake in the converter");
    }
    if (line.size() != 5 || !(line.starts_with("ADD ") || line.starts_with("SUB "))) {
      throw Error(errc::malformed, "unknown command");
    }
    const int change = line[4] - '0';
    return Command{line[0] == 'A' ? change : -change};
  }
};

/// What it remembers of a stream cannot be replaced.
struct Sticky : LineSerializer<> {
  struct decoder_state : LineSerializer<>::decoder_state {
    decoder_state() = default;
    decoder_state(const decoder_state&) = delete;
    decoder_state& operator=(const decoder_state&) = delete;
  };
};
static_assert(StreamSerializer<LineSerializer<>> && !StreamSerializer<Sticky>);

using Plain = StreamProtocol<LineSerializer<>>;
using Converted = StreamProtocol<LineSerializer<std::string_view>, Calculator>;

/// Text in, takes nothing but exactly its own packet type.
struct Wrapped {
  std::string text;
  Wrapped() = default;
  explicit Wrapped(std::string_view given) : text(given) {}
};
struct WrappedSerializer {
  using sent_packet = Wrapped;
  using received_packet = std::string;
  struct decoder_state {};
  void serialize(const Wrapped& wrapped, OutputBuffer& out) const { out.append(wrapped.text); }
  Decoded<std::string> decode(Bytes, decoder_state&) const {
    return Decoded<std::string>::need_more();
  }
};

}  // namespace

static_assert(Protocol<Plain> && Protocol<Converted>);
static_assert(std::same_as<Plain::sent_packet, std::string>);
static_assert(std::same_as<Converted::sent_packet, int>);
static_assert(std::same_as<Converted::received_packet, Command>);
static_assert(std::same_as<decltype(StreamProtocol{LineSerializer{}}), Plain>);
static_assert(sizeof(StreamProtocol<Raw<>>) == sizeof(Raw<>), "no converter takes no room");

TEST_CASE("P5: without a converter the packets are the serializer's") {
  const StreamProtocol protocol{LineSerializer{}};
  CHECK(encode_all(protocol, "a", std::string("b"), std::string_view("c")) == "a\nb\nc\n");
  CHECK(decode_every_cut(protocol, "a\nb\n") == testing::Outcomes<Plain>{"a", "b"});
}

TEST_CASE("P4: one protocol serves several connections; what differs is their states") {
  const StreamProtocol protocol{LineSerializer{{.limit = 4}}};
  Plain::decoder_state one;
  Plain::decoder_state two;
  const auto overlong = protocol.decode(bytes_of("overlong"), one);
  REQUIRE(overlong.is_bad());
  auto other = protocol.decode(bytes_of("ok\n"), two);
  REQUIRE(other.has_packet());
  CHECK(other.value() == "ok");
  auto rest = protocol.decode(bytes_of("er\nok\n"), one);  // Goes on behind that line.
  REQUIRE(rest.has_packet());
  CHECK(rest.value() == "ok");
  CHECK(rest.consumed() == 6);
}

TEST_CASE("P7: with a converter the packets are the program's own") {
  const StreamProtocol protocol{LineSerializer<std::string_view>{}, Calculator{}};
  CHECK(encode_all(protocol, 12, 0) == "= 12\n= 0\n");
  CHECK(decode_every_cut(protocol, "ADD 2\nSUB 3\n") ==
        testing::Outcomes<Converted>{Command{2}, Command{-3}});
}

TEST_CASE("P7: what the converter rejects is consumed, the stream goes on") {
  const Converted protocol;
  CHECK(decode_every_cut(protocol, "MUL 2\nADD 1\n") ==
        testing::Outcomes<Converted>{errc::malformed, Command{1}});
  Converted::decoder_state state;
  const auto answer = protocol.decode(bytes_of("MUL 2\nADD 1\n"), state);
  REQUIRE(answer.is_bad());
  CHECK(answer.consumed() == 6);
  CHECK(answer.error().context().detail == "unknown command");
}

TEST_CASE("other exceptions of a converter pass through") {
  const Converted protocol;
  Converted::decoder_state state;
  CHECK_THROWS_AS((void)protocol.decode(bytes_of("BOOM\n"), state), std::runtime_error);
  const auto error = thrown([&] { encode_all(protocol, -1); });
  REQUIRE(error);
  CHECK(error->code() == errc::not_sendable);
}

TEST_CASE("the serializer's errors and its need for more come through the converter") {
  const Converted protocol{LineSerializer<std::string_view>{{.limit = 5}}};
  CHECK(decode_every_cut(protocol, "123456\nADD 1\nAD") ==
        testing::Outcomes<Converted>{errc::too_large, Command{1}, errc::truncated});

  Converted::decoder_state state{0, true};
  const auto dropping = protocol.decode(bytes_of("rest\nAD"), state);
  CHECK(dropping.needs_more());
  CHECK(dropping.consumed() == 5);

  const StreamProtocol prefixed{LengthPrefixed{Text<std::string_view>{}, {.width = 1}},
                                Calculator{}};
  decltype(prefixed)::decoder_state none;
  CHECK(prefixed.decode(bytes_of("\5A"), none).total() == 6);
}

TEST_CASE("the end of the stream: the serializer's answer, or truncated") {
  const StreamProtocol delivering{
      LineSerializer<std::string_view>{{.last_line = LastLine::deliver}}, Calculator{}};
  CHECK(decode_every_cut(delivering, "ADD 1") == testing::Outcomes<Converted>{Command{1}});
  CHECK(decode_every_cut(delivering, "MUL 1") == testing::Outcomes<Converted>{errc::malformed});

  const StreamProtocol prefixed{LengthPrefixed{Text<>{}}};
  decltype(prefixed)::decoder_state state;
  const auto answer = prefixed.decode_end(bytes_of("\0\0"), state);
  REQUIRE(answer.is_bad());
  CHECK(answer.error().code() == errc::truncated);
  CHECK(answer.error().context().detail == "the stream ended inside a packet");
}

TEST_CASE("frame_limit is the serializer's, or 0") {
  CHECK(StreamProtocol{LineSerializer{{.limit = 4}}}.frame_limit() == 5);
  CHECK(StreamProtocol{WrappedSerializer{}}.frame_limit() == 0);
}

TEST_CASE("a packet that the serializer does not take is converted to its packet type") {
  const StreamProtocol protocol{WrappedSerializer{}};
  CHECK(encode_all(protocol, "text", Wrapped("!")) == "text!");
}

TEST_CASE("a protocol is copied with its options") {
  const StreamProtocol protocol{LineSerializer{{.ending = LineEnding::crlf}}};
  const StreamProtocol copy = protocol;
  CHECK(encode_all(copy, "a") == "a\r\n");
  CHECK(copy.serializer().frame_limit() == protocol.serializer().frame_limit());
}

TEST_CASE("a converter changes nothing of bytes between packets") {
  const Converted protocol(LineSerializer<std::string_view>({.ending = LineEnding::any}));
  Converted::decoder_state state;
  CHECK(protocol.decode(bytes_of("ADD 1\r"), state).has_packet());
  const auto answer = protocol.decode(bytes_of("\n"), state);
  CHECK(answer.is_padding());
  CHECK(answer.consumed() == 1);
}
