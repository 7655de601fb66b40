// SPDX-License-Identifier: BSL-1.0
#include "cowire/run_blocking.hpp"

#include "cowire/serializers/line.hpp"
#include "cowire/server_thread.hpp"
#include "cowire/sync_client.hpp"
#include "support/run.hpp"

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using Lines = StreamProtocol<LineSerializer<>>;

/// Lets one thread wait for another.
class Gate {
 public:
  void open() {
    is_open_ = true;
    is_open_.notify_all();
  }
  void wait() const { is_open_.wait(false); }
  bool is_open() const { return is_open_; }

 private:
  std::atomic<bool> is_open_ = false;
};

/// A variable of a coroutine: tells when it is destroyed.
struct Local {
  explicit Local(Gate& gate) : destroyed(&gate) {}
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;
  ~Local() { destroyed->open(); }

  Gate* destroyed;
  std::string text = "a variable of the coroutine, long enough to be somewhere on the heap";
};

/// What is waited for while a gate should stay closed.
bool stays_closed(const Gate& gate) {
  const auto end = std::chrono::steady_clock::now() + 30ms;
  while (!gate.is_open() && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  return !gate.is_open();
}

}  // namespace

TEST_CASE("run_blocking: runs elsewhere, comes back with the result; the loop has work meanwhile") {
  asio::io_context io;
  std::string text;
  std::thread::id there;
  std::thread::id after;
  bool was_called = false;
  const auto outcome = spawn(io, [](auto& t, auto& id, auto& back, auto& called) -> Task<void> {
    t = co_await run_blocking([&] {
      id = std::this_thread::get_id();
      return std::string("result");
    });
    back = std::this_thread::get_id();
    co_await run_blocking([&] { called = true; });
    const auto moved = co_await run_blocking([] { return std::make_unique<int>(42); });
    CHECK(*moved == 42);
  }(text, there, after, was_called));
  io.run();  // There is nothing else to keep it.
  CHECK(outcome->succeeded());
  CHECK(text == "result");
  CHECK(was_called);
  CHECK(there != std::this_thread::get_id());
  CHECK(after == std::this_thread::get_id());
}

TEST_CASE("run_blocking: throws what the function threw") {
  asio::io_context io;
  const auto outcome = spawn(io, []() -> Task<void> {
    try {
      co_await run_blocking([] { throw std::runtime_error("no such file"); });
    } catch (const std::runtime_error& error) {
      CHECK(std::string(error.what()) == "no such file");
    }
    co_await run_blocking([]() -> int { throw Error(errc::malformed); });
  }());
  io.run();
  CHECK(outcome->code() == errc::malformed);
}

TEST_CASE("run_blocking: the loop goes on while the function runs, in a pool of one's own") {
  asio::thread_pool pool(1);
  asio::io_context io;
  Gate gate;
  const auto blocked = spawn(io, [](auto executor, Gate& to_wait_for) -> Task<void> {
    co_await run_blocking(executor, [&] { to_wait_for.wait(); });
  }(pool.get_executor(), gate));
  const auto other = spawn(io, [](asio::io_context& on, Gate& to_open) -> Task<void> {
    asio::steady_timer timer(on, 1ms);
    co_await timer.async_wait(asio::use_awaitable);
    to_open.open();
  }(io, gate));
  io.run();
  CHECK(blocked->succeeded());
  CHECK(other->succeeded());
}

TEST_CASE("run_blocking: a cancelled coroutine gets the result, and its next wait fails") {
  asio::io_context io;
  Gate begun;
  Gate release;
  Gate destroyed;
  std::string result;
  const auto outcome = spawn(io, [](Gate& on, Gate& wait, Gate& end, auto& to) -> Task<void> {
    Local local(end);
    to = co_await run_blocking([&] {
      on.open();
      wait.wait();
      return local.text.substr(0, 10);
    });
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    co_await timer.async_wait(asio::use_awaitable);
  }(begun, release, destroyed, result));
  settle(io);
  begun.wait();
  outcome->cancel.emit(asio::cancellation_type::all);
  settle(io);
  CHECK_FALSE(destroyed.is_open());
  release.open();
  io.restart();
  io.run();
  CHECK(result == "a variable");
  CHECK(outcome->code() == asio::error::operation_aborted);
}

