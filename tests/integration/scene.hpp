// SPDX-License-Identifier: BSL-1.0
// The behaviour suite's stage: one server on the manual clock, raw clients, what was logged. The
// same tests run over every transport.
#pragma once

#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"
#include "cowire/testing/manual_clock.hpp"
#include "cowire/transports/memory.hpp"
#include "cowire/transports/tcp.hpp"
#include "support/records.hpp"
#include "support/run.hpp"

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;
using Line = std::string;
using Client = cowire::Peer<Line>;
using Requests = cowire::Generator<Line>;
using Received = cowire::Result<Line>;
using cowire::testing::ManualClock;

/// A transport of the suite: how a server listens, and how a raw client connects to it.
class OverMemory {
 public:
  using End = cowire::BasicMemoryTransport<ManualClock>;

  explicit OverMemory(asio::io_context& io) : door_(io.get_executor()) {}

  template <class Server>
  void listen(Server& server) {
    server.add_listener(door_);
  }
  End connect() { return door_.connect(); }

 private:
  cowire::BasicMemoryListener<ManualClock> door_;
};

class OverTcp {
 public:
  using End = cowire::TcpTransport;

  explicit OverTcp(asio::io_context& io) : io_(&io) {}

  template <class Server>
  void listen(Server& server) {
    for (auto& listener : cowire::listen_tcp(io_->get_executor(), "127.0.0.1", 0)) {
      port_ = listener.local_endpoint().port;
      server.add_listener(std::move(listener));
    }
  }
  End connect() {
    const asio::ip::tcp::endpoint to(asio::ip::address_v4::loopback(), port_);
    asio::ip::tcp::socket socket(*io_);
    socket.connect(to);
    socket.set_option(asio::ip::tcp::no_delay(true));  // Else bytes wait for acknowledgements.
    return End(std::move(socket), to);
  }

 private:
  asio::io_context* io_;
  std::uint16_t port_ = 0;
};

/// A test of the contract, for each transport `Net`: a further transport is one more type here.
#define CONTRACT_TEST(name) TEST_CASE_TEMPLATE(name, Net, OverMemory, OverTcp)

TYPE_TO_STRING(OverMemory);
TYPE_TO_STRING(OverTcp);

/// The client's side of a connection, bytes only: remembers what it hears.
template <class End>
class RawClient {
 public:
  explicit RawClient(End end) : state_(std::make_shared<State>(std::move(end))) {}

  /// Reads from now on.
  RawClient& listen() {
    if (!state_->reading) {
      read(state_);
    }
    return *this;
  }

  void say(std::string_view bytes) {
    state_->to_write += bytes;
    write_on(state_);
  }

  /// Ends the output, after everything was said, and goes on hearing.
  void half_close() {
    state_->ending = true;
    write_on(state_);
  }
  void close() { state_->end.close(); }
  void reset() { state_->end.abort(); }

  const std::string& heard() const { return state_->heard; }
  bool has_heard(std::string_view text) const {
    return state_->heard.find(text) != std::string::npos;
  }
  std::size_t unsaid() const { return state_->to_write.size() - state_->written; }

  /// Whether the server's end was seen, be it a reset.
  bool has_ended() const { return state_->ended.has_value(); }
  bool ended_cleanly() const { return state_->ended == asio::error::eof; }

 private:
  struct State {
    explicit State(End given) : end(std::move(given)) {}
    End end;
    std::string heard;
    std::string to_write;
    std::size_t written = 0;
    char buffer[16 * 1024] = {};
    bool reading = false;
    bool writing = false;
    bool ending = false;
    std::optional<std::error_code> ended;
  };

