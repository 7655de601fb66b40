// SPDX-License-Identifier: BSL-1.0
#include "cowire/connection.hpp"

#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/testing/manual_clock.hpp"
#include "cowire/transports/memory.hpp"
#include "support/journal.hpp"
#include "support/run.hpp"
#include "support/thrown.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using testing::ManualClock;
using Lines = StreamProtocol<LineSerializer<>>;
using End = BasicMemoryTransport<ManualClock>;
using detail::OutputLevel;

/// What a connection asked of its transport.
struct Traffic {
  std::vector<std::size_t> writes;
  std::vector<std::size_t> reads;
  int waits = 0;
};

/// An end that keeps account.
class CountedEnd : public End {
 public:
  CountedEnd(End end, std::shared_ptr<Traffic> traffic)
      : End(std::move(end)), traffic_(std::move(traffic)) {}

  template <class Token>
  auto async_read_some(asio::mutable_buffer buffer, Token&& token) {
    traffic_->reads.push_back(buffer.size());
    return End::async_read_some(buffer, std::forward<Token>(token));
  }
  template <class Token>
  auto async_write_some(asio::const_buffer buffer, Token&& token) {
    traffic_->writes.push_back(buffer.size());
    return End::async_write_some(buffer, std::forward<Token>(token));
  }
  template <class Token>
  auto async_wait_read(Token&& token) {
    ++traffic_->waits;
    return End::async_wait_read(std::forward<Token>(token));
  }

 private:
  std::shared_ptr<Traffic> traffic_;
};

/// The simplest owner: keeps all that comes, and asks for more while it is told to.
class Wire final : public Connection<Lines, CountedEnd, ManualClock> {
 public:
  using Base = Connection<Lines, CountedEnd, ManualClock>;
  using Base::Base;
  using Base::begin_turn;
  using Base::end_code;
  using Base::end_error;
  using Base::end_output;
  using Base::is_busy;
  using Base::is_closed;
  using Base::packets_received;
  using Base::poll;
  using Base::Polled;
  using Base::Running;
  using Base::start_receive;

  /// Takes what there is, and waits for more.
  void receive(std::optional<RecvParams::duration> timeout = std::nullopt) {
    if (take()) {
      start_receive(timeout);
    }
  }

  Journal journal;

 private:
  void on_received() override {
    if (take()) {
      continue_receive();
    } else {
      stop_receive();
    }
  }
  void on_receive_timeout() override { journal.push_back("(timeout)"); }
  void on_flushed() override { journal.push_back("(flushed)"); }
  void on_closed() override { journal.push_back("(closed)"); }

  // False at the end.
  bool take() {
    for (;;) {
      Slot slot;
      switch (poll(slot)) {
        case Polled::packet:
          journal.push_back(slot.packet ? *slot.packet : "(" + slot.error->code().message() + ")");
          break;
        case Polled::turn_over: journal.push_back("(turn over)"); return true;
        case Polled::nothing: return true;
        case Polled::ended: journal.push_back("(ended)"); return false;
      }
    }
  }
};

/// A connection and the far end of it.
struct Rig {
  explicit Rig(const Limits& limits = {}, const MemoryOptions& out = {},
               const MemoryOptions& in = {})
      : context(new ConnectionContext<Lines>{Lines{}, limits, Logger::silent(), {}}) {
    auto ends = End::pair(io.get_executor(), out, in);
    far.emplace(std::move(ends.second));
    wire = std::make_shared<Wire>(CountedEnd(std::move(ends.first), traffic), context, 7);
  }

  /// Runs a function on the connection's executor, and all that follows.
  template <class F>
  void inside(F f) {
    asio::post(io, std::move(f));
    settle();
  }
  void settle() { ::settle(io); }
  void pass(std::chrono::nanoseconds time) {
    clock.advance(time);
    settle();
  }

