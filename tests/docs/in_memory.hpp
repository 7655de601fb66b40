// SPDX-License-Identifier: BSL-1.0
// A server without sockets and without waiting, for the handlers of the tutorial.
#pragma once

// [in_memory]
#include "cowire/cowire.hpp"
#include "cowire/testing/manual_clock.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/write.hpp>

#include <chrono>
#include <string>
#include <system_error>
#include <utility>

using Clock = cowire::testing::ManualClock;

/// A server in memory. Its clock stands still until `pass` is called.
template <class Protocol, class Handler>
struct InMemory {
  explicit InMemory(Protocol protocol, Handler handler, cowire::ServerOptions options = {})
      : server(io.get_executor(), std::move(protocol), std::move(handler), std::move(options)) {
    server.add_listener(door);
    asio::co_spawn(io, server.serve_forever(), asio::detached);
    settle();
  }
  ~InMemory() {
    server.request_shutdown();
    pass(std::chrono::minutes(1));
  }

  /// Runs everything that can run without waiting.
  void settle() {
    io.restart();
    io.poll();
  }

  /// Lets time pass: everything that it makes due happens now.
  void pass(std::chrono::nanoseconds time) {
    clock.advance(time);
    settle();
  }

  asio::io_context io;
  Clock clock{io};
  cowire::BasicMemoryListener<Clock> door{io.get_executor()};
  cowire::Server<Protocol, Handler, Clock> server;
};

/// Somebody who is connected to such a server.
template <class Server>
class Guest {
 public:
  explicit Guest(Server& server) : server_(&server), end_(server.door.connect()) {
    server_->settle();
  }

  /// Sends bytes and returns what comes back.
  std::string say(std::string bytes) {
    asio::async_write(end_, asio::buffer(bytes), [](std::error_code, std::size_t) {});
    server_->settle();
    return hear();
  }

  /// What the server has sent.
  std::string hear() {
    std::string text(64 * 1024, '\0');
    std::size_t size = 0;
    end_.async_read_some(asio::buffer(text), [&](std::error_code failed, std::size_t n) {
      size = n;
      ended_ = failed && failed != asio::error::operation_aborted;
    });
    server_->settle();
    end_.cancel();  // If there was nothing to read.
    server_->settle();
    text.resize(size);
    return text;
  }

  /// Whether the server has closed the connection.
  bool was_sent_away() {
    hear();
    return ended_;
  }

  /// Leaves.
  void leave() {
    end_.close();
    server_->settle();
  }

 private:
  Server* server_;
  cowire::BasicMemoryTransport<Clock> end_;
  bool ended_ = false;
};
// [/in_memory]