TEST_CASE("run_blocking: an io_context that goes waits for the function; then its coroutine goes") {
  std::optional<asio::io_context> io(std::in_place);
  Gate begun;
  Gate destroyed;
  std::atomic<bool> was_there = false;
  bool went_on = false;
  const auto outcome =
      spawn(*io, [](Gate& on, Gate& end, auto& there, bool& on_after) -> Task<void> {
        Local local(end);
        co_await run_blocking([&] {
          on.open();
          there = stays_closed(end);
          local.text += "still there";
        });
        on_after = true;
      }(begun, destroyed, was_there, went_on));
  settle(*io);
  begun.wait();
  io.reset();
  CHECK(was_there);
  CHECK(destroyed.is_open());
  CHECK_FALSE(went_on);
  CHECK_FALSE(outcome->done);
}

TEST_CASE("run_blocking: a function that has not begun is not called when its io_context is gone") {
  Gate release;
  asio::thread_pool pool(1);
  asio::post(pool, [&] { release.wait(); });
  std::optional<asio::io_context> io(std::in_place);
  Gate destroyed;
  std::atomic<bool> was_called = false;
  spawn(*io, [](auto executor, Gate& end, auto& called) -> Task<void> {
    Local local(end);
    co_await run_blocking(executor, [&] { called = !local.text.empty(); });
  }(pool.get_executor(), destroyed, was_called));
  settle(*io);
  io.reset();  // Does not wait.
  CHECK(destroyed.is_open());
  release.open();
  pool.join();
  CHECK_FALSE(was_called);
}

TEST_CASE("run_blocking: a pool that ends before it came to the function cancels it") {
  asio::io_context io;
  std::atomic<bool> was_called = false;
  std::shared_ptr<Outcome> outcome;
  {
    Gate begun;
    Gate release;
    asio::thread_pool pool(1);
    asio::post(pool, [&] {
      begun.open();
      release.wait();
    });
    begun.wait();
    outcome = spawn(io, [](auto executor, auto& called) -> Task<void> {
      co_await run_blocking(executor, [&] { called = true; });
    }(pool.get_executor(), was_called));
    settle(io);
    pool.stop();
    release.open();
  }
  io.restart();
  io.run();
  CHECK(outcome->code() == errc::cancelled);
  CHECK_FALSE(was_called);
}

namespace {

/// Answers each line after work that blocks.
struct Worker {
  Generator<std::string> handle(Peer<std::string>& client) {
    const std::string line = co_yield {};
    const Local local(*destroyed);
    try {
      const std::string answer = co_await run_blocking([&] {
        if (line == "fail") {
          throw std::runtime_error("failed");
        }
        if (line == "wait") {
          begun->open();
          (void)stays_closed(*destroyed);
        }
        return line + local.text.substr(0, 2);
      });
      client.send_packet(answer);
    } catch (const std::runtime_error& error) {
      client.send_packet(error.what());
    }
  }

  std::shared_ptr<Gate> begun = std::make_shared<Gate>();
  std::shared_ptr<Gate> destroyed = std::make_shared<Gate>();
};

ServerOptions silent() {
  ServerOptions options;
  options.logger = Logger::silent();
  options.limits.close_timeout = 1ms;
  return options;
}

}  // namespace

TEST_CASE("run_blocking: in a generator") {
  ServerThread server{"127.0.0.1", 0, Lines{}, Worker{}, silent()};
  server.start();
  SyncClient client("127.0.0.1", server.port(), Lines{});
  for (const char* line : {"one", "fail", "two"}) {
    client.send_packet(line);
  }
  CHECK(client.recv_packet(30s) == "onea ");
  CHECK(client.recv_packet(30s) == "failed");
  CHECK(client.recv_packet(30s) == "twoa ");
}

TEST_CASE("run_blocking: a server that shuts down, or goes, leaves the function its generator") {
  const Worker worker;
  std::optional<ServerThread<Lines, Worker>> server(std::in_place, "127.0.0.1", std::uint16_t{0},
                                                    Lines{}, worker, silent());
  server->start();
  SyncClient client("127.0.0.1", server->port(), Lines{});
  client.send_packet("wait");
  worker.begun->wait();
  bool starts_again = false;
  SUBCASE("shut down, and gone") {}
  SUBCASE("shut down, and started again") { starts_again = true; }
  server->shutdown();
  if (starts_again) {
    server->start();
    worker.destroyed->wait();  // When the function has returned.
  }
  server.reset();
  CHECK(worker.destroyed->is_open());
}
