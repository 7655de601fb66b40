// SPDX-License-Identifier: BSL-1.0
#include "cowire/switchable_protocol.hpp"

#include "cowire/packet_reader.hpp"
#include "cowire/serializers/cobs.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/stapled.hpp"
#include "cowire/serializers/text.hpp"
#include "support/journal.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

using namespace cowire;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

/// Lines, but the decoder throws what it must not at "crash".
class Crashing : public LineSerializer<> {
 public:
  using LineSerializer<>::LineSerializer;

  Decoded<std::string> decode(Bytes bytes, decoder_state& state) const {
    if (text_of(bytes).starts_with("crash")) {
      throw std::runtime_error("index out of range");
    }
    return LineSerializer<>::decode(bytes, state);
  }
};

/// Cannot be moved.
struct Brittle {
  explicit Brittle(int) {}
  Brittle(const Brittle&) { throw 1; }
};

template <class Packet>
struct Sends {
  using sent_packet = Packet;
  void serialize(const Packet&, OutputBuffer&) const {}
};

/// Single bytes, on the heap. Its limit is an int, and it has no default.
struct Heap {
  using sent_packet = std::unique_ptr<std::byte>;
  using received_packet = std::unique_ptr<std::byte>;
  struct decoder_state {};

  explicit Heap(int stated) : limit(stated) {}

  void serialize(const sent_packet& packet, OutputBuffer& out) const { out.append(*packet); }
  Decoded<received_packet> decode(Bytes bytes, decoder_state&) const {
    return Decoded<received_packet>::packet(std::make_unique<std::byte>(bytes[0]), 1);
  }
  Decoded<received_packet> decode_end(Bytes bytes, decoder_state& state) const {
    return decode(bytes, state);
  }
  int frame_limit() const { return limit; }

  int limit;
};

/// Never finds a packet, and has no limit. Remembers `memory`, unless that is null.
struct Hungry {
  using sent_packet = std::string;
  using received_packet = std::string;
  struct decoder_state {
    decoder_state() {
      if (memory == nullptr) {
        throw std::runtime_error("no memory");
      }
    }
    std::shared_ptr<int> kept = memory;
  };

  void serialize(std::string_view, OutputBuffer&) const {}
  Decoded<std::string> decode(Bytes, decoder_state&) const {
    return Decoded<std::string>::need_more();
  }

  static inline std::shared_ptr<int> memory = std::make_shared<int>(0);
};

using Lines = StreamProtocol<LineSerializer<>>;
using Frames = StreamProtocol<LengthPrefixed<Text<std::string_view>>>;
using Stuffed = StreamProtocol<Cobs<Text<std::string_view>>>;
using Semicolons = StreamProtocol<Crashing>;
using Phases = SwitchableProtocol<Lines, Frames, Stuffed, Semicolons>;
static_assert(Protocol<Phases> && SwitchesProtocol<Phases> && !SwitchesProtocol<Lines>);

Phases phases() {
  return Phases(Lines(LineSerializer<>({.limit = 20})),
                Frames(LengthPrefixed(Text<std::string_view>(), {.width = 1, .limit = 30})),
                Stuffed(), Semicolons(Crashing({.ending = LineEnding::cr})));
}

/// Reads, and does what packets of the form "use 2" say.
class Reader {
 public:
  void push(std::string_view bytes) {
    const MutableBytes room = reader_.prepare();
    REQUIRE(room.size() >= bytes.size());
    std::ranges::copy(bytes_of(bytes), room.begin());
    reader_.commit(bytes.size());
    take();
  }

  void end() {
    reader_.end();
    take();
  }

  void use(std::size_t index) { reader_.switch_protocol(index); }
  bool mid_packet() const { return reader_.mid_packet(); }

  Journal journal;
  Phases protocol = phases();

 private:
  void take() {
    PacketReader<Phases>::Slot slot;
    while (reader_.next(slot) == PacketReader<Phases>::Outcome::packet) {
      if (const auto error = std::exchange(slot.error, std::nullopt)) {
        journal.push_back("(" + error->code().message() + ")");
        continue;
      }
      const std::size_t from = slot.packet->index();
      std::visit(
          [&](std::string_view packet) {
            if (packet.starts_with("use ")) {
              reader_.switch_protocol(static_cast<std::size_t>(packet[4] - '0'));
            }
            journal.push_back(std::to_string(from) + ":" + std::string(packet));  // A view still.
          },
          *slot.packet);
      slot.packet.reset();
    }
  }

