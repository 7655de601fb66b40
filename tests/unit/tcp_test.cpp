// SPDX-License-Identifier: BSL-1.0
#include "cowire/transports/tcp.hpp"

#include "cowire/error.hpp"
#include "support/run.hpp"
#include "support/thrown.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

using namespace cowire;
using asio::ip::tcp;

namespace {

static_assert(Transport<TcpTransport>);
static_assert(Transport<BasicTcpTransport<asio::io_context::executor_type>>);
static_assert(WritesDirectly<TcpTransport> && WaitsForRead<TcpTransport>);
static_assert(Listener<TcpListener>);
static_assert(Listener<BasicTcpListener<asio::io_context::executor_type>>);

const asio::any_io_executor& any(const asio::any_io_executor& executor) { return executor; }

/// A client's socket and the transport that was accepted for it.
struct Pair {
  Pair() {
    auto listeners = listen_tcp(any(io.get_executor()), "127.0.0.1", 0);
    REQUIRE(listeners.size() == 1);
    client.connect(
        tcp::endpoint(asio::ip::address_v4::loopback(), listeners[0].local_endpoint().port));
    const auto outcome = spawn(io, [](TcpListener& from, Pair& to) -> Task<void> {
      to.accepted.emplace(co_await from.accept());
    }(listeners[0], *this));
    REQUIRE(run_until(io, [&] { return outcome->done; }));
    REQUIRE(accepted);
  }

  asio::io_context io;
  tcp::socket client{io};
  std::optional<TcpTransport> accepted;
};

/// Runs an operation that takes a handler (error, size).
template <class Start>
std::pair<std::error_code, std::size_t> complete(asio::io_context& io, Start start) {
  bool done = false;
  std::pair<std::error_code, std::size_t> result;
  start([&](std::error_code ec, std::size_t n = 0) {
    result = {ec, n};
    done = true;
  });
  CHECK(run_until(io, [&] { return done; }));
  return result;
}

}  // namespace

TEST_CASE("S13: listen_tcp listens on one address, on all of a name, or on all interfaces") {
  asio::io_context io;
  const auto addresses = [&](const std::string& host) {
    std::set<std::string> all;
    std::set<std::uint16_t> ports;
    for (const auto& listener : listen_tcp(any(io.get_executor()), host, 0)) {
      CHECK(listener.is_open());
      all.insert(listener.local_endpoint().address);
      ports.insert(listener.local_endpoint().port);
    }
    CHECK(ports.size() == 1);  // The same for all, unlike EasyNetwork's.
    CHECK(*ports.begin() != 0);
    return all;
  };
  CHECK(addresses("127.0.0.1") == std::set<std::string>{"127.0.0.1"});
  const auto localhost = addresses("localhost");
  CHECK(std::all_of(localhost.begin(), localhost.end(), [](const std::string& address) {
    return address == "127.0.0.1" || address == "::1";
  }));
  const auto everywhere = addresses("");
  CHECK(everywhere.count("0.0.0.0") + everywhere.count("::") == everywhere.size());
}

TEST_CASE("S14: what cannot be listened on is named with its address and reason") {
  asio::io_context io;
  const auto first = listen_tcp(any(io.get_executor()), "127.0.0.1", 0);
  const std::uint16_t port = first[0].local_endpoint().port;
  const auto error = thrown([&] { listen_tcp(any(io.get_executor()), "127.0.0.1", port); });
  REQUIRE(error);
  CHECK(error->code() == errc::listen_failed);
  CHECK(error->context().detail.find("127.0.0.1:" + std::to_string(port)) != std::string::npos);
  CHECK(error->context().detail.find("in use") != std::string::npos);
}

TEST_CASE("S14: if one address of several is taken, none is listened on") {
  asio::io_context io;
  std::optional<std::vector<TcpListener>> one(listen_tcp(any(io.get_executor()), "127.0.0.1", 0));
  const std::uint16_t port = one->front().local_endpoint().port;
  const auto error = thrown([&] { listen_tcp(any(io.get_executor()), "", port); });
  REQUIRE(error);
  CHECK(error->code() == errc::listen_failed);
  one.reset();
  CHECK(!thrown([&] { listen_tcp(any(io.get_executor()), "", port); }));
}