  void far_sends(std::string_view bytes) {
    auto text = std::make_shared<std::string>(bytes);
    far->async_write_some(asio::buffer(*text), [text](std::error_code, std::size_t) {});
    settle();
  }
  void far_ends() {
    std::error_code ignored;
    far->shutdown_send(ignored);
    settle();
  }
  /// What the far end finds with one read of at most so many bytes; what it waits for is lost.
  std::string far_reads(std::size_t most = 100'000) {
    auto text = std::make_shared<std::string>(most, ' ');
    auto result = std::make_shared<std::string>();
    far->async_read_some(asio::buffer(*text), [text, result](std::error_code ec, std::size_t n) {
      *result = ec ? "(" + ec.message() + ")" : text->substr(0, n);
    });
    settle();
    if (result->empty()) {
      far->cancel();
      settle();
      return "(nothing)";
    }
    return *result;
  }

  /// Waits for a level; says in the journal how that ended.
  void wait_for(OutputLevel level, std::string name) {
    const SendOperation operation(*wire, level);
    operation([name, wire_ = wire](std::error_code ec) {  // NOLINT(readability-identifier-naming)
      wire_->journal.push_back(ec ? name + " " + ec.message() : name);
    });
  }

  asio::io_context io;
  ManualClock clock{io};
  std::shared_ptr<Traffic> traffic = std::make_shared<Traffic>();
  std::shared_ptr<ConnectionContext<Lines>> context;
  std::optional<End> far;
  std::shared_ptr<Wire> wire;
};

const std::string reset_text = "(" + std::error_code(asio::error::connection_reset).message() + ")";
const std::string eof_text = "(" + std::error_code(asio::error::eof).message() + ")";

std::string text(errc code) { return make_error_code(code).message(); }

Limits small_queue() {
  Limits limits;
  limits.output_high = 100;
  limits.output_low = 50;
  limits.output_limit = 1000;
  return limits;
}

}  // namespace

// Sending.

TEST_CASE("what the owner sends before it flushes leaves in one write") {
  Rig rig;
  rig.inside([&] {
    {
      const Wire::Running running(*rig.wire);
      rig.wire->send("one");
      rig.wire->send("two");
      rig.wire->send("three");
    }
    CHECK(rig.traffic->writes.empty());
    rig.wire->flush();
  });
  CHECK(rig.traffic->writes == std::vector<std::size_t>{14});
  CHECK(rig.far_reads() == "one\ntwo\nthree\n");
  CHECK(rig.wire->journal == Journal{"(flushed)"});
}

TEST_CASE("what other work of the executor sends leaves in one write, after that work") {
  Rig rig;
  rig.inside([&] {
    rig.wire->send("one");
    rig.wire->send("two");
    CHECK(rig.traffic->writes.empty());
  });
  CHECK(rig.traffic->writes == std::vector<std::size_t>{8});
  CHECK(rig.far_reads() == "one\ntwo\n");
}

TEST_CASE("H14: sends of another thread keep their order") {
  Rig rig;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) {
      rig.wire->send(std::to_string(i));
    }
  });
  other.join();
  rig.settle();
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    expected += std::to_string(i) + "\n";
  }
  CHECK(rig.far_reads() == expected);
}

TEST_CASE("H14: another thread is told what cannot be sent, and that the connection is closed") {
  Rig rig;
  const auto error_of = [&](std::string_view line) {
    std::optional<Error> error;
    std::thread([&] { error = thrown([&] { rig.wire->send(line); }); }).join();
    return error ? error->code() : std::error_code();
  };
  CHECK(error_of("two\nlines") == errc::not_sendable);
  CHECK(error_of("fine") == std::error_code());
  rig.settle();
  rig.inside([&] { rig.wire->close(); });
  CHECK(error_of("late") == errc::closed);
  CHECK(rig.far_reads() == "fine\n");
}

TEST_CASE("E10: what cannot be serialized throws, and leaves the queue as it was") {
  Rig rig;
  rig.inside([&] {
    rig.wire->send("before");
    const auto error = thrown([&] { rig.wire->send("two\nlines"); });
    REQUIRE(error);
    CHECK(error->code() == errc::not_sendable);
    rig.wire->send("after");
  });
  CHECK(rig.far_reads() == "before\nafter\n");
  CHECK(!rig.wire->is_closing());
}

