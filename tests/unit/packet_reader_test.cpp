// SPDX-License-Identifier: BSL-1.0
#include "cowire/packet_reader.hpp"

#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/raw.hpp"
#include "cowire/serializers/text.hpp"
#include "support/journal.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace cowire;

namespace {

using Lines = StreamProtocol<LineSerializer<>>;

/// A reader, fed with text; what comes out is written down.
template <class P>
struct Feed {
  explicit Feed(P given = P(), std::size_t limit = 128 * 1024)
      : protocol(std::move(given)), reader(protocol, pool, limit) {}

  void push(std::string_view bytes) {
    while (!bytes.empty()) {
      const MutableBytes room = reader.prepare();
      REQUIRE(!room.empty());
      largest_room = std::max(largest_room, room.size());
      const std::size_t n = std::min(room.size(), bytes.size());
      std::ranges::copy(bytes_of(bytes.substr(0, n)), room.begin());
      reader.commit(n);
      bytes.remove_prefix(n);
      take();
    }
  }
  void take() {
    for (;;) {
      typename PacketReader<P>::Slot slot;
      last = reader.next(slot);
      if (last != PacketReader<P>::Outcome::packet) {
        break;
      }
      CHECK(slot.packet.has_value() != slot.error.has_value());
      if (slot.packet) {
        journal.emplace_back(*slot.packet);
      } else {
        journal.push_back("(" + slot.error->code().message() + ")");
        error = slot.error;
      }
    }
    most_pending = std::max(most_pending, reader.pending().size());
  }
  void end() {
    reader.end();
    take();
  }
  bool ended() const { return last == PacketReader<P>::Outcome::ended; }

  P protocol;
  BlockPool pool;
  PacketReader<P> reader;
  Journal journal;
  std::optional<Error> error;
  typename PacketReader<P>::Outcome last = PacketReader<P>::Outcome::nothing;
  std::size_t most_pending = 0;
  std::size_t largest_room = 0;
};

std::string note(errc code) { return "(" + make_error_code(code).message() + ")"; }

/// Lines, but the decoder throws what it must not at "crash".
class Crashing : public LineSerializer<> {
 public:
  Decoded<std::string> decode(Bytes bytes, decoder_state& state) const {
    if (text_of(bytes).starts_with("crash")) {
      throw std::runtime_error("index out of range");
    }
    return LineSerializer<>::decode(bytes, state);
  }
};

/// Never finds a packet and never says so.
struct Insatiable {
  using sent_packet = std::string;
  using received_packet = std::string;
  struct decoder_state {};
  void serialize(const std::string&, OutputBuffer&) const {}
  Decoded<std::string> decode(Bytes bytes, decoder_state&) const {
    return Decoded<std::string>::need_more(bytes.size() + 1);
  }
};

/// Makes packets, or errors, of nothing at "stuck".
struct Stuck : LineSerializer<> {
  Decoded<std::string> decode(Bytes bytes, decoder_state& state) const {
    if (text_of(bytes) == "stuck packet") {
      return Decoded<std::string>::packet("", 0);
    }
    if (text_of(bytes) == "stuck error") {
      return Decoded<std::string>::bad(Error(errc::malformed), 0);
    }
    return LineSerializer<>::decode(bytes, state);
  }
};

using Frames = StreamProtocol<LengthPrefixed<Text<>>>;

std::string frame(std::size_t size) {
  std::string bytes(4, '\0');
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[i] = static_cast<char>(size >> (8 * (3 - i)));
  }
  return bytes;
}

/// Lines; a "." behind the last one means nothing.
struct Dotted : LineSerializer<> {
  Decoded<std::string> decode_end(Bytes bytes, decoder_state&) const {
    return text_of(bytes) == "." ? Decoded<std::string>::padding(1)
                                 : Decoded<std::string>::need_more(0, bytes.size());
  }
};

}  // namespace

TEST_CASE("H7: the same packets come out, whatever the cuts") {
  const std::string bytes = "one\n\ntwo\nand a longer one\nx\n";
  const Journal expected{"one", "", "two", "and a longer one", "x"};
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    CAPTURE(cut);
    Feed<Lines> feed;
    feed.push(std::string_view(bytes).substr(0, cut));
    feed.push(std::string_view(bytes).substr(cut));
    CHECK(feed.journal == expected);
    CHECK(!feed.reader.mid_packet());
  }
  Feed<Lines> drops;
  for (const char byte : bytes) {
    drops.push(std::string_view(&byte, 1));
  }
  CHECK(drops.journal == expected);
}