TEST_CASE("S14: the one error names each address that is taken, and only those") {
  asio::io_context io;
  std::optional<std::vector<TcpListener>> first(listen_tcp(any(io.get_executor()), "127.0.0.1", 0));
  const std::uint16_t port = first->front().local_endpoint().port;
  const auto third = listen_tcp(any(io.get_executor()), "127.0.0.3", port);
  std::set<tcp::endpoint> endpoints;
  for (const char* address : {"127.0.0.1", "127.0.0.2", "127.0.0.3"}) {
    endpoints.insert({asio::ip::make_address(address), port});
  }
  std::vector<TcpListener> listeners;
  std::string failures;
  CHECK(detail::try_listen(any(io.get_executor()), endpoints, {}, true, listeners, failures));
  CHECK(listeners.size() == 1);
  CHECK(failures.find("127.0.0.1:" + std::to_string(port) + ": ") == 0);
  CHECK(failures.find("; 127.0.0.3:" + std::to_string(port) + ": ") != std::string::npos);
  CHECK(failures.find("127.0.0.2") == std::string::npos);
}

TEST_CASE("S14: every interface of both families is taken: one error with both") {
  asio::io_context io;
  const auto all = listen_tcp(any(io.get_executor()), "", 0);
  const auto error =
      thrown([&] { listen_tcp(any(io.get_executor()), "", all.front().local_endpoint().port); });
  REQUIRE(error);
  CHECK(error->code() == errc::listen_failed);
  for (const auto& listener : all) {
    CHECK(error->context().detail.find(to_string(listener.local_endpoint()) + ": ") !=
          std::string::npos);
  }
}

TEST_CASE("S14: an address that this machine does not have, alone, is a failure") {
  asio::io_context io;
  const auto error = thrown([&] { listen_tcp(any(io.get_executor()), "192.0.2.1", 0); });
  REQUIRE(error);
  CHECK(error->code() == errc::listen_failed);
  CHECK(error->context().detail.find("192.0.2.1") != std::string::npos);
}

TEST_CASE("a host name that is none is a failure that names it") {
  asio::io_context io;
  const auto error = thrown([&] { listen_tcp(any(io.get_executor()), "no such host", 0); });
  REQUIRE(error);
  CHECK(error->code() == errc::listen_failed);
  CHECK(error->context().detail.find("\"no such host\"") != std::string::npos);
}

TEST_CASE("A1: the port of a closed listener is free at once; several share one with reuse_port") {
  asio::io_context io;
  auto listeners = listen_tcp(any(io.get_executor()), "127.0.0.1", 0);
  const std::uint16_t port = listeners[0].local_endpoint().port;
  listeners[0].close();
  listeners[0].close();
  CHECK(!listeners[0].is_open());
  CHECK(listeners[0].local_endpoint().port == port);
  TcpListenOptions shared;
  shared.reuse_port = true;
  const auto one = listen_tcp(any(io.get_executor()), "127.0.0.1", port, shared);
  const auto two = listen_tcp(any(io.get_executor()), "127.0.0.1", port, shared);
  CHECK(two[0].local_endpoint().port == port);
}

TEST_CASE("a waiting accept is ended by cancel, close and its own cancellation") {
  asio::io_context io;
  auto listeners = listen_tcp(any(io.get_executor()), "127.0.0.1", 0);
  const auto accepting = spawn(io, [](TcpListener& from) -> Task<void> {
    const auto transport = co_await from.accept();
  }(listeners[0]));
  settle(io);
  SUBCASE("cancel") { listeners[0].cancel(); }
  SUBCASE("close") { listeners[0].close(); }
  SUBCASE("cancellation") { accepting->cancel.emit(asio::cancellation_type::terminal); }
  REQUIRE(run_until(io, [&] { return accepting->done; }));
  CHECK(accepting->code() == asio::error::operation_aborted);
}

