// SPDX-License-Identifier: BSL-1.0
// A line server on the in-memory transport and the manual clock, and its guests.
#pragma once

#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"
#include "cowire/testing/manual_clock.hpp"
#include "cowire/transports/memory.hpp"
#include "support/guest.hpp"
#include "support/manual_time.hpp"
#include "support/records.hpp"
#include "support/run.hpp"

#include <asio/async_result.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;
using Line = std::string;
using Client = cowire::Peer<Line>;
using MemoryEnd = cowire::BasicMemoryTransport<cowire::testing::ManualClock>;
using MemoryDoor = cowire::BasicMemoryListener<cowire::testing::ManualClock>;

inline cowire::Generator<Line> echo(Client& client) {
  const Line line = co_yield {};
  client.send_packet(line);
}

/// A handler whose every part a test can exchange.
struct Script {
  std::function<cowire::Generator<Line>(Client&)> talk = echo;
  std::function<cowire::Task<void>(Client&)> hello = nullptr;
  std::function<cowire::Task<void>(Client&)> bye = nullptr;
  std::function<cowire::Task<void>(cowire::Service&)> init = nullptr;

  cowire::Generator<Line> handle(Client& client) { return talk(client); }
  cowire::Task<void> on_connection(Client& client) {
    if (hello) {
      co_await hello(client);
    }
  }
  cowire::Task<void> on_disconnection(Client& client) {
    if (bye) {
      co_await bye(client);
    }
  }
  cowire::Task<void> service_init(cowire::Service& service) {
    if (init) {
      co_await init(service);
    }
  }
};

/// Connects, and hears what comes.
inline Guest guest_on(MemoryEnd end) {
  Guest guest(AnyTransport(std::move(end)));
  guest.listen();
  return guest;
}

/// A server of lines, its clock, its door and its log.
struct MemoryServer {
  using Server = cowire::Server<Lines, Script, cowire::testing::ManualClock>;

  explicit MemoryServer(Script script = {}, cowire::ServerOptions options = {});

  Server* operator->() { return &*server; }

  /// Starts and serves until shut down.
  std::shared_ptr<Outcome> serve() {
    auto outcome = spawn(io, server->serve_forever());
    settle();
    return outcome;
  }
  std::shared_ptr<Outcome> run(cowire::Task<void> task) {
    auto outcome = spawn(io, std::move(task));
    settle();
    return outcome;
  }
  Guest guest() {
    Guest guest = guest_on(door.connect());
    settle();
    return guest;
  }
  void settle() { ::settle(io); }

  void pass(std::chrono::nanoseconds time) { pass_time(io, clock, time); }

  asio::io_context io;
  cowire::testing::ManualClock clock{io};
  Records records;
  MemoryDoor door{io.get_executor()};
  std::optional<Server> server;
};

// Compiled once, in memory_server.cpp.
extern template class cowire::detail::ServerState<Lines, Script, cowire::testing::ManualClock>;
extern template class cowire::Server<Lines, Script, cowire::testing::ManualClock>;
