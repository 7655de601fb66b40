// SPDX-License-Identifier: BSL-1.0
#include "cowire/client.hpp"

#include "support/memory_client.hpp"
#include "support/thrown.hpp"

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/post.hpp>
#include <doctest/doctest.h>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using Packets = std::vector<std::string>;
using Views = StreamProtocol<LineSerializer<std::string_view>>;

std::string message(const std::shared_ptr<Outcome>& outcome) {
  if (!outcome->error) {
    return {};
  }
  try {
    std::rethrow_exception(outcome->error);
  } catch (const std::exception& error) {
    return error.what();
  }
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

bool is_done(const Outcome& outcome) { return outcome.done; }
bool is_done(const Reception& reception) { return reception.done(); }

/// Lines, but "bad" is malformed, and "crash" breaks the serializer.
struct Fragile : LineSerializer<> {
  Decoded<std::string> decode(Bytes bytes, decoder_state& state) const {
    auto decoded = LineSerializer<>::decode(bytes, state);
    if (decoded.has_packet() && decoded.value() == "crash") {
      throw std::runtime_error("a bug in the serializer");
    }
    if (decoded.has_packet() && decoded.value() == "bad") {
      return Decoded<std::string>::bad(Error(errc::malformed), decoded.consumed());
    }
    return decoded;
  }
};

ClientOptions with(const Limits& limits) {
  ClientOptions options;
  options.limits = limits;
  return options;
}

}  // namespace

// Receiving.

TEST_CASE("C7: packets are received one at a time, however they came") {
  MemoryClient test;
  test.hear("one\n");
  const auto first = test.receive();
  CHECK(first->packets == Packets{"one"});
  test.hear("two\nthree\nfo");
  const auto second = test.receive();
  const auto third = test.receive();
  const auto fourth = test.receive();
  CHECK(second->packets == Packets{"two"});
  CHECK(third->packets == Packets{"three"});
  CHECK_FALSE(fourth->done());
  test.hear("ur\n");
  CHECK(fourth->packets == Packets{"four"});
}

TEST_CASE("C7: packets are received whole, wherever the bytes are cut") {
  const std::string bytes = "one\n\ntwo three\n";
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    MemoryClient test;
    const auto all = test.receive_to_end();
    test.hear(bytes.substr(0, cut));
    test.hear(bytes.substr(cut));
    test.server->finish();
    test.settle();
    CHECK(all->packets == Packets{"one", "", "two three"});
    CHECK(all->outcome->succeeded());
  }
}

TEST_CASE("C7: packets are received whole, one byte at a time") {
  MemoryClient test({}, {}, {.max_read = 1});
  const auto all = test.receive_to_end();
  test.hear("one\n\ntwo three\n");
  CHECK(all->packets == Packets{"one", "", "two three"});
}

TEST_CASE("a receive that times out keeps the bytes received so far") {
  MemoryClient test;
  test.hear("he");
  const auto late = test.receive(1s);
  test.pass(999ms);
  CHECK_FALSE(late->done());
  test.pass(1ms);
  REQUIRE(late->done());
  CHECK(late->code() == errc::timeout);
  CHECK(late->code() == condition::usable);
  CHECK(contains(message(late->outcome), "memory-b"));
  test.hear("llo\n");
  CHECK(test.receive(1s)->packets == Packets{"hello"});
}

TEST_CASE("T2: a time limit of 0 takes what has been received, else times out") {
  MemoryClient test;
  CHECK(test.receive(0s)->code() == errc::timeout);
  test.hear("one\ntwo\n");
  CHECK(test.receive(0s)->packets == Packets{"one"});
  CHECK(test.receive(0s)->packets == Packets{"two"});
  CHECK(test.receive(0s)->code() == errc::timeout);
}

TEST_CASE("T2: a time limit of 0 also when the client has been idle for long") {
  MemoryClient test;
  const auto late = test.receive(1min);  // The connection has given its memory back.
  test.pass(1min);
  CHECK(late->code() == errc::timeout);
  test.hear("one\n");
  CHECK(test.receive(0s)->packets == Packets{"one"});
}

TEST_CASE("a negative time limit is an invalid argument, and the client is usable") {
  MemoryClient test;
  CHECK(test.receive(-1s)->code() == errc::invalid_argument);
  test.hear("one\n");
  CHECK(test.receive()->packets == Packets{"one"});
}