  static void read(const std::shared_ptr<State>& state) {
    state->reading = true;
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

  static void write_on(const std::shared_ptr<State>& state) {
    if (state->writing) {
      return;
    }
    if (state->written == state->to_write.size()) {
      if (std::exchange(state->ending, false)) {
        std::error_code ignored;
        state->end.shutdown_send(ignored);
      }
      return;
    }
    state->writing = true;
    // A copy: more may be said meanwhile.
    const auto bytes = std::make_shared<std::string>(state->to_write.substr(state->written));
    state->end.async_write_some(asio::buffer(*bytes), [weak = std::weak_ptr(state), bytes](
                                                          std::error_code ec, std::size_t n) {
      if (const auto self = weak.lock()) {
        self->writing = false;
        self->written += n;
        if (!ec) {
          write_on(self);
        }
      }
    });
  }

  std::shared_ptr<State> state_;
};

/// A handler whose every part a test can exchange. `Opening` is what its on_connection returns.
template <class Opening = void>
struct Script {
  std::function<Requests(Client&)> talk = nullptr;
  std::function<Opening(Client&)> hello = nullptr;
  std::function<cowire::Task<void>(Client&)> bye = nullptr;
  std::function<void(cowire::Service&)> init = nullptr;

  Requests handle(Client& client) { return talk ? talk(client) : echo(client); }
  Opening on_connection(Client& client) { return hello ? hello(client) : nothing(client); }
  cowire::Task<void> on_disconnection(Client& client) {
    if (bye) {
      co_await bye(client);
    }
  }
  void service_init(cowire::Service& service) {
    if (init) {
      init(service);
    }
  }

  static Requests echo(Client& client) {
    const Line line = co_yield {};
    client.send_packet(line);
  }

 private:
  static Opening nothing(Client&) {
    if constexpr (!std::is_void_v<Opening>) {
      co_return;
    }
  }
};
template <>
inline void Script<void>::nothing(Client&) {}

/// A destructor that can be seen: stands for a generator's local variables.
class Farewell {
 public:
  Farewell(std::string& journal, std::string word) : journal_(&journal), word_(std::move(word)) {}
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;
  ~Farewell() { *journal_ += word_; }

 private:
  std::string* journal_;
  std::string word_;
};

/// Waits on the manual clock, inside a task. Cancellable.
inline cowire::Task<void> wait_on(asio::any_io_executor executor, std::chrono::nanoseconds time) {
  ManualClock::Timer<asio::any_io_executor> timer(executor);
  timer.expires_at(ManualClock::now(executor) + time);
  co_await timer.async_wait(asio::use_awaitable);
}

/// A serving server and all that a test needs of it.
template <class Net, class H = Script<>, class P = Lines>
class Scene {
 public:
  using Server = cowire::Server<P, H, ManualClock>;
  using Guest = RawClient<typename Net::End>;

  explicit Scene(H handler = H(), const cowire::ServerOptions& options = {}, P protocol = P())
      : server(io.get_executor(), std::move(protocol), std::move(handler), with_logger(options)) {
    net.listen(server);
    serving = spawn(io, server.serve_forever());
    settle();
  }
  ~Scene();

  /// Connects. The guest hears what comes.
  Guest guest() {
    Guest guest(net.connect());
    guest.listen();
    settle();
    return guest;
  }
  /// Connects; the guest hears nothing until it is told to listen().
  Guest silent_guest() {
    Guest guest(net.connect());
    settle();
    return guest;
  }

  /// Runs until the condition holds, some real seconds at most. @returns Whether it holds.
  template <class Condition>
  bool until(Condition condition) {
    return run_until(io, condition);
  }
  bool until_heard(const Guest& guest, std::string_view text) {
    return until([&] { return guest.has_heard(text) || guest.has_ended(); }) &&
           guest.has_heard(text);
  }
  bool until_ended(const Guest& guest) {
    return until([&] { return guest.has_ended(); });
  }
  bool until_empty() {
    return until([&] { return server.connections() == 0; });
  }

  /// Runs what can run without waiting.
  void settle() {
    do {
      io.restart();
    } while (io.poll() != 0);
  }

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

  asio::io_context io{1};
  ManualClock clock{io};
  Records records;
  Net net{io};
  Server server;
  std::shared_ptr<Outcome> serving;

 private:
  cowire::ServerOptions with_logger(cowire::ServerOptions options) const {
    options.logger = records.logger();
    return options;
  }
};

template <class Net, class H, class P>
Scene<Net, H, P>::~Scene() = default;

// The usual stages are compiled once, in scene.cpp.
extern template class cowire::Server<Lines, Script<>, ManualClock>;
extern template class Scene<OverMemory>;
extern template class Scene<OverTcp>;