  BlockPool pool_;
  PacketReader<Phases> reader_{protocol, pool_, 1024};
};

std::string written(const Phases::sent_packet& packet) {
  BlockPool pool;
  OutputBuffer out(pool);
  phases().serialize(packet, out);
  return std::string(text_of(out.readable()));
}

}  // namespace

TEST_CASE("each packet goes to the protocol that was named before, however the stream is cut") {
  Journal expected{"0:hi", "0:use 1", "1:hello", "1:use 2", "2:abcd", "2:use 3"};
  // Between packets, Cobs drops its zeros; here they are the next protocol's.
  const std::string stuffed = "\5abcd\0\6use 3\0"s;
  const std::string whole = "hi\nuse 1\n\5hello\5use 2" + stuffed + "x\ruse 0\rline\n";
  expected.insert(expected.end(), {"3:x", "3:use 0", "0:line"});
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    CAPTURE(cut);
    Reader reader;
    reader.push(std::string_view(whole).substr(0, cut));
    reader.push(std::string_view(whole).substr(cut));
    CHECK(reader.journal == expected);
  }
  Reader slow;
  for (const char byte : whole) {
    slow.push({&byte, 1});
  }
  CHECK(slow.journal == expected);
}

TEST_CASE("a packet may be switched to again and again, and begins anew") {
  Reader reader;
  reader.push("use 1\n\5use 0use 1\n\5use 0use 0\nuse 0\na\n");
  CHECK(reader.journal ==
        Journal{"0:use 1", "1:use 0", "0:use 1", "1:use 0", "0:use 0", "0:use 0", "0:a"});
}

TEST_CASE("what the old protocol waited for goes to the new one") {
  Reader reader;
  reader.use(1);
  reader.push("\x0c");  // Twelve bytes are wanted.
  CHECK(reader.mid_packet());
  reader.use(0);
  CHECK(reader.mid_packet());
  reader.push("a\n");
  CHECK(reader.journal == Journal{"0:\x0c"
                                  "a"});
  CHECK_FALSE(reader.mid_packet());
}

TEST_CASE("what the old protocol was dropping, it drops no longer") {
  Reader reader;
  reader.push("a line that is too long");
  reader.push(" by far");
  CHECK(reader.mid_packet());
  reader.use(0);
  CHECK_FALSE(reader.mid_packet());
  reader.push("ok\n");
  CHECK(reader.journal == Journal{"(" + make_error_code(errc::too_large).message() + ")", "0:ok"});
}

TEST_CASE("a protocol that there is not is invalid_argument and changes nothing") {
  const Phases protocol = phases();
  Phases::decoder_state state;
  const auto error = thrown([&] { protocol.switch_to(4, state); });
  CHECK(error->code() == errc::invalid_argument);
  CHECK(std::string(error->what()).find("no protocol 4: they are numbered 0 to 3") !=
        std::string::npos);
  CHECK(state.current == 0);
  CHECK_FALSE(state.restarts);
}

TEST_CASE("a serializer that crashes, or a packet over the limit, leaves the protocol as it is") {
  Reader reader;
  reader.push("use 3\n");
  reader.push("crash");
  reader.push("a\r");
  CHECK(reader.journal ==
        Journal{"0:use 3", "(" + make_error_code(errc::serializer_failed).message() + ")", "3:a"});
  Reader frames;
  frames.push("use 1\n\x28");
  frames.push(std::string(40, 'x') + "\2ok");
  CHECK(frames.journal ==
        Journal{"0:use 1", "(" + make_error_code(errc::too_large).message() + ")", "1:ok"});
}

TEST_CASE("the end of the stream is the current protocol's") {
  Reader reader;
  reader.protocol =
      Phases(Lines(), Frames(), Stuffed(), Semicolons(Crashing({.last_line = LastLine::deliver})));
  reader.push("use 3\nlast");
  reader.end();
  CHECK(reader.journal == Journal{"0:use 3", "3:last"});
}

TEST_CASE("what is sent is written by the protocol whose alternative it is") {
  CHECK(written(Phases::sent_packet(std::in_place_index<0>, "a")) == "a\n");
  CHECK(written(Phases::sent_packet(std::in_place_index<1>, "a")) == "\1a");
  CHECK(written(Phases::sent_packet(std::in_place_index<3>, "a")) == "a\r");
  const auto error =
      thrown([] { (void)written(Phases::sent_packet(std::in_place_index<0>, "a\nb")); });
  CHECK(error->code() == errc::not_sendable);
}

