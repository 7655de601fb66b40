// SPDX-License-Identifier: BSL-1.0
// A client's completion tokens and threads, its failures one by one, and a server in memory.
#include "cowire/client.hpp"
#include "cowire/detail/completion.hpp"
#include "support/memory_client.hpp"
#include "support/memory_server.hpp"

#include <asio/version.hpp>
#if ASIO_VERSION >= 102400
#include <asio/as_tuple.hpp>
#else
#include <asio/experimental/as_tuple.hpp>
#endif
#include <asio/bind_cancellation_slot.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

#if ASIO_VERSION >= 102400
using asio::as_tuple;
#else
using asio::experimental::as_tuple;
#endif

using Packets = std::vector<std::string>;
using LineClient = cowire::Client<Lines, testing::ManualClock>;

/// The value of a future, which must come in time.
template <class T>
T get(std::future<T> future) {
  REQUIRE(future.wait_for(10s) == std::future_status::ready);
  return future.get();
}
/// The token of a future that has the code, and throws nothing. (ThreadSanitizer does not see how
/// libstdc++ counts the owners of an exception that passes from thread to thread.)
struct TakeCode {
  template <class... Values>
  std::error_code operator()(std::error_code ec, const Values&...) const {
    return ec;
  }
};
const auto use_code = asio::use_future(TakeCode());

/// Runs an io_context in a thread of its own.
class Runner {
 public:
  explicit Runner(asio::io_context& io) : io_(&io), work_(io.get_executor()) {
    io.restart();
    thread_ = std::thread([&io] { io.run(); });
  }
  ~Runner() {
    io_->stop();
    thread_.join();
  }