TEST_CASE("C8: after a packet that is too large the client may receive again") {
  BasicMemoryClient<StreamProtocol<LineSerializer<>>> test;
  test.hear(std::string(default_frame_limit + 1, 'x') + "\nok\n");
  const auto bad = test.receive();
  CHECK(bad->code() == errc::too_large);
  CHECK(bad->code() == condition::usable);
  CHECK(contains(message(bad->outcome), "peer memory-b"));
  CHECK(test.receive()->packets == Packets{"ok"});
}

TEST_CASE("C8: after a malformed packet, or a crash of the serializer, receive again") {
  BasicMemoryClient<StreamProtocol<Fragile>> test;
  test.hear("bad\nok\n");
  const auto bad = test.receive();
  CHECK(bad->code() == errc::malformed);
  CHECK(bad->code() == condition::usable);
  CHECK(test.receive()->packets == Packets{"ok"});
  test.hear("crash\ndropped with it\n");
  const auto crashed = test.receive();
  CHECK(crashed->code() == errc::serializer_failed);
  CHECK(crashed->code() == condition::usable);
  CHECK(contains(message(crashed->outcome), "a bug in the serializer"));
  test.hear("ok again\n");
  CHECK(test.receive()->packets == Packets{"ok again"});
}

TEST_CASE("C3: the end of the stream is end_of_stream, again and again, and the client may send") {
  MemoryClient test;
  test.server->read_on();
  test.hear("last\n");
  test.server->finish();
  CHECK(test.receive()->packets == Packets{"last"});
  for (int i = 0; i < 3; ++i) {
    const auto end = test.receive();
    CHECK(end->code() == errc::end_of_stream);
    CHECK(end->code() == condition::disconnected);
  }
  CHECK(test->is_connected());
  test->send_packet("still here");
  test.settle();
  CHECK(test.server->heard() == "still here\n");
}

TEST_CASE("C3, C7, D6: a packet cut by the end of the stream is truncated, again and again") {
  MemoryClient test;
  test.hear("one\ntw");
  test.server->finish();
  CHECK(test.receive()->packets == Packets{"one"});
  for (int i = 0; i < 3; ++i) {
    const auto end = test.receive();
    CHECK(end->code() == errc::truncated);
    CHECK(end->code() == condition::disconnected);
  }
}

TEST_CASE("C10: next_packet gives nothing at the end, and throws what is no clean end") {
  SUBCASE("clean") {
    MemoryClient test;
    const auto all = test.receive_to_end();
    test.hear("one\ntwo\n");
    test.server->finish();
    test.settle();
    CHECK(all->packets == Packets{"one", "two"});
    CHECK(all->outcome->succeeded());
  }
  SUBCASE("cut") {
    MemoryClient test;
    const auto all = test.receive_to_end();
    test.hear("one\ntw");
    test.server->finish();
    test.settle();
    CHECK(all->packets == Packets{"one"});
    CHECK(all->code() == errc::truncated);
  }
  SUBCASE("closed by this side") {
    MemoryClient test;
    const auto all = test.receive_to_end();
    test.in_turn([&] { test->close(); });
    CHECK(all->code() == errc::closed);
  }
}

TEST_CASE("a reset by the server is connection_reset, and stays it") {
  MemoryClient test;
  const auto waiting = test.receive();
  test.server->reset();
  test.settle();
  CHECK(waiting->code() == asio::error::connection_reset);
  CHECK(waiting->code() == condition::disconnected);
  test.in_turn([&] { test->send_eof(); });
  CHECK(test.receive()->code() == asio::error::connection_reset);
}

TEST_CASE("views are valid until the next receive") {
  BasicMemoryClient<Views> test;
  test.hear("first\nsecond\n");
  Packets seen;
  const auto outcome = start(test.io, [&]() -> Task<void> {
    const std::string_view one = co_await test->recv_packet();
    test.server->write("more, which comes while the first is looked at\n");
    co_await asio::post(test.io, asio::use_awaitable);
    co_await asio::post(test.io, asio::use_awaitable);
    seen.emplace_back(one);
    const std::string_view two = co_await test->recv_packet();
    seen.emplace_back(two);
    const std::string_view three = co_await test->recv_packet();
    seen.emplace_back(three);
  });
  test.settle();
  CHECK(outcome->succeeded());
  CHECK(seen == Packets{"first", "second", "more, which comes while the first is looked at"});
}