TEST_CASE("a variant that lost its value cannot be sent") {
  using Either =
      SwitchableProtocol<Lines, StreamProtocol<Stapled<Sends<Brittle>, LineSerializer<>>>>;
  Either::sent_packet packet("a line");
  CHECK_THROWS_AS(packet.emplace<1>(Brittle(0)), int);
  REQUIRE(packet.valueless_by_exception());
  BlockPool pool;
  OutputBuffer out(pool);
  CHECK(thrown([&] { Either().serialize(packet, out); })->code() == errc::not_sendable);
}

TEST_CASE("the largest frame limit is the connection's") {
  CHECK(phases().frame_limit() ==
        std::max({Lines(LineSerializer<>({.limit = 20})).frame_limit(), Stuffed().frame_limit()}));
}

TEST_CASE("without a limit of its own a protocol has the connection's, not that of another one") {
  using Either = SwitchableProtocol<StreamProtocol<Hungry>, Lines>;
  const Either protocol(StreamProtocol<Hungry>{}, Lines(LineSerializer<>({.limit = 4000})));
  BlockPool pool;
  PacketReader<Either> reader(protocol, pool, 100);
  PacketReader<Either>::Slot slot;
  const auto push = [&](std::size_t n) {
    const MutableBytes room = reader.prepare();
    REQUIRE(room.size() >= n);
    std::ranges::fill(room.first(n), std::byte{'x'});
    reader.commit(n);
    return reader.next(slot);
  };
  CHECK(push(100) == PacketReader<Either>::Outcome::nothing);
  CHECK(push(1) == PacketReader<Either>::Outcome::packet);
  REQUIRE(slot.error);
  CHECK(slot.error->code() == errc::too_large);
  CHECK(slot.error->context().limit == 100);
  reader.switch_protocol(1);
  CHECK(push(400) == PacketReader<Either>::Outcome::nothing);
}

TEST_CASE("a rest of known size is skipped by whichever protocol comes next") {
  Reader reader;
  reader.use(1);
  reader.push("\x28" + std::string(10, 'x'));
  reader.use(0);
  reader.push(std::string(30, 'x') + "ok\n");
  CHECK(reader.journal == Journal{"(" + make_error_code(errc::too_large).message() + ")", "0:ok"});
}

TEST_CASE("a reader that is dropped keeps nothing that the protocol remembered") {
  using Either = SwitchableProtocol<Lines, StreamProtocol<Hungry>>;
  const Either protocol;
  BlockPool pool;
  PacketReader<Either> reader(protocol, pool, 100);
  PacketReader<Either>::Slot slot;
  reader.switch_protocol(1);
  reader.prepare()[0] = std::byte{'x'};
  reader.commit(1);
  CHECK(reader.next(slot) == PacketReader<Either>::Outcome::nothing);
  CHECK(Hungry::memory.use_count() == 2);
  reader.drop();
  CHECK(Hungry::memory.use_count() == 1);
}

TEST_CASE("a state that could not be made is made at the next call") {
  using Either = SwitchableProtocol<Lines, StreamProtocol<Hungry>>;
  const Either protocol;
  Either::decoder_state state;
  protocol.switch_to(1, state);
  auto memory = std::exchange(Hungry::memory, nullptr);
  CHECK_THROWS_AS((void)protocol.decode(bytes_of("x"), state), std::runtime_error);
  Hungry::memory = std::move(memory);
  CHECK(protocol.decode(bytes_of("x"), state).needs_more());
  CHECK(state.state.index() == 1);
}

TEST_CASE("one protocol twice, one that has no default, packets that are only moved") {
  using Several = SwitchableProtocol<Heap, Heap, Lines>;
  static_assert(SwitchesProtocol<Several> && !std::default_initializable<Several>);
  const Several protocol(Heap(1), Heap(2), Lines());
  Several::decoder_state state;
  auto decoded = protocol.decode(bytes_of("ab\n"), state);
  CHECK(decoded.consumed() == 1);
  CHECK(*std::get<0>(decoded.value()) == std::byte{'a'});
  protocol.switch_to(2, state);
  CHECK(std::get<2>(protocol.decode(bytes_of("b\n"), state).value()) == "b");

  BlockPool pool;
  OutputBuffer out(pool);
  const Several::sent_packet packet(std::in_place_index<1>,
                                    std::make_unique<std::byte>(std::byte{'c'}));
  protocol.serialize(packet, out);
  CHECK(text_of(out.readable()) == "c");
}
