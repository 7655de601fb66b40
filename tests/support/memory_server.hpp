// SPDX-License-Identifier: BSL-1.0
// A line server on the in-memory transport and the manual clock, and its guests.
#pragma once

#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"
#include "cowire/testing/manual_clock.hpp"
#include "cowire/transports/memory.hpp"
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

/// The client's side: reads all the time, remembers what came.
class Guest {
 public:
  explicit Guest(MemoryEnd end) : state_(std::make_shared<State>(std::move(end))) { read(state_); }

  void say(const std::string& bytes) {
    state_->to_write += bytes;
    if (!state_->writing) {
      write(state_);
    }
  }
  void finish() {
    std::error_code ignored;
    state_->end.shutdown_send(ignored);
  }
  void leave() { state_->end.close(); }
  void reset() { state_->end.abort(); }

  const std::string& heard() const { return state_->heard; }
  bool has_ended() const { return state_->ended.has_value(); }
  std::error_code ended() const { return state_->ended.value_or(std::error_code()); }

 private:
  struct State {
    explicit State(MemoryEnd given) : end(std::move(given)) {}
    MemoryEnd end;
    std::string heard;
    std::string to_write;
    char buffer[4096] = {};
    bool writing = false;
    std::optional<std::error_code> ended;
  };

  static void read(const std::shared_ptr<State>& state) {
    state->end.async_read_some(asio::buffer(state->buffer),
                               [weak = std::weak_ptr(state)](std::error_code ec, std::size_t n) {
                                 if (const auto self = weak.lock()) {
                                   self->heard.append(self->buffer, n);
                                   if (ec) {
                                     self->ended = ec;
                                   } else {
                                     read(self);
                                   }
                                 }
                               });
  }
  static void write(const std::shared_ptr<State>& state) {
    state->writing = true;
    state->end.async_write_some(asio::buffer(state->to_write),
                                [weak = std::weak_ptr(state)](std::error_code ec, std::size_t n) {
                                  if (const auto self = weak.lock()) {
                                    self->writing = false;
                                    self->to_write.erase(0, n);
                                    if (!ec && !self->to_write.empty()) {
                                      write(self);
                                    }
                                  }
                                });
  }

  std::shared_ptr<State> state_;
};

/// A server of lines, its clock, its door and its log.
struct MemoryServer {
  using Server = cowire::Server<Lines, Script, cowire::testing::ManualClock>;

  explicit MemoryServer(Script script = {}, cowire::ServerOptions options = {})
      : server(std::in_place, io.get_executor(), Lines{}, std::move(script),
               with_logger(std::move(options))) {
    server->add_listener(door);
  }

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
    Guest guest(door.connect());
    settle();
    return guest;
  }
  void settle() { ::settle(io); }

  /// Lets time pass, stopping at each timer.
  void pass(std::chrono::nanoseconds time) {
    const auto end = clock.now() + time;
    settle();
    while (clock.next() <= end) {
      clock.advance(clock.next() - clock.now());
      settle();
    }
    clock.advance(end - clock.now());
    settle();
  }

  asio::io_context io;
  cowire::testing::ManualClock clock{io};
  Records records;
  MemoryDoor door{io.get_executor()};
  std::optional<Server> server;

 private:
  cowire::ServerOptions with_logger(cowire::ServerOptions options) const {
    options.logger = records.logger();
    return options;
  }
};

/// Waits on the manual clock, inside a task. Cancellable.
inline cowire::Task<void> wait_on(asio::any_io_executor executor, std::chrono::nanoseconds time) {
  cowire::testing::ManualClock::Timer<asio::any_io_executor> timer(executor);
  timer.expires_at(cowire::testing::ManualClock::now(executor) + time);
  co_await timer.async_wait(asio::use_awaitable);
}