TEST_CASE("what is sent during a write follows it, in one write") {
  MemoryOptions out;
  out.capacity = 4;
  Rig rig({}, out);
  rig.inside([&] { rig.wire->send("0123456789"); });
  rig.inside([&] {
    rig.wire->send("a");
    rig.wire->send("b");
  });
  std::string all;
  for (int i = 0; i < 10 && all.size() < 15; ++i) {
    all += rig.far_reads();
  }
  CHECK(all == "0123456789\na\nb\n");
  // 11 bytes, of which 4 fit each time; then the two others at once.
  CHECK(rig.traffic->writes == std::vector<std::size_t>{11, 7, 3, 4, 3});
}

TEST_CASE("above the mark the queue is written at once, and no request is handed over") {
  MemoryOptions out;
  out.capacity = 10;
  Rig rig(small_queue(), out);
  rig.far_sends("request\n");
  rig.inside([&] {
    const Wire::Running running(*rig.wire);
    rig.wire->send(std::string(98, 'x'));
    CHECK(rig.traffic->writes.empty());
    rig.wire->send("y");  // 101 bytes
    CHECK(rig.traffic->writes.size() == 1);
  });
  rig.inside([&] { rig.wire->receive(); });
  while (rig.wire->journal.empty() && rig.far_reads(10).size() == 10) {
  }
  // 101 bytes, of which the peer has 51 or more: the request comes when the queue is at 50.
  REQUIRE(rig.wire->journal == Journal{"request"});
  CHECK(rig.wire->is_busy());
}

TEST_CASE("drain waits from the high mark down to the low one, flush until all is written") {
  MemoryOptions out;
  out.capacity = 10;
  Rig rig(small_queue(), out);
  rig.inside([&] {
    rig.wait_for(OutputLevel::low, "drained empty");
    rig.wait_for(OutputLevel::empty, "flushed empty");
  });
  CHECK(rig.wire->journal == Journal{"drained empty", "flushed empty"});
  rig.wire->journal.clear();

  rig.inside([&] {
    const Wire::Running running(*rig.wire);
    rig.wire->send(std::string(60, 'x'));
    rig.wait_for(OutputLevel::low, "drained below high");
  });
  CHECK(rig.wire->journal == Journal{"drained below high"});
  rig.wire->journal.clear();

  rig.inside([&] {
    rig.wire->send(std::string(60, 'y'));
    rig.wait_for(OutputLevel::empty, "first");
    rig.wait_for(OutputLevel::low, "second");
    rig.wait_for(OutputLevel::empty, "third");
    rig.wait_for(OutputLevel::low, "fourth");
  });
  CHECK(rig.wire->journal.empty());
  std::size_t read = 0;
  while (rig.wire->journal.empty() && read < 200) {
    read += rig.far_reads(10).size();
  }
  CHECK(rig.wire->journal == Journal{"second", "fourth"});
  CHECK(read >= 122 - 50 - 10);  // Ten bytes are on the way.
  CHECK(read < 122 - 50 + 10);
  while (rig.far_reads() != "(nothing)") {
  }
  CHECK(rig.wire->journal == Journal{"second", "fourth", "(flushed)", "first", "third"});
}

TEST_CASE("a cancelled wait ends alone: what is queued is sent, and the others wait on") {
  MemoryOptions out;
  out.capacity = 10;
  Rig rig(small_queue(), out);
  asio::cancellation_signal cancel;
  rig.inside([&] {
    rig.wire->send(std::string(120, 'x'));
    rig.wait_for(OutputLevel::low, "first");
    const SendOperation operation(*rig.wire, OutputLevel::low);
    operation(asio::bind_cancellation_slot(cancel.slot(), [&](std::error_code ec) {
      rig.wire->journal.push_back(ec == asio::error::operation_aborted ? "cancelled" : "?");
    }));
  });
  rig.inside([&] { cancel.emit(asio::cancellation_type::all); });
  CHECK(rig.wire->journal == Journal{"cancelled"});
  std::string all;
  for (std::string part; (part = rig.far_reads()) != "(nothing)";) {
    all += part;
  }
  CHECK(all == std::string(120, 'x') + "\n");
  CHECK(rig.wire->journal == Journal{"cancelled", "first", "(flushed)"});
  cancel.emit(asio::cancellation_type::all);  // Too late, and harmless.
}