// Two receives, and cancelling.

TEST_CASE("C17: a second receive at the same time is busy, the first goes on") {
  MemoryClient test;
  const auto first = test.receive();
  const auto second = test.receive();
  CHECK(second->code() == errc::busy);
  CHECK_FALSE(first->done());
  test.hear("one\n");
  CHECK(first->packets == Packets{"one"});
}

TEST_CASE("a second receive is busy also when the first one's packet has just come") {
  // The second is started at each moment between the first's start and its end.
  for (int steps = 0; steps < 20; ++steps) {
    CAPTURE(steps);
    MemoryClient test;
    const auto first = test.receive();
    test.server->write("one\ntwo\n");
    test.io.restart();
    for (int i = 0; i < steps; ++i) {
      test.io.poll_one();
    }
    const auto second = test.begin_receive();
    test.settle();
    CHECK(first->packets == Packets{"one"});
    REQUIRE(second->done());
    if (second->outcome->error) {
      CHECK(second->code() == errc::busy);
      CHECK(test.receive()->packets == Packets{"two"});
    } else {
      CHECK(second->packets == Packets{"two"});
    }
  }
}

TEST_CASE("C16: a cancelled receive loses nothing") {
  MemoryClient test;
  test.hear("he");
  const auto cancelled = test.receive();
  cancelled->outcome->cancel.emit(asio::cancellation_type::terminal);
  test.settle();
  CHECK(cancelled->code() == asio::error::operation_aborted);
  test.hear("llo\n");
  CHECK(test.receive()->packets == Packets{"hello"});
}

TEST_CASE("C16: a receive cancelled while its packet arrives loses nothing") {
  for (int steps = 0; steps < 20; ++steps) {
    CAPTURE(steps);
    MemoryClient test;
    const auto first = test.receive();
    test.server->write("one\ntwo\n");
    test.io.restart();
    for (int i = 0; i < steps; ++i) {
      test.io.poll_one();
    }
    first->outcome->cancel.emit(asio::cancellation_type::terminal);
    test.settle();
    REQUIRE(first->done());
    if (first->outcome->error) {
      CHECK(first->code() == asio::error::operation_aborted);
      CHECK(test.receive()->packets == Packets{"one"});
    } else {
      CHECK(first->packets == Packets{"one"});
    }
    CHECK(test.receive()->packets == Packets{"two"});
  }
}

TEST_CASE("C16: of a receive and a timer, raced by Asio's ||, the loser's packet is not lost") {
  using namespace asio::experimental::awaitable_operators;
  for (int steps = 0; steps < 30; ++steps) {
    CAPTURE(steps);
    MemoryClient test;
    Packets seen;
    const auto race = start(test.io, [&]() -> Task<void> {
      testing::ManualClock::Timer<asio::any_io_executor> timer(test.io.get_executor());
      timer.expires_at(test.clock.now() + 1s);
      const auto winner = co_await (timer.async_wait(asio::use_awaitable) || test->recv_packet());
      if (winner.index() == 1) {
        seen.push_back(std::get<1>(winner));
      }
    });
    test.settle();
    test.server->write("one\ntwo\n");
    test.io.restart();
    for (int i = 0; i < steps; ++i) {
      test.io.poll_one();
    }
    test.clock.advance(1s);
    test.settle();
    REQUIRE(race->done);
    while (seen.size() < 2) {
      const auto next = test.receive(0s);
      REQUIRE(next->outcome->succeeded());
      seen.push_back(next->packets.front());
    }
    CHECK(seen == Packets{"one", "two"});
  }
}

// Sending.

TEST_CASE("packets sent together leave in one write, in their order") {
  MemoryClient test;
  test.server->read_on();
  test.settle();
  test.in_turn([&] {
    test->send_packet("one");
    test->send_packet("two");
    test->send_packet("three");
    CHECK(test.server->heard().empty());
  });
  CHECK(test.server->heard() == "one\ntwo\nthree\n");
  CHECK(test.server->reads() == 1);
}

