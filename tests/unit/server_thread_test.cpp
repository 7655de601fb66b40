// SPDX-License-Identifier: BSL-1.0
#include "cowire/server_thread.hpp"

#include "cowire/serializers/line.hpp"
#include "cowire/sync_client.hpp"
#include "cowire/transports/unix.hpp"
#include "support/thrown.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using Lines = StreamProtocol<LineSerializer<>>;

/// Answers lines, and does what the test says at the start and for each line.
struct Scripted {
  std::function<Task<void>(Service&)> at_start = {};
  std::function<void(const std::string&)> on_line = {};

  Task<void> service_init(Service& service) {
    if (at_start) {
      co_await at_start(service);
    }
  }
  Generator<std::string> handle(Peer<std::string>& client) {
    const std::string line = co_yield {};
    ++lines;
    if (line == "wait") {
      client.send_packet("waiting");
      asio::steady_timer timer(client.executor(), 1h);
      co_await timer.async_wait(deferred);
    }
    if (on_line) {
      on_line(line);
    }
    client.send_packet(line);
  }

  int lines = 0;
};

ServerOptions silent() {
  ServerOptions options;
  options.logger = Logger::silent();
  options.limits.close_timeout = 100ms;  // Who blocks does not see an end while not looking.
  return options;
}

struct Thread : ServerThread<Lines, Scripted> {
  explicit Thread(Scripted handler = {})
      : ServerThread("127.0.0.1", 0, Lines{}, std::move(handler), silent()) {}

  std::string ask(const std::string& question) const {
    SyncClient client("127.0.0.1", port(), Lines{});
    client.send_packet(question);
    return client.recv_packet(30s);
  }
};

template <class Call>
std::error_code code_of(Call&& call) {
  const auto error = thrown(std::forward<Call>(call));
  return error ? error->code() : std::error_code();
}

}  // namespace

TEST_CASE("R10: ServerThread: start returns when the server is up; it may serve again") {
  ServerThread server{"127.0.0.1", 0, Lines{}, Scripted{}, silent()};
  const auto port = server.port();
  CHECK(port != 0);
  CHECK_FALSE(server.is_serving());
  for (int run = 0; run < 3; ++run) {
    server.start();
    CHECK(server.is_serving());
    CHECK(server.port() == port);
    CHECK(server.local_endpoints().size() == 1);
    {
      SyncClient client("127.0.0.1", port, Lines{});
      client.send_packet("hello");
      CHECK(client.recv_packet(30s) == "hello");
      CHECK(server.connections() == 1);
      client.close();
    }
    server.shutdown();
    server.shutdown();
    CHECK_FALSE(server.is_serving());
    CHECK(server.connections() == 0);
    CHECK(server.stats().accepted == static_cast<unsigned>(run) + 1);
  }
}

TEST_CASE("ServerThread: peers may connect before the start, and are served after it") {
  Thread server;
  SyncClient client("127.0.0.1", server.port(), Lines{});
  client.send_packet("early");
  CHECK(code_of([&] { client.recv_packet(0s); }) == errc::timeout);
  server.start();
  CHECK(client.recv_packet(30s) == "early");
}

TEST_CASE("R10: ServerThread: start waits for service_init, and throws what that throws") {
  auto fails = std::make_shared<bool>(true);
  auto done = std::make_shared<bool>(false);
  Thread server({.at_start = [fails, done](Service& service) -> Task<void> {
    asio::steady_timer timer(service.executor(), 1ms);
    co_await timer.async_wait(asio::use_awaitable);
    if (*fails) {
      throw std::runtime_error("no database");
    }
    *done = true;
  }});
  CHECK_THROWS_WITH_AS(server.start(), "no database", std::runtime_error);
  CHECK_FALSE(server.is_serving());
  server.shutdown();
  *fails = false;
  server.start();
  CHECK(*done);
  CHECK(server.ask("hello") == "hello");
}

TEST_CASE("R6: ServerThread: a second start is already_serving; so is a listener that comes late") {
  Thread server;
  server.start();
  CHECK(code_of([&] { server.start(); }) == errc::already_serving);
  CHECK(code_of([&] { server.add_listener(UnixListener(server.executor(), "")); }) ==
        errc::already_serving);
  CHECK(server.ask("still there") == "still there");
}

TEST_CASE("ServerThread: without a listener it cannot start; with one of another kind it can") {
  ServerThread server{Lines{}, Scripted{}, silent()};
  CHECK(server.port() == 0);
  CHECK(code_of([&] { server.start(); }) == errc::server_closed);
  UnixListener listener(server.executor(), "");
  const std::string name = abstract_name(listener.local_endpoint().address.substr(1));
  server.add_listener(std::move(listener));
  server.start();
  SyncClient client(UnixConnector(name), Lines{});
  client.send_packet("through a Unix socket");
  CHECK(client.recv_packet(30s) == "through a Unix socket");
}

TEST_CASE("ServerThread: throws listen_failed if it cannot listen") {
  Thread server;
  CHECK(code_of([&] { ServerThread other{"127.0.0.1", server.port(), Lines{}, Scripted{}}; }) ==
        errc::listen_failed);
}