TEST_CASE("a write that fails poisons the connection: waiters, senders and receivers are told") {
  MemoryOptions out;
  out.capacity = 4;
  Rig rig({}, out);
  rig.inside([&] {
    rig.wire->receive();
    rig.wire->send("0123456789");
    rig.wait_for(OutputLevel::empty, "flush");
  });
  rig.far->abort();
  rig.settle();
  const std::string reset = std::error_code(asio::error::connection_reset).message();
  CHECK(rig.wire->journal == Journal{"(ended)", "flush " + reset});
  rig.inside([&] {
    CHECK(rig.wire->end_code() == asio::error::connection_reset);
    const auto error = thrown([&] { rig.wire->send("more"); });
    REQUIRE(error);
    CHECK(error->code() == asio::error::connection_reset);
    CHECK(error->context().peer == "memory-b");
    rig.wait_for(OutputLevel::low, "drain");
    Wire::Slot slot;
    CHECK(rig.wire->poll(slot) == Wire::Polled::ended);
  });
  CHECK(rig.wire->journal.back() == "drain " + reset);
  CHECK(!rig.wire->is_closing());
  rig.inside([&] { rig.wire->close(); });
  CHECK(rig.wire->is_closed());
}

TEST_CASE("a peer that does not read loses the connection at the output limit") {
  MemoryOptions out;
  out.capacity = 10;
  Rig rig(small_queue(), out);
  rig.inside([&] {
    const Wire::Running running(*rig.wire);
    const auto error = thrown([&] {
      for (int i = 0; i < 11; ++i) {
        rig.wire->send(std::string(99, 'x'));
      }
    });
    REQUIRE(error);
    CHECK(error->code() == errc::output_limit);
    CHECK(error->context().size == 1100);
    CHECK(error->context().limit == 1000);
    Wire::Slot slot;
    CHECK(rig.wire->poll(slot) == Wire::Polled::ended);
    CHECK(rig.wire->end_code() == errc::output_limit);
  });
  CHECK(rig.far_reads() == reset_text);
}

TEST_CASE("a peer that takes no byte for the send timeout loses the connection") {
  Limits limits;
  limits.send_timeout = 10s;
  MemoryOptions out;
  out.capacity = 4;
  Rig rig(limits, out);
  rig.inside([&] { rig.wire->send("0123456789"); });
  for (int i = 0; i < 2; ++i) {
    rig.pass(9999ms);
    CHECK(rig.far_reads(1).size() == 1);  // Each byte gives it as long again.
  }
  rig.inside([&] { rig.wait_for(OutputLevel::empty, "flush"); });
  rig.pass(9999ms);
  CHECK(rig.wire->journal.empty());
  rig.pass(1ms);
  CHECK(rig.wire->journal == Journal{"flush " + text(errc::peer_timeout)});
  CHECK(rig.wire->end_code() == errc::peer_timeout);
  CHECK(rig.far_reads() == reset_text);
}

TEST_CASE("a send timeout of 0 is no limit") {
  Limits limits;
  limits.send_timeout = 0s;
  MemoryOptions out;
  out.capacity = 4;
  Rig rig(limits, out);
  rig.inside([&] { rig.wire->send("0123456789"); });
  rig.pass(1000h);
  CHECK(rig.far_reads() == "0123");
}

// Receiving.

TEST_CASE("B2: nothing is read unless the owner waits") {
  Rig rig;
  rig.far_sends("one\n");
  CHECK(rig.traffic->reads.empty());
  rig.inside([&] { rig.wire->receive(); });
  CHECK(rig.wire->journal == Journal{"one"});
  CHECK(rig.wire->packets_received() == 1);
}