 private:
  asio::io_context* io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("a callback gets a code and a value, and is not called at once") {
  MemoryClient test;
  std::optional<std::error_code> code;
  std::string packet;
  const auto note = [&](std::error_code ec, const std::string& value) {
    code = ec;
    packet = value;
  };
  test.in_turn([&] {
    test->recv_packet({}, note);
    CHECK_FALSE(code);
  });
  CHECK_FALSE(code);
  test.hear("hello\n");
  REQUIRE(code);
  CHECK_FALSE(*code);
  CHECK(packet == "hello");
  code.reset();
  test.in_turn([&] { test->recv_packet(1s, note); });
  test.pass(1s);
  CHECK(code == errc::timeout);
  code.reset();
  test.server->finish();
  test.in_turn([&] { test->recv_packet({}, note); });
  CHECK(code == errc::end_of_stream);
}

TEST_CASE("a receive with a callback can be cancelled, totally too, and loses nothing") {
  for (const auto type : {asio::cancellation_type::total, asio::cancellation_type::partial,
                          asio::cancellation_type::terminal}) {
    MemoryClient test;
    asio::cancellation_signal signal;
    std::optional<std::error_code> code;
    test.hear("hel");
    test.in_turn([&] {
      test->recv_packet(
          {}, asio::bind_cancellation_slot(
                  signal.slot(), [&](std::error_code ec, const std::string&) { code = ec; }));
    });
    test.in_turn([&] { signal.emit(type); });
    REQUIRE(code);
    CHECK(*code == asio::error::operation_aborted);
    test.hear("lo\n");
    CHECK(test.receive()->packets == std::vector<std::string>{"hello"});
  }
}

TEST_CASE("next_packet and wait_closed with callbacks") {
  MemoryClient test;
  test.hear("one\n");
  test.server->finish();
  std::vector<std::optional<std::string>> got;
  const auto note = [&](std::error_code ec, std::optional<std::string> value) {
    CHECK_FALSE(ec);
    got.push_back(std::move(value));
  };
  test.in_turn([&] { test->next_packet({}, note); });
  test.in_turn([&] { test->next_packet({}, note); });
  CHECK(got == std::vector<std::optional<std::string>>{"one", std::nullopt});
  std::optional<std::error_code> closed;
  test.in_turn([&] {
    test->close();
    test->wait_closed([&](std::error_code ec) { closed = ec; });
  });
  REQUIRE(closed);
  CHECK_FALSE(*closed);
}

TEST_CASE("with a token nothing is thrown: not_connected, busy and invalid_argument are codes") {
  MemoryClient test;
  LineClient unconnected(test.io, Lines{});
  std::vector<std::error_code> codes;
  const auto note = [&](std::error_code ec, const auto&) { codes.push_back(ec); };
  test.in_turn([&] { unconnected.recv_packet({}, note); });
  test.in_turn([&] { unconnected.next_packet({}, note); });
  test.in_turn([&] { test->recv_packet(-1s, note); });
  test.in_turn([&] { test->recv_packet({}, note); });
  test.in_turn([&] { test->recv_packet({}, note); });
  CHECK(codes == std::vector<std::error_code>{errc::not_connected, errc::not_connected,
                                              errc::invalid_argument, errc::busy});
}

TEST_CASE("as_tuple in a Task gives codes") {
  MemoryClient test;
  Packets seen;
  const auto outcome = start(test.io, [&]() -> Task<void> {
    const auto [none, packet] = co_await test->recv_packet({}, as_tuple(asio::use_awaitable));
    CHECK_FALSE(none);
    seen.push_back(packet);
    const auto [late, nothing] = co_await test->recv_packet(0s, as_tuple(asio::use_awaitable));
    CHECK(late == errc::timeout);
    CHECK(nothing.empty());
  });
  test.hear("hello\n");
  CHECK(outcome->succeeded());
  CHECK(seen == Packets{"hello"});
}

TEST_CASE("a callback's receive can be cancelled, and loses nothing") {
  MemoryClient test;
  asio::cancellation_signal cancel;
  std::optional<std::error_code> code;
  test.in_turn([&] {
    test->recv_packet(
        {}, asio::bind_cancellation_slot(
                cancel.slot(), [&](std::error_code ec, const std::string&) { code = ec; }));
  });
  CHECK_FALSE(code);
  test.in_turn([&] { cancel.emit(asio::cancellation_type::terminal); });
  CHECK(code == asio::error::operation_aborted);
  test.hear("hello\n");
  CHECK(test.receive()->packets == Packets{"hello"});
}

TEST_CASE("use_future from another thread: a whole dialogue") {
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  const std::uint16_t port = acceptor.local_endpoint().port();
  auto client = std::make_unique<cowire::Client<Lines>>(io, Lines{});
  const Runner runner(io);
  CHECK(get(client->recv_packet({}, use_code)) == errc::not_connected);
  get(client->connect("127.0.0.1", port, asio::use_future));
  CHECK(get(client->connect("127.0.0.1", port, 5s, use_code)) == errc::already_connected);
  asio::ip::tcp::socket server(io);
  acceptor.accept(server);
  for (int i = 0; i < 100; ++i) {
    get(client->send_packet("ping")(asio::use_future));
    char bytes[5];
    asio::read(server, asio::buffer(bytes));
    asio::write(server, asio::buffer(bytes));
    CHECK(get(client->recv_packet(10s, asio::use_future)) == "ping");
  }
  CHECK(get(client->recv_packet(1ms, use_code)) == errc::timeout);
  server.shutdown(asio::socket_base::shutdown_send);
  CHECK(get(client->next_packet({}, asio::use_future)) == std::nullopt);
  CHECK(get(client->recv_packet({}, use_code)) == errc::end_of_stream);
  get(asio::post(io, asio::use_future([&client] { client->close(); })));
  get(client->wait_closed(asio::use_future));
  get(asio::post(io, asio::use_future([&client] { client.reset(); })));
}

TEST_CASE("send_packet from other threads, while the executor runs") {
  MemoryClient test;
  test.server->read_on();
  constexpr int each = 300;
  {
    const Runner runner(test.io);
    std::vector<std::thread> senders;
    for (int i = 0; i < 3; ++i) {
      senders.emplace_back([&test] {
        for (int sent = 0; sent < each; ++sent) {
          test->send_packet("x");
        }
      });
    }
    for (std::thread& sender : senders) {
      sender.join();
    }
    get(test->flush()(asio::use_future));
  }
  test.settle();
  CHECK(test.server->heard().size() == std::size_t{3 * each * 2});
}

TEST_CASE("whatever operation fails: everything ends with a code, and nothing is left") {
  const auto conversation = [](LineClient& client, int& answers) -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      co_await client.send_packet("question")(asio::use_awaitable);
      const std::string answer = co_await client.recv_packet();
      answers += answer == "answer" ? 1 : 0;
    }
    client.send_eof();
    const auto end = co_await client.next_packet();
    answers += end ? 0 : 1;
    client.close();
    co_await client.wait_closed();
  };
  for (const bool client_side : {true, false}) {
    bool passed = false;
    for (std::size_t fail_at = 1; fail_at < 50 && !passed; ++fail_at) {
      CAPTURE(client_side);
      CAPTURE(fail_at);
      MemoryOptions failing;
      failing.fail_at = fail_at;
      MemoryClient test({}, client_side ? failing : MemoryOptions{},
                        client_side ? MemoryOptions{} : failing);
      test.server->read_on();
      int answers = 0;
      const auto outcome =
          start(test.io, [&]() -> Task<void> { co_await conversation(*test.client, answers); });
      for (int i = 0; i < 3; ++i) {
        test.settle();
        test.server->write("answer\n");
      }
      test.settle();
      test.server->finish();
      test.pass(10s);
      REQUIRE(outcome->done);
      if (outcome->error) {
        CHECK(outcome->code() == asio::error::connection_reset);
        CHECK(outcome->code() == condition::disconnected);
      }
      passed = outcome->succeeded();
      CHECK(passed == (answers == 4));
    }
    CHECK(passed);
  }
}

