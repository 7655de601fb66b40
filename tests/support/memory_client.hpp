// SPDX-License-Identifier: BSL-1.0
// A client of lines on the in-memory transport and the manual clock, and the raw other end.
#pragma once

#include "cowire/client.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/testing/manual_clock.hpp"
#include "cowire/transports/memory.hpp"
#include "support/manual_time.hpp"
#include "support/raw_end.hpp"
#include "support/run.hpp"
#include "support/thrown.hpp"

#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;
using MemoryEnd = cowire::BasicMemoryTransport<cowire::testing::ManualClock>;

/// What a receive, or a loop of them, has given so far.
struct Reception {
  std::vector<std::string> packets;
  std::shared_ptr<Outcome> outcome;

  bool done() const { return outcome->done; }
  std::error_code code() const { return outcome->code(); }
};

/// Keeps a function alive while the task it returns runs.
template <class F>
cowire::Task<void> keep(F function) {
  co_await function();
}

/// Starts a lambda that returns a Task.
template <class F>
std::shared_ptr<Outcome> start(asio::io_context& io, F function) {
  return spawn(io, keep(std::move(function)));
}

template <class Client>
cowire::Task<void> receive_one(Client& client, cowire::RecvParams params,
                               std::shared_ptr<Reception> into) {
  const auto packet = co_await client.recv_packet(params);
  into->packets.emplace_back(packet);
}
template <class Client>
cowire::Task<void> receive_all(Client& client, std::shared_ptr<Reception> into) {
  for (;;) {
    const auto packet = co_await client.next_packet();
    if (!packet) {
      co_return;
    }
    into->packets.emplace_back(*packet);
  }
}

/// Starts one recv_packet.
template <class Client>
std::shared_ptr<Reception> receive(asio::io_context& io, Client& client,
                                   cowire::RecvParams params = {}) {
  auto reception = std::make_shared<Reception>();
  reception->outcome = spawn(io, receive_one(client, params, reception));
  return reception;
}
/// Starts a loop of next_packet.
template <class Client>
std::shared_ptr<Reception> receive_to_end(asio::io_context& io, Client& client) {
  auto reception = std::make_shared<Reception>();
  reception->outcome = spawn(io, receive_all(client, reception));
  return reception;
}

template <cowire::Protocol P = Lines>
struct BasicMemoryClient {
  using Client = cowire::Client<P, cowire::testing::ManualClock>;

  explicit BasicMemoryClient(cowire::ClientOptions options = {},
                             const cowire::MemoryOptions& from_client = {},
                             const cowire::MemoryOptions& from_server = {}) {
    auto ends = MemoryEnd::pair(io.get_executor(), from_client, from_server);
    server.emplace(std::move(ends.second));
    client.emplace(std::move(ends.first), P{}, std::move(options));
  }

  Client* operator->() { return &*client; }

  std::shared_ptr<Reception> receive(cowire::RecvParams params = {}) {
    auto reception = begin_receive(params);
    settle();
    return reception;
  }
  std::shared_ptr<Reception> begin_receive(cowire::RecvParams params = {}) {
    return ::receive(io, *client, params);
  }
  std::shared_ptr<Reception> receive_to_end() {
    auto reception = ::receive_to_end(io, *client);
    settle();
    return reception;
  }
  void hear(const std::string& bytes) {
    server->write(bytes);
    settle();
  }
  void settle() { ::settle(io); }

  /// Calls a function where the client may be used: inside a turn of the executor.
  template <class F>
  void in_turn(F function) {
    asio::post(io, [&] { function(); });
    settle();
  }

  /// More than the transport and the output queue's marks hold.
  static constexpr std::size_t much = 20 * 60'001;
  void send_much() {
    in_turn([&] {
      for (int i = 0; i < 20; ++i) {
        client->send_packet(std::string(60'000, 'x'));
      }
    });
  }

  /// What a send throws.
  std::optional<cowire::Error> refused(const std::string& packet) {
    std::optional<cowire::Error> error;
    in_turn([&] { error = thrown([&] { client->send_packet(packet); }); });
    return error;
  }

  void pass(std::chrono::nanoseconds time) { pass_time(io, clock, time); }

  asio::io_context io;
  cowire::testing::ManualClock clock{io};
  std::optional<RawEnd<MemoryEnd>> server;
  std::optional<Client> client;
};
using MemoryClient = BasicMemoryClient<>;