TEST_CASE("H7: packets come whole, however their bytes are cut") {
  MemoryOptions in;
  in.max_read = 1;
  Rig rig({}, {}, in);
  rig.inside([&] { rig.wire->receive(); });
  rig.far_sends("one\ntw");
  CHECK(rig.wire->journal == Journal{"one"});
  CHECK(rig.wire->is_busy());
  rig.far_sends("o\nthree\n");
  CHECK(rig.wire->journal == Journal{"one", "two", "three"});
  CHECK(!rig.wire->is_busy());
}

TEST_CASE("D5: what came before the end is handed over, then the end is told, and again") {
  Rig rig;
  rig.far_sends("one\ntwo\n");
  rig.far_ends();
  rig.inside([&] { rig.wire->receive(); });
  CHECK(rig.wire->journal == Journal{"one", "two", "(ended)"});
  CHECK(rig.wire->end_code() == errc::end_of_stream);
  rig.inside([&] { rig.wire->receive(); });
  CHECK(rig.wire->journal.back() == "(ended)");
  CHECK(!rig.wire->is_closing());
}

TEST_CASE("D4: after the peer's end this side may still send") {
  Rig rig;
  rig.far_ends();
  rig.inside([&] { rig.wire->receive(); });
  rig.inside([&] { rig.wire->send("bye"); });
  CHECK(rig.far_reads() == "bye\n");
}

TEST_CASE("D6: an end inside a packet is errc::truncated") {
  Rig rig;
  rig.far_sends("one\ntw");
  rig.far_ends();
  rig.inside([&] { rig.wire->receive(); });
  CHECK(rig.wire->journal == Journal{"one", "(ended)"});
  CHECK(rig.wire->end_code() == errc::truncated);
  CHECK(rig.wire->end_error().context().peer == "memory-b");
}

TEST_CASE("D1, D12: a reset ends the input with its own code") {
  Rig rig;
  rig.inside([&] { rig.wire->receive(); });
  rig.far->abort();
  rig.settle();
  CHECK(rig.wire->journal == Journal{"(ended)"});
  CHECK(rig.wire->end_code() == asio::error::connection_reset);
}

