// SPDX-License-Identifier: BSL-1.0
#include "cowire/detail/channel.hpp"
#include "cowire/server.hpp"
#include "support/memory_client.hpp"
#include "support/records.hpp"

#include <asio/version.hpp>
#if ASIO_VERSION >= 102400
#include <asio/as_tuple.hpp>
#else
#include <asio/experimental/as_tuple.hpp>
#endif
#include <asio/bind_cancellation_slot.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/use_future.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

#if ASIO_VERSION >= 102400
using asio::as_tuple;
#else
using asio::experimental::as_tuple;
#endif

const std::string big(60'000, 'x');

/// A client that has queued more than its server, which does not read yet, takes.
struct FullClient : MemoryClient {
  FullClient() { send_much(); }
};

/// Serves one guest on the in-memory transport with a generator.
struct Talk {
  using Talker = Generator<std::string> (*)(Peer<std::string>&, std::vector<std::string>&);

  Talker talker;
  std::vector<std::string>* notes;
  Generator<std::string> handle(Peer<std::string>& client) { return talker(client, *notes); }
};
struct TalkServer {
  explicit TalkServer(Talk::Talker talker) {
    ServerOptions options;
    options.logger = records.logger();
    server.emplace(io.get_executor(), Lines{}, Talk{talker, &notes}, options);
    server->add_listener(door);
    serving = spawn(io, server->serve_forever());
    settle(io);
    guest.emplace(door.connect());
    guest->write("go\n");
    settle(io);
  }

  asio::io_context io;
  testing::ManualClock clock{io};
  Records records;
  std::vector<std::string> notes;
  BasicMemoryListener<testing::ManualClock> door{io.get_executor()};
  std::optional<Server<Lines, Talk, testing::ManualClock>> server;
  std::optional<RawEnd<MemoryEnd>> guest;
  std::shared_ptr<Outcome> serving;
};

}  // namespace

TEST_CASE("a send that is dropped has queued its packet all the same") {
  MemoryClient test;
  test.server->read_on();
  test.in_turn([&] { test->send_packet("hello"); });
  CHECK(test.server->heard() == "hello\n");
}

TEST_CASE("in a Task: awaited with use_awaitable, done at once while the queue is short") {
  MemoryClient test;
  test.server->read_on();
  const auto sent = start(test.io, [&]() -> Task<void> {
    co_await test->send_packet("hello")(asio::use_awaitable);
    co_await test->drain()(asio::use_awaitable);
    co_await test->flush()(asio::use_awaitable);
  });
  test.settle();
  CHECK(sent->succeeded());
  CHECK(test.server->heard() == "hello\n");
}

TEST_CASE("drain waits until the queue is short, flush until it is empty") {
  FullClient test;
  const auto drained =
      start(test.io, [&]() -> Task<void> { co_await test->drain()(asio::use_awaitable); });
  const auto flushed =
      start(test.io, [&]() -> Task<void> { co_await test->flush()(asio::use_awaitable); });
  test.settle();
  CHECK_FALSE(drained->done);
  CHECK_FALSE(flushed->done);
  test.server->read_on();
  test.settle();
  CHECK(drained->succeeded());
  CHECK(flushed->succeeded());
  CHECK(test.server->heard().size() == MemoryClient::much);
}

TEST_CASE("those who wait are woken in the order in which they came") {
  FullClient test;
  std::vector<int> order;
  test.in_turn([&] {
    for (int i = 0; i < 5; ++i) {
      test->drain()([&order, i](std::error_code ec) {
        CHECK_FALSE(ec);
        order.push_back(i);
      });
    }
  });
  CHECK(order.empty());
  test.server->read_on();
  test.settle();
  CHECK(order == std::vector{0, 1, 2, 3, 4});
}

TEST_CASE("a callback is never called inside the call that starts the operation") {
  MemoryClient test;
  bool called = false;
  test.in_turn([&] {
    test->flush()([&called](std::error_code ec) {
      CHECK_FALSE(ec);
      called = true;
    });
    CHECK_FALSE(called);
  });
  CHECK(called);
}

TEST_CASE("as_tuple gives the code in place of the exception") {
  FullClient test;
  std::optional<std::error_code> code;
  const auto waiting = start(test.io, [&]() -> Task<void> {
    const auto [ec] = co_await test->drain()(as_tuple(asio::use_awaitable));
    code = ec;
  });
  test.settle();
  CHECK_FALSE(code);
  test.in_turn([&] { test->abort(); });
  CHECK(waiting->succeeded());
  CHECK(code == errc::closed);
}

TEST_CASE("a connection that fails wakes all who wait, with what broke it") {
  FullClient test;
  const auto waiting =
      start(test.io, [&]() -> Task<void> { co_await test->flush()(asio::use_awaitable); });
  test.settle();
  SUBCASE("reset by the server") {
    test.server->reset();
    test.settle();
    CHECK(waiting->code() == asio::error::connection_reset);
    CHECK(waiting->code() == condition::disconnected);
  }
  SUBCASE("the time limit of sending") {
    test.pass(30s);
    CHECK(waiting->code() == errc::peer_timeout);
  }
  SUBCASE("the client is destroyed, and the server takes nothing") {
    test.in_turn([&] { test.client.reset(); });
    test.pass(30s);
    CHECK(waiting->code() == errc::peer_timeout);
  }
}