TEST_CASE("what was sent is written when the client waits for an answer") {
  MemoryClient test;
  test.server->read_on();
  const auto outcome = start(test.io, [&]() -> Task<void> {
    test->send_packet("question");
    co_await test->recv_packet();
  });
  test.settle();
  CHECK(test.server->heard() == "question\n");
  CHECK_FALSE(outcome->done);
}

TEST_CASE("an awaited send waits for a slow reader, and goes on") {
  MemoryClient test;
  int sent = 0;
  const auto outcome = start(test.io, [&]() -> Task<void> {
    for (; sent < 100; ++sent) {
      co_await test->send_packet(std::string(10'000, 'x'))(asio::use_awaitable);
    }
  });
  test.settle();
  CHECK_FALSE(outcome->done);
  CHECK(sent >= 6);  // 64 KiB on the way, and then 64 KiB queued
  CHECK(sent <= 14);
  test.server->read_on();
  test.settle();
  CHECK(outcome->succeeded());
  CHECK(test.server->heard().size() == 100 * 10'001);
}

TEST_CASE("H15: a server that does not read costs the client output_limit, and no more") {
  MemoryClient test(with({.output_limit = 200'000}));
  std::optional<Error> full;
  int sent = 0;
  test.in_turn([&] {
    for (; sent < 1000 && !full; ++sent) {
      full = thrown([&] { test->send_packet(std::string(10'000, 'x')); });
    }
  });
  REQUIRE(full);
  CHECK(full->code() == errc::output_limit);
  CHECK(full->context().limit == 200'000);
  CHECK(full->context().peer == "memory-b");
  CHECK(sent < 40);
  CHECK(test.refused("x")->code() == errc::output_limit);
  CHECK(test.receive()->code() == errc::output_limit);
}

TEST_CASE("C11: a client that has sent much receives all the same") {
  // Else two sides that both wait to be read from would wait for ever.
  MemoryClient test;
  test.send_much();
  test.hear("answer\n");
  CHECK(test.receive()->packets == Packets{"answer"});
  const auto next = test.receive();
  test.hear("another\n");
  CHECK(next->packets == Packets{"another"});
}

TEST_CASE("a packet that cannot be sent throws, and nothing of it is queued") {
  MemoryClient test;
  test.server->read_on();
  test.in_turn([&] {
    test->send_packet("one");
    CHECK(thrown([&] { test->send_packet("tw\no"); })->code() == errc::not_sendable);
    const std::string long_line(default_frame_limit + 1, 'x');
    CHECK(thrown([&] { test->send_packet(long_line); })->code() == errc::too_large);
    test->send_packet("three");
  });
  CHECK(test.server->heard() == "one\nthree\n");
}

TEST_CASE("C4: sending to a server that has gone fails at the latest the third time") {
  MemoryClient test;
  test.server->close();
  test.settle();
  std::optional<Error> gone;
  int sent = 0;
  for (; sent < 10 && !gone; ++sent) {
    gone = test.refused("x");
  }
  REQUIRE(gone);
  CHECK(sent <= 3);
  CHECK(gone->code() == condition::disconnected);
}

TEST_CASE("C9: send_eof ends the output after what is queued; receiving goes on") {
  MemoryClient test;
  test.send_much();
  test.in_turn([&] { test->send_eof(); });
  test.in_turn([&] { test->send_eof(); });
  const auto refused = test.refused("x");
  REQUIRE(refused);
  CHECK(refused->code() == errc::closed);
  CHECK(contains(refused->what(), "after the end"));
  test.settle();
  test.server->read_on();
  test.settle();
  CHECK(test.server->heard().size() == MemoryClient::much);
  CHECK(test.server->has_seen_end());
  CHECK(test->is_connected());
  const auto answer = test.receive();
  test.hear("answer\n");
  CHECK(answer->packets == Packets{"answer"});
  test.server->finish();
  CHECK(test.receive()->code() == errc::end_of_stream);
}

// Closing.

TEST_CASE("C9: a packet of another thread that comes after send_eof is dropped, and harms nobody") {
  MemoryClient test;
  asio::post(test.io, [&] { test->send_eof(); });
  std::thread([&] { test->send_packet("late"); }).join();
  test.settle();
  CHECK(test.server->heard().empty());
  test.hear("answer\n");
  CHECK(test.receive()->packets == Packets{"answer"});
}

TEST_CASE("close sends what is queued, then waits for the server's end") {
  MemoryClient test;
  test.send_much();
  test.in_turn([&] { test->close(); });
  test.in_turn([&] { test->close(); });
  CHECK_FALSE(test->is_connected());
  const auto closed = spawn(test.io, test->wait_closed());
  test.settle();
  CHECK_FALSE(closed->done);
  test.server->read_on();
  test.settle();
  CHECK(test.server->heard().size() == MemoryClient::much);
  CHECK(test.server->has_seen_end());
  CHECK_FALSE(closed->done);
  test.hear("ignored");
  test.server->finish();
  test.settle();
  CHECK(closed->succeeded());
  const auto again = spawn(test.io, test->wait_closed());
  test.settle();
  CHECK(again->succeeded());
}

TEST_CASE("close waits for the server's end for close_timeout, at most") {
  MemoryClient test;
  test.server->read_on();
  test.in_turn([&] { test->close(); });
  const auto closed = spawn(test.io, test->wait_closed());
  test.pass(3s - 1ms);
  CHECK_FALSE(closed->done);
  test.pass(1ms);
  CHECK(closed->succeeded());
}

TEST_CASE("wait_closed of a client that was never connected returns") {
  asio::io_context io;
  Client<Lines> client(io, Lines{});
  const auto closed = spawn(io, client.wait_closed());
  settle(io);
  CHECK(closed->succeeded());
}

TEST_CASE("C5, C6: after close everything is closed, a waiting receive too") {
  MemoryClient test;
  const auto waiting = test.receive();
  test.in_turn([&] { test->close(); });
  CHECK(waiting->code() == errc::closed);
  CHECK(test.refused("x")->code() == errc::closed);
  CHECK(test.receive()->code() == errc::closed);
  test.in_turn([&] { test->send_eof(); });
  test.in_turn([&] { test->close(); });
  CHECK(test.receive()->code() == errc::closed);
  test.hear("too late\n");
  CHECK(test.receive()->code() == errc::closed);
}

TEST_CASE("C5: after abort too") {
  MemoryClient test;
  const auto waiting = test.receive();
  test.server->read_on();
  test.in_turn([&] {
    test->send_packet("lost");
    test->abort();
  });
  CHECK(waiting->code() == errc::closed);
  CHECK(test.server->heard().empty());
  CHECK(test.server->ended() == asio::error::connection_reset);
  CHECK(test.refused("x")->code() == errc::closed);
  test.in_turn([&] { test->send_eof(); });
  test.in_turn([&] { test->close(); });
  test.in_turn([&] { test->abort(); });
  CHECK(test.receive()->code() == errc::closed);
  const auto closed = spawn(test.io, test->wait_closed());
  test.settle();
  CHECK(closed->succeeded());
}

TEST_CASE("the destructor sends what is queued, in the background") {
  MemoryClient test;
  test.send_much();
  test.in_turn([&] { test.client.reset(); });
  test.server->read_on();
  test.settle();
  CHECK(test.server->heard().size() == MemoryClient::much);
  CHECK(test.server->has_seen_end());
}

TEST_CASE("a client may be destroyed while one of its receives waits") {
  MemoryClient test;
  const auto waiting = test.receive();
  test.in_turn([&] { test.client.reset(); });
  CHECK(waiting->code() == errc::closed);
}

TEST_CASE("an io_context that is destroyed takes the waiting operations with it") {
  // AddressSanitizer would find what is left.
  auto test = std::make_unique<MemoryClient>();
  SUBCASE("a receive") {
    const auto waiting = test->receive();
    test.reset();
    CHECK_FALSE(is_done(*waiting));
  }
  SUBCASE("a receive of a client that lives in the coroutine") {
    const auto waiting =
        start(test->io, [client = std::move(*test->client)]() mutable -> Task<void> {
          co_await client.recv_packet();
        });
    test->settle();
    test.reset();
    CHECK_FALSE(is_done(*waiting));
  }
  SUBCASE("a send") {
    const auto waiting = start(test->io, [&client = *test->client]() -> Task<void> {
      client.send_packet(std::string(60'000, 'x'));
      client.send_packet(std::string(60'000, 'x'));
      client.send_packet(std::string(60'000, 'x'));
      co_await client.flush()(asio::use_awaitable);
    });
    test->settle();
    test.reset();
    CHECK_FALSE(is_done(*waiting));
  }
  SUBCASE("a wait for the close") {
    const auto waiting = spawn(test->io, test->client->wait_closed());
    test->settle();
    test.reset();
    CHECK_FALSE(is_done(*waiting));
  }
}

// Moving.

TEST_CASE("a client moves with its connection") {
  MemoryClient test;
  test.server->read_on();
  MemoryClient::Client moved = std::move(*test.client);
  moved.send_packet("hello");
  test.settle();
  CHECK(test.server->heard() == "hello\n");
  CHECK_FALSE(test->is_connected());
  CHECK(test.refused("x")->code() == errc::not_connected);
}

TEST_CASE("assigning to a client closes the connection it had") {
  MemoryClient test;
  test.server->read_on();
  auto ends = MemoryEnd::pair(test.io.get_executor());
  RawEnd<MemoryEnd> other(std::move(ends.second));
  other.read_on();
  test.in_turn([&] {
    test->send_packet("good bye");
    *test.client = MemoryClient::Client(std::move(ends.first), Lines{});
    test->send_packet("hello");
  });
  CHECK(test.server->heard() == "good bye\n");
  CHECK(test.server->has_seen_end());
  CHECK(other.heard() == "hello\n");
  CHECK(test->is_connected());
}

// Time limits.

TEST_CASE("an idle client stays connected for ever") {
  MemoryClient test;
  const auto waiting = test.receive();
  test.pass(24h * 365);
  CHECK_FALSE(waiting->done());
  test.hear("good morning\n");
  CHECK(waiting->packets == Packets{"good morning"});
}

TEST_CASE("frame_timeout: a packet that is not finished in time ends the connection") {
  MemoryClient test(with({.idle_timeout = 0s, .frame_timeout = 5s}));
  const auto waiting = test.receive();
  test.pass(1h);
  test.hear("half a packet");
  test.pass(4999ms);
  CHECK_FALSE(waiting->done());
  test.pass(1ms);
  REQUIRE(waiting->done());
  CHECK(waiting->code() == errc::peer_timeout);
  CHECK(contains(message(waiting->outcome), "did not finish a packet"));
  CHECK(contains(message(waiting->outcome), "memory-b"));
}

TEST_CASE("frame_timeout: the time stands still while nobody receives") {
  MemoryClient test(with({.idle_timeout = 0s, .frame_timeout = 5s}));
  const auto cancelled = test.receive();
  test.hear("half ");
  test.pass(4s);
  cancelled->outcome->cancel.emit(asio::cancellation_type::terminal);
  test.pass(1h);
  const auto waiting = test.receive();
  test.pass(999ms);
  CHECK_FALSE(waiting->done());
  SUBCASE("in time") {
    test.hear("a packet\n");
    CHECK(waiting->packets == Packets{"half a packet"});
  }
  SUBCASE("too late") {
    test.pass(1ms);
    CHECK(waiting->code() == errc::peer_timeout);
  }
}

TEST_CASE("idle_timeout works for a client that asks for it") {
  MemoryClient test(with({.idle_timeout = 5s}));
  const auto waiting = test.receive();
  test.pass(5s);
  REQUIRE(waiting->done());
  CHECK(waiting->code() == errc::peer_timeout);
  CHECK(contains(message(waiting->outcome), "sent nothing within the time limit (time limit 5 s"));
}

TEST_CASE("send_timeout: a server that takes nothing ends the connection") {
  MemoryClient test(with({.idle_timeout = 0s, .send_timeout = 5s}));
  const auto outcome = start(test.io, [&]() -> Task<void> {
    for (;;) {
      co_await test->send_packet(std::string(60'000, 'x'))(asio::use_awaitable);
    }
  });
  test.pass(4999ms);
  CHECK_FALSE(outcome->done);
  test.pass(1ms);
  CHECK(outcome->code() == errc::peer_timeout);
  const auto later = test.refused("x");
  REQUIRE(later);
  CHECK(later->code() == errc::peer_timeout);
  CHECK(contains(later->what(), "took nothing"));
  CHECK(contains(later->what(), "time limit 5 s"));
  CHECK(test.receive()->code() == errc::peer_timeout);
}
