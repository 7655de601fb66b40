// SPDX-License-Identifier: BSL-1.0
#include "cowire/serve.hpp"

#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "support/records.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <stdexcept>
#include <string>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using Socket = asio::ip::tcp::socket;

/// A handler with a guest in its background: the guest talks to the server, and to the process.
struct WithGuest {
  std::function<Task<void>(Service& service)> guest;

  Generator<std::string> handle(Peer<std::string>& client) {
    const std::string line = co_yield {};
    if (line == "wait") {
      asio::steady_timer timer(client.executor(), 1h);
      co_await timer.async_wait(deferred);
    }
    client.send_packet(line);
  }
  void service_init(Service& service) {
    service.spawn([this, &service] { return guest(service); });
  }
};

Task<void> connect(Socket& socket, std::uint16_t port) {
  const asio::ip::tcp::endpoint server(asio::ip::address_v4::loopback(), port);
  co_await socket.async_connect(server, asio::use_awaitable);
}

Task<void> say(Socket& socket, std::string text) {
  co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
}

/// What comes until the end of the stream.
Task<std::string> hear(Socket& socket) {
  std::string heard;
  std::error_code ec;
  co_await asio::async_read(socket, asio::dynamic_buffer(heard),
                            asio::redirect_error(asio::use_awaitable, ec));
  co_return heard;
}

void serve_with(std::function<Task<void>(Service&)> guest, const Records& records) {
  ServerOptions options;
  options.logger = records.logger();
  serve("127.0.0.1", 0, StreamProtocol{LineSerializer{}}, WithGuest{std::move(guest)}, options);
}

}  // namespace

TEST_CASE("R13: serve returns after SIGINT or SIGTERM") {
  int signal = SIGINT;
  SUBCASE("SIGINT") {}
  SUBCASE("SIGTERM") { signal = SIGTERM; }
  Records records;
  serve_with(
      [signal](Service&) -> Task<void> {
        std::raise(signal);
        co_return;
      },
      records);
  CHECK(records.count("Server stopped") == 1);
  CHECK(records.complaints() == "");
}

TEST_CASE(
    "R13: serve drains after the first signal: idle peers are closed, begun requests answered") {
  std::string idle_heard = "?";
  std::string busy_heard = "?";
  Records records;
  serve_with(
      [&](Service& service) -> Task<void> {
        const std::uint16_t port = service.local_endpoints().front().port;
        Socket idle(service.executor());
        Socket busy(service.executor());
        co_await connect(idle, port);
        co_await connect(busy, port);
        co_await say(busy, "one\nhal");
        std::string echoed(4, ' ');
        co_await asio::async_read(busy, asio::buffer(echoed), asio::use_awaitable);
        std::raise(SIGINT);
        idle_heard = co_await hear(idle);
        idle.close();
        co_await say(busy, "f\n");
        busy_heard = echoed + co_await hear(busy);
        busy.close();
      },
      records);
  CHECK(idle_heard == "");
  CHECK(busy_heard == "one\nhalf\n");
  CHECK(records.complaints() == "");
}

TEST_CASE("R13: a second signal ends serve at once") {
  const auto begin = std::chrono::steady_clock::now();
  std::string heard = "?";
  Records records;
  serve_with(
      [&](Service& service) -> Task<void> {
        Socket socket(service.executor());
        co_await connect(socket, service.local_endpoints().front().port);
        co_await say(socket, "one\nwait\n");
        std::string echoed(4, ' ');
        co_await asio::async_read(socket, asio::buffer(echoed), asio::use_awaitable);
        std::raise(SIGTERM);
        asio::steady_timer timer(service.executor(), 1ms);
        while (records.count("Server loop break") == 0) {
          co_await timer.async_wait(asio::use_awaitable);
          timer.expires_after(1ms);
        }
        std::raise(SIGINT);
        heard = co_await hear(socket);
      },
      records);
  CHECK(heard == "");
  CHECK(std::chrono::steady_clock::now() - begin < 5s);  // The patience is 10 s.
  CHECK(records.count("Server stopped") == 1);
}

TEST_CASE("serve throws what a background task threw") {
  Records records;
  CHECK_THROWS_WITH_AS(serve_with(
                           [](Service&) -> Task<void> {
                             throw std::runtime_error("disk full");
                             co_return;
                           },
                           records),
                       "disk full", std::runtime_error);
}

TEST_CASE("serve throws listen_failed if it cannot listen") {
  asio::io_context io;
  const asio::ip::tcp::acceptor taken(io,
                                      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  std::error_code code;
  try {
    serve("127.0.0.1", taken.local_endpoint().port(), StreamProtocol{LineSerializer{}},
          WithGuest{});
  } catch (const Error& error) {
    code = error.code();
  }
  CHECK(code == errc::listen_failed);
}