TEST_CASE("a server that sends garbage: errors, or packets, but the client lives on") {
  MemoryClient test;
  std::string garbage;
  unsigned state = 1;
  for (int i = 0; i < 300'000; ++i) {
    state = state * 1664525U + 1013904223U;
    garbage += static_cast<char>(state >> 24U);
  }
  int bad = 0;
  const auto all = start(test.io, [&]() -> Task<void> {
    for (;;) {
      const auto [ec, packet] = co_await test->next_packet({}, as_tuple(asio::use_awaitable));
      if (ec == condition::usable) {
        ++bad;
      } else if (ec || !packet) {
        co_return;
      }
    }
  });
  test.hear(std::string(200'000, 'x') + garbage + "\n");
  CHECK_FALSE(all->done);
  CHECK(bad == 1);
  test.server->finish();
  test.settle();
  CHECK(all->succeeded());
}

TEST_CASE("C23: client and server, both of cowire, in memory") {
  MemoryServer test;
  const auto serving = test.serve();
  LineClient client(test.door.connect(), Lines{});
  Packets seen;
  const auto outcome = start(test.io, [&]() -> Task<void> {
    for (const char* word : {"a", "b", "c"}) {  // One by one,
      client.send_packet(word);
      const std::string answer = co_await client.recv_packet(1s);
      seen.push_back(answer);
    }
    for (const char* word : {"one", "two", "three"}) {  // then pipelined.
      client.send_packet(word);
    }
    for (int i = 0; i < 3; ++i) {
      const std::string answer = co_await client.recv_packet(1s);
      seen.push_back(answer);
    }
    client.send_eof();
    const auto end = co_await client.next_packet();
    CHECK_FALSE(end);
    client.close();
    co_await client.wait_closed();
  });
  test.settle();
  CHECK(outcome->succeeded());
  CHECK(seen == Packets{"a", "b", "c", "one", "two", "three"});
  CHECK(test->connections() == 0);
  CHECK(test.records.complaints() == "");
}

TEST_CASE("C11: a client may send much more than both sides hold before it receives") {
  MemoryServer test;
  const auto serving = test.serve();
  LineClient client(test.door.connect(), Lines{});
  int received = 0;
  const auto outcome = start(test.io, [&]() -> Task<void> {
    for (int i = 0; i < 50; ++i) {
      client.send_packet(std::string(20'000, 'x'));
    }
    for (; received < 50; ++received) {
      co_await client.recv_packet();
    }
  });
  test.settle();
  CHECK(outcome->succeeded());
  CHECK(received == 50);
}