TEST_CASE("E1: a bad packet stands in its place, with the peer, and the stream goes on") {
  Rig rig;
  rig.far_sends("one\n" + std::string(70'000, 'x') + "\ntwo\n");
  rig.inside([&] { rig.wire->receive(); });
  rig.far_sends(std::string(10'000, 'x') + "\ntwo\n");
  CHECK(rig.wire->journal == Journal{"one", "(" + text(errc::too_large) + ")", "two"});
}

TEST_CASE("after packets_per_turn packets others come first") {
  Limits limits;
  limits.packets_per_turn = 3;
  Rig rig(limits);
  rig.far_sends("1\n2\n3\n4\n5\n6\n7\n");
  rig.inside([&] {
    rig.wire->receive();
    asio::post(rig.io, [&] { rig.wire->journal.push_back("other"); });
  });
  CHECK(rig.wire->journal ==
        Journal{"1", "2", "3", "(turn over)", "other", "4", "5", "6", "(turn over)", "7"});
}

// The time limits of the input.

TEST_CASE("T1: a wait ends in time, keeps what came, and can be begun again") {
  Rig rig;
  rig.inside([&] { rig.wire->receive(1s); });
  rig.far_sends("on");
  rig.pass(999ms);
  CHECK(rig.wire->journal.empty());
  rig.pass(1ms);
  CHECK(rig.wire->journal == Journal{"(timeout)"});
  rig.far_sends("e\n");
  CHECK(rig.wire->journal == Journal{"(timeout)"});  // Nobody waits.
  rig.inside([&] { rig.wire->receive(1s); });
  CHECK(rig.wire->journal == Journal{"(timeout)", "one"});
}

TEST_CASE("T2: a wait of no time takes what has arrived, else times out") {
  Rig rig;
  rig.inside([&] { rig.wire->receive(0s); });
  CHECK(rig.wire->journal == Journal{"(timeout)"});
  rig.far_sends("one\n");
  rig.inside([&] { rig.wire->receive(0s); });
  CHECK(rig.wire->journal == Journal{"(timeout)", "one", "(timeout)"});
}

TEST_CASE("a peer that is silent for the idle timeout is done with") {
  Limits limits;
  limits.idle_timeout = 60s;
  limits.frame_timeout = 1000s;
  Rig rig(limits);
  rig.inside([&] { rig.wire->receive(); });
  rig.pass(59s);
  rig.far_sends("one\n");
  rig.pass(59s);
  rig.far_sends("tw");  // From now on it is the packet that is waited for.
  rig.pass(61s);
  rig.far_sends("o\n");
  CHECK(rig.wire->journal == Journal{"one", "two"});
  rig.pass(59999ms);
  CHECK(rig.wire->journal == Journal{"one", "two"});
  rig.pass(1ms);
  CHECK(rig.wire->journal == Journal{"one", "two", "(ended)"});
  CHECK(rig.wire->end_code() == errc::peer_timeout);
}

TEST_CASE("the idle timeout is no limit of the wait: short waits that time out add up to it") {
  Limits limits;
  limits.idle_timeout = 10s;
  Rig rig(limits);
  for (int i = 0; i < 3; ++i) {
    rig.inside([&] { rig.wire->receive(3s); });
    rig.pass(3s);
  }
  CHECK(rig.wire->journal == Journal{"(timeout)", "(timeout)", "(timeout)"});
  rig.inside([&] { rig.wire->receive(3s); });
  rig.pass(1s);
  CHECK(rig.wire->journal.back() == "(ended)");
}

TEST_CASE("a packet that takes longer than the frame timeout ends the input, drop by drop or not") {
  Limits limits;
  limits.frame_timeout = 10s;
  Rig rig(limits);
  rig.inside([&] { rig.wire->receive(); });
  rig.pass(100s);  // Idle is no matter of frames.
  for (int i = 0; i < 9; ++i) {
    rig.far_sends("x");
    rig.pass(1s);
  }
  CHECK(rig.wire->journal.empty());
  rig.pass(999ms);
  CHECK(rig.wire->journal.empty());
  rig.pass(1ms);
  CHECK(rig.wire->journal == Journal{"(ended)"});
  CHECK(rig.wire->end_code() == errc::peer_timeout);
}

TEST_CASE("T4: no limit of the input runs while the owner does not wait") {
  Limits limits;
  limits.idle_timeout = 10s;
  limits.frame_timeout = 10s;
  Rig rig(limits);
  rig.inside([&] { rig.wire->receive(1s); });
  rig.far_sends("tw");
  rig.pass(1s);
  CHECK(rig.wire->journal == Journal{"(timeout)"});
  rig.pass(1000s);
  rig.inside([&] { rig.wire->receive(); });
  rig.pass(8s);
  SUBCASE("the rest of the limit is enough") {
    rig.far_sends("o\n");
    CHECK(rig.wire->journal == Journal{"(timeout)", "two"});
  }
  SUBCASE("the rest of the limit is all there is") {
    rig.pass(1s);
    CHECK(rig.wire->journal == Journal{"(timeout)", "(ended)"});
  }
}

TEST_CASE("limits of 0 are no limits") {
  Limits limits;
  limits.idle_timeout = 0s;
  limits.frame_timeout = 0s;
  Rig rig(limits);
  rig.inside([&] { rig.wire->receive(); });
  rig.pass(1000h);
  rig.far_sends("tw");
  rig.pass(1000h);
  rig.far_sends("o\n");
  CHECK(rig.wire->journal == Journal{"two"});
}

TEST_CASE("an idle connection gives its memory back, and takes it again for the next bytes") {
  Rig rig;
  rig.inside([&] { rig.wire->receive(); });
  rig.far_sends("one\n");
  CHECK(rig.traffic->waits == 0);
  const std::size_t reads = rig.traffic->reads.size();
  rig.pass(1999ms);
  CHECK(rig.traffic->waits == 0);
  rig.pass(1ms);
  CHECK(rig.traffic->waits == 1);  // It waits without a buffer.
  CHECK(rig.traffic->reads.size() == reads);
  rig.far_sends("two\n");
  CHECK(rig.wire->journal == Journal{"one", "two"});
  rig.pass(2s);
  CHECK(rig.traffic->waits == 2);
  SUBCASE("the end is seen") {
    rig.far_ends();
    CHECK(rig.wire->journal == Journal{"one", "two", "(ended)"});
    CHECK(rig.wire->end_code() == errc::end_of_stream);
  }
  SUBCASE("a reset is seen") {
    rig.far->abort();
    rig.settle();
    CHECK(rig.wire->journal == Journal{"one", "two", "(ended)"});
  }
  SUBCASE("the idle timeout is kept") {
    rig.pass(5min);
    CHECK(rig.wire->journal == Journal{"one", "two", "(ended)"});
    CHECK(rig.wire->end_code() == errc::peer_timeout);
  }
  SUBCASE("a close is seen") {
    rig.inside([&] { rig.wire->close(); });
    CHECK(rig.wire->journal == Journal{"one", "two", "(ended)"});
    rig.far_ends();
    CHECK(rig.wire->is_closed());
  }
}

TEST_CASE("a connection in the middle of a packet keeps its memory") {
  Rig rig;
  rig.inside([&] { rig.wire->receive(); });
  rig.far_sends("tw");
  rig.pass(10s);
  CHECK(rig.traffic->waits == 0);
  rig.far_sends("o\n");
  CHECK(rig.wire->journal == Journal{"two"});
}

// Closing.

TEST_CASE("H8: close sends what is queued, then the end, and waits for the peer's") {
  MemoryOptions out;
  out.capacity = 4;
  Rig rig({}, out);
  rig.inside([&] {
    rig.wire->send("0123456789");
    rig.wire->close();
    rig.wire->close();
    const auto error = thrown([&] { rig.wire->send("late"); });
    REQUIRE(error);
    CHECK(error->code() == errc::closed);
    Wire::Slot slot;
    CHECK(rig.wire->poll(slot) == Wire::Polled::ended);
    CHECK(rig.wire->end_code() == errc::closed);
  });
  CHECK(rig.wire->is_closing());
  std::string all;
  while (all.size() < 11) {
    all += rig.far_reads();
  }
  CHECK(all == "0123456789\n");
  CHECK(rig.far_reads() == eof_text);
  rig.far_sends("is discarded\n");
  CHECK(!rig.wire->is_closed());
  rig.far_ends();
  CHECK(rig.wire->journal == Journal{"(closed)"});
}

TEST_CASE("close waits for the peer's end no longer than the close timeout") {
  Limits limits;
  limits.close_timeout = 3s;
  Rig rig(limits);
  rig.inside([&] { rig.wire->close(); });
  rig.far_sends("still here\n");
  rig.pass(2999ms);
  CHECK(!rig.wire->is_closed());
  rig.pass(1ms);
  CHECK(rig.wire->journal == Journal{"(closed)"});
}

TEST_CASE("a close timeout of 0 does not wait for the peer's end, but for the queue") {
  Limits limits;
  limits.close_timeout = 0s;
  MemoryOptions out;
  out.capacity = 4;
  Rig rig(limits, out);
  rig.inside([&] {
    rig.wire->send("01234");
    rig.wire->close();
  });
  CHECK(!rig.wire->is_closed());
  CHECK(rig.far_reads() == "0123");
  CHECK(rig.far_reads() == "4\n");
  CHECK(rig.wire->journal == Journal{"(closed)"});
}

TEST_CASE("close after the peer's end is done at once") {
  Rig rig;
  rig.far_ends();
  rig.inside([&] { rig.wire->receive(); });
  rig.inside([&] { rig.wire->close(); });
  CHECK(rig.wire->journal == Journal{"(ended)", "(closed)"});
}

TEST_CASE("H9: close tells an owner who waits") {
  Rig rig;
  rig.inside([&] { rig.wire->receive(); });
  SUBCASE("on the executor") {
    rig.inside([&] { rig.wire->close(); });
  }
  SUBCASE("from another thread") {
    std::thread([&] { rig.wire->close(); }).join();
    rig.settle();
  }
  CHECK(rig.wire->journal == Journal{"(ended)"});
  CHECK(rig.wire->end_code() == errc::closed);
  CHECK(rig.far_reads() == eof_text);
}

TEST_CASE("close does not end the waits for the queue that it sends") {
  MemoryOptions out;
  out.capacity = 4;
  Rig rig({}, out);
  rig.inside([&] {
    rig.wire->send("01234");
    rig.wait_for(OutputLevel::empty, "flush");
    rig.wire->close();
  });
  CHECK(rig.wire->journal.empty());
  rig.far_reads();
  CHECK(rig.wire->journal == Journal{"flush"});
}

TEST_CASE("a peer that does not read cannot hold up a close for ever") {
  Limits limits;
  limits.send_timeout = 10s;
  MemoryOptions out;
  out.capacity = 4;
  Rig rig(limits, out);
  rig.inside([&] {
    rig.wire->send("0123456789");
    rig.wire->close();
  });
  rig.pass(10s);
  CHECK(rig.wire->journal == Journal{"(closed)"});
  CHECK(rig.far_reads() == reset_text);
}

TEST_CASE("abort drops the queue, resets the peer and wakes all who wait with errc::closed") {
  MemoryOptions out;
  out.capacity = 4;
  Rig rig({}, out);
  rig.inside([&] {
    rig.wire->receive();
    rig.wire->send("0123456789");
    rig.wait_for(OutputLevel::empty, "flush");
  });
  SUBCASE("on the executor") {
    rig.inside([&] {
      rig.wire->abort();
      rig.wire->abort();
      CHECK(rig.wire->is_closing());
      CHECK(rig.wire->is_closed());
    });
  }
  SUBCASE("from another thread") {
    std::thread([&] { rig.wire->abort(); }).join();
    rig.settle();
  }
  SUBCASE("while it closes") {
    rig.inside([&] { rig.wire->close(); });
    CHECK(rig.wire->journal == Journal{"(ended)"});
    rig.wire->journal.clear();
    rig.inside([&] { rig.wire->abort(); });
    CHECK(rig.wire->journal == Journal{"(closed)", "flush " + text(errc::closed)});
    return;
  }
  CHECK(rig.wire->journal == Journal{"(closed)", "(ended)", "flush " + text(errc::closed)});
  CHECK(rig.wire->end_code() == errc::closed);
  CHECK(rig.far_reads() == reset_text);
  rig.inside([&] {
    CHECK(thrown([&] { rig.wire->send("late"); })->code() == errc::closed);
    rig.wire->close();
  });
  CHECK(rig.wire->journal.size() == 3);
}

TEST_CASE("end_output sends the end after what is queued; the peer may still send") {
  MemoryOptions out;
  out.capacity = 4;
  Rig rig({}, out);
  rig.inside([&] {
    rig.wire->receive();
    rig.wire->send("01234");
    rig.wire->end_output();
    rig.wire->end_output();
    const auto error = thrown([&] { rig.wire->send("late"); });
    REQUIRE(error);
    CHECK(error->code() == errc::closed);
  });
  CHECK(rig.far_reads() == "0123");
  CHECK(rig.far_reads() == "4\n");
  CHECK(rig.far_reads() == eof_text);
  rig.far_sends("answer\n");
  CHECK(rig.wire->journal == Journal{"(flushed)", "answer"});
  rig.inside([&] { rig.wire->close(); });
  CHECK(!rig.wire->is_closed());
  rig.far_ends();
  CHECK(rig.wire->is_closed());
}

TEST_CASE("a connection that nobody holds any more is destroyed with its executor, at any moment") {
  Rig rig;
  rig.inside([&] { rig.wire->receive(1h); });
  SUBCASE("waiting for bytes") {}
  SUBCASE("waiting without memory") { rig.pass(2s); }
  SUBCASE("writing") {
    rig.wire->send(std::string(200'000 / 4, 'x'));
    rig.inside([&] { rig.wire->send(std::string(60'000, 'x')); });
  }
  SUBCASE("closing") {
    rig.inside([&] { rig.wire->close(); });
  }
  const std::weak_ptr<Wire> watch = rig.wire;
  rig.wire.reset();
  CHECK(!watch.expired());
}