TEST_CASE("a close lets those who wait have what they wait for") {
  FullClient test;
  const auto waiting =
      start(test.io, [&]() -> Task<void> { co_await test->flush()(asio::use_awaitable); });
  test.settle();
  test.in_turn([&] { test->close(); });
  CHECK_FALSE(waiting->done);
  test.server->read_on();
  test.settle();
  CHECK(waiting->succeeded());
}

TEST_CASE("C16: a cancelled wait ends, and what is queued is sent") {
  FullClient test;
  SUBCASE("in a Task") {
    const auto waiting =
        start(test.io, [&]() -> Task<void> { co_await test->drain()(asio::use_awaitable); });
    test.settle();
    waiting->cancel.emit(asio::cancellation_type::terminal);
    test.settle();
    CHECK(waiting->code() == asio::error::operation_aborted);
  }
  SUBCASE("with a callback") {
    asio::cancellation_signal cancel;
    std::optional<std::error_code> code;
    test.in_turn([&] {
      test->drain()(
          asio::bind_cancellation_slot(cancel.slot(), [&code](std::error_code ec) { code = ec; }));
    });
    CHECK_FALSE(code);
    cancel.emit(asio::cancellation_type::total);
    test.settle();
    CHECK(code == asio::error::operation_aborted);
    cancel.emit(asio::cancellation_type::total);
  }
  test.server->read_on();
  test.settle();
  CHECK(test.server->heard().size() == MemoryClient::much);
}

TEST_CASE("bytes_per_turn: a task that sends for ever lets others have their turns") {
  MemoryClient test;
  test.server->read_on();
  int others = 0;
  bool stop = false;
  const auto flood = start(test.io, [&]() -> Task<void> {
    for (int i = 0; i < 1000 && !stop; ++i) {
      co_await test->send_packet(big)(asio::use_awaitable);
    }
  });
  const auto other = start(test.io, [&]() -> Task<void> {
    for (; others < 20; ++others) {
      co_await asio::post(test.io, asio::use_awaitable);
    }
    stop = true;
  });
  test.settle();
  CHECK(other->succeeded());
  CHECK(flood->succeeded());
  CHECK(test.server->heard().size() < 900 * big.size());
}

TEST_CASE("use_future: from another thread, while the executor runs") {
  MemoryClient test;
  test.server->read_on();
  auto work = asio::make_work_guard(test.io);
  test.io.restart();
  std::thread runner([&test] { test.io.run(); });
  for (int i = 0; i < 50; ++i) {
    auto sent = test->send_packet(big)(asio::use_future);
    REQUIRE(sent.wait_for(10s) == std::future_status::ready);
    sent.get();
  }
  auto flushed = test->flush()(asio::use_future);
  REQUIRE(flushed.wait_for(10s) == std::future_status::ready);
  flushed.get();
  asio::post(test.io, [&test] { test->abort(); });
  // The code itself: ThreadSanitizer cannot follow an exception from thread to thread.
  auto refused = test->flush()(asio::use_future([](std::error_code ec) { return ec; }));
  REQUIRE(refused.wait_for(10s) == std::future_status::ready);
  CHECK(refused.get() == errc::closed);
  work.reset();
  test.io.stop();
  runner.join();
  CHECK(test.server->heard().size() <= 50 * (big.size() + 1));
}

#if ASIO_VERSION >= 102400
TEST_CASE("in a Task: awaited directly, from Asio 1.24 on") {
  FullClient test;
  const auto sent = start(test.io, [&]() -> Task<void> {
    co_await test->send_packet("hello");
    co_await test->drain();
    co_await test->flush();
  });
  test.settle();
  CHECK_FALSE(sent->done);
  test.server->read_on();
  test.settle();
  CHECK(sent->succeeded());
}
#endif

TEST_CASE("in a Generator: awaited directly") {
  TalkServer test(
      [](Peer<std::string>& client, std::vector<std::string>& notes) -> Generator<std::string> {
        co_yield {};
        co_await client.send_packet("short");
        notes.push_back("short");
        for (int i = 0; i < 20; ++i) {
          co_await client.send_packet(std::string(60'000, 'x'));
        }
        notes.push_back("long");
        co_await client.flush();
        notes.push_back("flushed");
        co_yield {};
      });
  CHECK(test.notes == std::vector<std::string>{"short"});
  test.guest->read_on();
  settle(test.io);
  CHECK(test.notes == std::vector<std::string>{"short", "long", "flushed"});
  CHECK(test.guest->heard().size() == MemoryClient::much + 6);
  CHECK(test.records.complaints().empty());
}

TEST_CASE("in a Generator: destroyed while it waits") {
  TalkServer test(
      [](Peer<std::string>& client, std::vector<std::string>& notes) -> Generator<std::string> {
        co_yield {};
        struct Note {
          explicit Note(std::vector<std::string>& to) : notes_(&to) {}
          ~Note() { notes_->push_back("destroyed"); }
          std::vector<std::string>* notes_;  // NOLINT(readability-identifier-naming)
        };
        const Note note(notes);
        for (;;) {
          co_await client.send_packet(std::string(60'000, 'x'));
        }
      });
  SUBCASE("by the server's end") { test.server.reset(); }
  SUBCASE("by the guest's reset: what broke the connection is thrown") {
    test.guest->reset();
    settle(test.io);
  }
  SUBCASE("by a shutdown: cancelled is thrown") {
    const auto down = spawn(test.io, test.server->shutdown());
    settle(test.io);
  }
  CHECK(test.notes == std::vector<std::string>{"destroyed"});
  CHECK(test.records.complaints().empty());
}