TEST_CASE("one packet at a time: the rest waits") {
  Feed<Lines> feed;
  const MutableBytes room = feed.reader.prepare();
  const std::string_view bytes = "one\ntwo\nth";
  std::ranges::copy(bytes_of(bytes), room.begin());
  feed.reader.commit(bytes.size());
  PacketReader<Lines>::Slot slot;
  CHECK(feed.reader.next(slot) == PacketReader<Lines>::Outcome::packet);
  CHECK(slot.packet == "one");
  CHECK(text_of(feed.reader.pending()) == "two\nth");
}

TEST_CASE("mid_packet tells whether a packet has begun") {
  Feed<Lines> feed;
  CHECK(!feed.reader.mid_packet());
  feed.push("on");
  CHECK(feed.reader.mid_packet());
  feed.push("e\n");
  CHECK(!feed.reader.mid_packet());
}

TEST_CASE("mid_packet: the end of a packet that was dropped is not the beginning of one") {
  Feed<Lines> feed(Lines(LineSerializer<>({.limit = 4})));
  feed.push("12345678");
  feed.push("9");
  CHECK(feed.reader.mid_packet());
  feed.push("0\n");
  CHECK(!feed.reader.mid_packet());
  feed.push("a\r");
  CHECK(feed.reader.mid_packet());

  Feed<Lines> any(Lines(LineSerializer<>({.ending = LineEnding::any})));
  any.push("a\r");
  CHECK(!any.reader.mid_packet());
  any.push("\n");
  CHECK(!any.reader.mid_packet());
  CHECK(any.journal == Journal{"a"});
}

TEST_CASE("E1: a bad packet stands in its place, with its first bytes; the reader goes on") {
  LineOptions options;
  options.limit = 4;
  Feed<Lines> feed(Lines{LineSerializer<>(options)});
  feed.push("ok\n0123456789");
  feed.push("abcdef\nfine\n");
  CHECK(feed.journal == Journal{"ok", note(errc::too_large), "fine"});
  CHECK(feed.error->context().first_bytes.starts_with("01234"));
}