TEST_CASE("ServerThread: post runs a function in the server's thread; its future has the result") {
  std::atomic<std::thread::id> handlers_thread{};
  Thread server(
      {.on_line = [&](const std::string&) { handlers_thread = std::this_thread::get_id(); }});
  const auto thread_of_f = [](auto&) { return std::this_thread::get_id(); };
  CHECK(server.post(thread_of_f).get() == std::this_thread::get_id());  // There is no other yet.
  server.start();
  CHECK(server.ask("who") == "who");
  CHECK(server.post(thread_of_f).get() == handlers_thread.load());
  CHECK(server.post([](auto& s) { return s.handler().lines; }).get() == 1);
  CHECK_THROWS_AS(server.post([](auto&) { throw std::logic_error("f"); }).get(), std::logic_error);

  // Everything else may be called in there, and when nothing runs.
  const auto look = [&server](auto&) {
    return server.is_serving() && server.port() != 0 && server.native_handles().size() == 1;
  };
  CHECK(server.post(look).get());
  server.shutdown();
  CHECK_FALSE(server.post(look).get());
  CHECK(server.post([&](auto&) { return server.post(thread_of_f).get(); }).get() ==
        std::this_thread::get_id());
}

TEST_CASE("R12: ServerThread: shutdown lets busy peers finish until its deadline") {
  Thread server;
  server.start();
  SyncClient busy("127.0.0.1", server.port(), Lines{});
  busy.send_packet("wait");
  CHECK(busy.recv_packet(30s) == "waiting");
  const auto begin = std::chrono::steady_clock::now();
  SUBCASE("which may be short") {
    server.shutdown(30ms);
    CHECK(std::chrono::steady_clock::now() - begin >= 30ms);
  }
  SUBCASE("and an earlier one wins") {
    auto patient = std::async(std::launch::async, [&] { server.shutdown(1h); });
    auto hasty = std::async(std::launch::async, [&] { server.shutdown(); });
    patient.get();
    hasty.get();
  }
  CHECK(std::chrono::steady_clock::now() - begin < 30s);
  CHECK_FALSE(server.is_serving());
  CHECK(busy.next_packet(30s) == std::nullopt);
}

TEST_CASE("R12: ServerThread: shutdown in the server's own thread is an error, no deadlock") {
  std::promise<std::error_code> code;
  Thread* to_shut_down = nullptr;
  Thread server({.on_line = [&](const std::string&) {
    code.set_value(code_of([&] { to_shut_down->shutdown(); }));
    to_shut_down->request_shutdown();
  }});
  to_shut_down = &server;
  server.start();
  server.ask("stop");
  CHECK(code.get_future().get() == std::errc::resource_deadlock_would_occur);
  server.shutdown(1h);  // It was asked for already, without a deadline.
  CHECK_FALSE(server.is_serving());
}

TEST_CASE("ServerThread: a function that is posted while no thread runs may ask for a shutdown") {
  Thread server;
  CHECK(server.post([&](auto&) { server.request_shutdown(); }).wait_for(30s) ==
        std::future_status::ready);
  const auto starting = server.post([&](auto&) { return code_of([&] { server.start(); }); });
  CHECK(starting.wait_for(0s) == std::future_status::ready);
  server.start();
  CHECK(server.ask("hello") == "hello");
}

TEST_CASE("ServerThread: shutdown throws, once, what ended the server; it may start again") {
  Service* service = nullptr;
  Scripted handler;
  handler.at_start = [&service](Service& given) -> Task<void> {
    service = &given;
    co_return;
  };
  handler.on_line = [&service](const std::string& line) {
    if (line == "fail") {
      service->spawn([]() -> Task<void> {
        throw std::runtime_error("disk full");
        co_return;
      });
    }
  };
  Thread server(handler);
  server.start();
  server.ask("fail");
  CHECK_THROWS_WITH_AS(server.shutdown(1h), "disk full", std::runtime_error);
  server.shutdown();
  server.start();
  CHECK(server.ask("again") == "again");
}

TEST_CASE("ServerThread: what a function on its executor throws shuts it down, and is thrown") {
  Thread server;
  server.start();
  asio::post(server.executor(), [] { throw std::runtime_error("posted"); });
  CHECK_THROWS_WITH_AS(server.shutdown(), "posted", std::runtime_error);
}

TEST_CASE("S8: ServerThread: shutdown while service_init waits; start returns, nothing is served") {
  std::promise<void> starting;
  Thread server({.at_start = [&starting](Service& service) -> Task<void> {
    asio::steady_timer timer(service.executor(), 1h);
    starting.set_value();
    co_await timer.async_wait(asio::use_awaitable);
  }});
  auto started = std::async(std::launch::async, [&] { server.start(); });
  starting.get_future().get();
  server.shutdown();
  started.get();
  CHECK_FALSE(server.is_serving());
}

TEST_CASE("ServerThread: its destructor ends it with all its peers") {
  std::optional<Thread> server(std::in_place);
  server->start();
  SyncClient idle("127.0.0.1", server->port(), Lines{});
  idle.send_packet("one");
  CHECK(idle.recv_packet(30s) == "one");
  SyncClient busy("127.0.0.1", server->port(), Lines{});
  busy.send_packet("wait");
  CHECK(busy.recv_packet(30s) == "waiting");
  auto last = server->post([](auto& s) { return s.handler().lines; });
  auto ending = std::async(std::launch::async, [&] { server.reset(); });
  CHECK(idle.next_packet(30s) == std::nullopt);
  CHECK(busy.next_packet(30s) == std::nullopt);
  idle.close();
  busy.close();
  ending.get();
  CHECK(last.get() == 2);  // What was posted has been called.
}

TEST_CASE("ServerThread: many threads start, ask, post and shut down at once") {
  Thread server;
  std::atomic<int> posted = 0;
  std::atomic<int> called = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        switch ((i + t) % 4) {
          case 0: (void)thrown([&] { server.start(); }); break;
          case 1: server.shutdown(); break;
          case 2:
            ++posted;
            server.post([&](auto&) { ++called; });
            break;
          default: CHECK(server.port() != 0); (void)server.stats();
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  server.shutdown();
  CHECK(called == posted);
}