TEST_CASE("an accepted transport knows both endpoints, the remote one after its end too") {
  Pair pair;
  const Endpoint remote = to_endpoint(pair.client.local_endpoint());
  CHECK(pair.accepted->remote_endpoint() == remote);
  CHECK(pair.accepted->local_endpoint() == to_endpoint(pair.client.remote_endpoint()));
  CHECK(pair.accepted->native_handle() >= 0);
  pair.accepted->close();
  pair.accepted->close();
  CHECK(pair.accepted->remote_endpoint() == remote);
  CHECK(to_string(pair.accepted->local_endpoint()) == "(unknown)");
}

TEST_CASE("reads and writes, the end of the stream, and would_block") {
  Pair pair;
  std::string text(10, ' ');
  std::error_code ec;
  CHECK(pair.accepted->try_write_some(asio::buffer("direct", 6), ec) == 6);
  CHECK(!ec);
  CHECK(pair.client.read_some(asio::buffer(text)) == 6);
  const auto written = complete(pair.io, [&](auto handler) {
    pair.accepted->async_write_some(asio::buffer("later", 5), handler);
  });
  CHECK(written.second == 5);

  pair.client.write_some(asio::buffer("hello", 5));
  const auto waited =
      complete(pair.io, [&](auto handler) { pair.accepted->async_wait_read(handler); });
  CHECK(!waited.first);
  const auto read = complete(
      pair.io, [&](auto handler) { pair.accepted->async_read_some(asio::buffer(text), handler); });
  CHECK(text.substr(0, read.second) == "hello");

  pair.client.shutdown(tcp::socket::shutdown_send);
  const auto end = complete(
      pair.io, [&](auto handler) { pair.accepted->async_read_some(asio::buffer(text), handler); });
  CHECK(end.first == asio::error::eof);

  const std::string much(1 << 20, 'x');
  std::size_t sent = 0;
  while (!ec && sent < (std::size_t{1} << 30)) {
    sent += pair.accepted->try_write_some(asio::buffer(much), ec);
  }
  CHECK(ec == asio::error::would_block);
}

TEST_CASE("shutdown_send ends this way only") {
  Pair pair;
  std::error_code ec;
  pair.accepted->shutdown_send(ec);
  CHECK(!ec);
  char byte = 0;
  CHECK(pair.client.read_some(asio::buffer(&byte, 1), ec) == 0);
  CHECK(ec == asio::error::eof);
  CHECK(pair.client.write_some(asio::buffer("x", 1)) == 1);
}

TEST_CASE("D9: abort gives the peer a reset") {
  Pair pair;
  pair.accepted->abort();
  char byte = 0;
  std::error_code ec;
  pair.client.read_some(asio::buffer(&byte, 1), ec);
  CHECK(ec == asio::error::connection_reset);
}

TEST_CASE("a cancel ends a waiting read") {
  Pair pair;
  char byte = 0;
  const auto read = complete(pair.io, [&](auto handler) {
    pair.accepted->async_read_some(asio::buffer(&byte, 1), handler);
    pair.accepted->cancel();
  });
  CHECK(read.first == asio::error::operation_aborted);
}

TEST_CASE("A1: apply sets TCP_NODELAY and SO_KEEPALIVE, and may come too late") {
  Pair pair;
  // A second look at the same socket.
  const auto option = [&](auto kind) {
    tcp::socket look(pair.io, tcp::v4(), ::dup(pair.accepted->native_handle()));
    look.get_option(kind);
    return kind.value();
  };
  SocketOptions off;
  off.no_delay = false;
  off.keep_alive = false;
  pair.accepted->apply(off);
  CHECK(!option(tcp::no_delay()));
  CHECK(!option(asio::socket_base::keep_alive()));
  pair.accepted->apply(SocketOptions());
  CHECK(option(tcp::no_delay()));
  CHECK(option(asio::socket_base::keep_alive()));
  pair.accepted->close();
  pair.accepted->apply(SocketOptions());
}