TEST_CASE("an oversized frame is skipped as it comes, and is never held in memory") {
  Feed<Frames> feed;
  const std::size_t size = 10'000'000;
  feed.push(frame(2) + "ok" + frame(size));
  CHECK(feed.journal == Journal{"ok", note(errc::too_large)});
  CHECK(feed.error->context().size == size);
  const std::string part(10'000, 'x');
  for (std::size_t sent = 0; sent < size; sent += part.size()) {
    CHECK(feed.reader.mid_packet());
    feed.push(part);
  }
  CHECK(!feed.reader.mid_packet());
  feed.push(frame(4) + "next");
  CHECK(feed.journal == Journal{"ok", note(errc::too_large), "next"});
  CHECK(feed.most_pending < 100);
  CHECK(feed.largest_room <= 16 * 1024);
}

TEST_CASE("an announced size takes no memory before its bytes come") {
  Feed<Frames> feed;
  feed.push(frame(60'000));
  feed.push("x");
  CHECK(feed.reader.prepare().size() <= 16 * 1024);
}

TEST_CASE("the end inside a skipped frame is errc::truncated") {
  Feed<Frames> feed;
  feed.push(frame(1'000'000) + "xxx");
  feed.end();
  CHECK(feed.ended());
  REQUIRE(feed.reader.truncated());
  CHECK(feed.reader.truncated()->code() == errc::truncated);
}

TEST_CASE("receive_limit: a serializer that finds nothing is stopped") {
  Feed<StreamProtocol<Insatiable>> feed(StreamProtocol<Insatiable>(), 1000);
  feed.push(std::string(900, 'x'));
  CHECK(feed.journal.empty());
  feed.push(std::string(200, 'x'));
  REQUIRE(feed.journal == Journal{note(errc::too_large)});
  CHECK(feed.error->context().limit.value() >= 1000);
  CHECK(feed.error->context().size.value() > 1000);
  CHECK(feed.reader.pending().empty());
}

TEST_CASE("receive_limit: a serializer with a larger limit raises it") {
  LineOptions options;
  options.limit = 5000;
  Feed<Lines> feed(Lines{LineSerializer<>(options)}, 10);
  const std::string line(5000, 'x');
  feed.push(line + "\n");
  CHECK(feed.journal == Journal{line});
}

TEST_CASE("E9: a serializer that crashes: an error with the cause; then the next bytes are tried") {
  Feed<StreamProtocol<Crashing>> feed;
  feed.push("one\n");
  feed.push("crash");
  REQUIRE(feed.journal == Journal{"one", note(errc::serializer_failed)});
  CHECK(feed.error->context().detail.find("index out of range") != std::string::npos);
  CHECK(feed.error->context().first_bytes == "crash");
  REQUIRE(feed.error->context().cause);
  CHECK_THROWS_AS(std::rethrow_exception(feed.error->context().cause), std::runtime_error);
  CHECK(feed.reader.pending().empty());
  CHECK(!feed.reader.mid_packet());
  feed.push("two\n");
  CHECK(feed.journal.back() == "two");
}

TEST_CASE("a serializer that uses no bytes up would do so for ever: it is stopped") {
  Feed<StreamProtocol<Stuck>> feed;
  SUBCASE("a packet") { feed.push("one\nstuck packet"); }
  SUBCASE("an error") { feed.push("one\nstuck error"); }
  CHECK(feed.journal == Journal{"one", note(errc::serializer_failed)});
  CHECK(feed.error->context().detail.find("no bytes") != std::string::npos);
  feed.push("two\n");
  CHECK(feed.journal.back() == "two");
}

TEST_CASE("D5: at the end, packets first; then ended, again and again") {
  Feed<Lines> feed;
  feed.push("one\n");
  feed.end();
  CHECK(feed.journal == Journal{"one"});
  CHECK(feed.ended());
  CHECK(!feed.reader.truncated());
  feed.take();
  CHECK(feed.ended());
}

TEST_CASE("the end behind padding is no end inside a packet") {
  Feed<StreamProtocol<Dotted>> feed;
  feed.push("one\n.");
  feed.reader.end();
  feed.take();
  CHECK(feed.journal == Journal{"one"});
  CHECK(feed.last == PacketReader<StreamProtocol<Dotted>>::Outcome::ended);
  CHECK(!feed.reader.truncated());

  Feed<StreamProtocol<Dotted>> cut;
  cut.push("one\nt");
  cut.reader.end();
  cut.take();
  CHECK(cut.last == PacketReader<StreamProtocol<Dotted>>::Outcome::ended);
  CHECK(cut.reader.truncated());
}

TEST_CASE("D6: at the end inside a packet: truncated, with the bytes that were left") {
  Feed<Lines> feed;
  feed.push("one\ntw");
  feed.end();
  CHECK(feed.journal == Journal{"one"});
  CHECK(feed.ended());
  REQUIRE(feed.reader.truncated());
  CHECK(feed.reader.truncated()->code() == errc::truncated);
  CHECK(feed.reader.truncated()->context().first_bytes == "tw");
  feed.take();
  CHECK(feed.ended());
  CHECK(feed.reader.truncated());
}

TEST_CASE("at the end a last line may be delivered") {
  LineOptions options;
  options.last_line = LastLine::deliver;
  Feed<Lines> feed(Lines{LineSerializer<>(options)});
  feed.push("one\ntw");
  feed.end();
  CHECK(feed.journal == Journal{"one", "tw"});
  CHECK(feed.ended());
  CHECK(!feed.reader.truncated());
}

TEST_CASE("P3: views stay valid until the next prepare") {
  Feed<StreamProtocol<LineSerializer<std::string_view>>> feed;
  const MutableBytes room = feed.reader.prepare();
  const std::string_view bytes = "one\ntwo\n";
  std::ranges::copy(bytes_of(bytes), room.begin());
  feed.reader.commit(bytes.size());
  decltype(feed.reader)::Slot first;
  decltype(feed.reader)::Slot second;
  feed.reader.next(first);
  feed.reader.next(second);
  CHECK(*first.packet == "one");
  CHECK(*second.packet == "two");
}

TEST_CASE("release gives the memory back between packets, and never takes bytes with it") {
  Feed<Lines> feed;
  feed.push("one\ntw");
  feed.reader.release();
  feed.push("o\n");
  feed.reader.release();
  feed.push("three\n");
  CHECK(feed.journal == Journal{"one", "two", "three"});
}
