// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/limits.hpp"
#include "cowire/transport.hpp"

#include <chrono>

namespace cowire {

/// What can be set of a client.
///
///     ClientOptions options;
///     options.connect_timeout = 2s;
///     Client client{executor, protocol, options};
struct ClientOptions {
  // No aggregate: g++ 12.2 would destroy the default argument twice in
  // `Client client{co_await asio::this_coro::executor, ...}`.
  ClientOptions() {}

  /// What the connection may take of memory and time. Unlike a server's, a client's idle_timeout is
  /// 0: a silent server is no error.
  Limits limits = {.idle_timeout = std::chrono::milliseconds(0)};

  /// The longest that connect() may take, name resolution included. Default 10 s; 0: no limit.
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);

  /// Where to connect from through TCP: an address of this machine, as numbers, and a port; either
  /// may be left out. Default: the system chooses.
  Endpoint local = {};

  /// If a host has several addresses: how long to wait for an answer of one before the next is
  /// tried too. Default 250 ms (RFC 8305).
  std::chrono::milliseconds happy_eyeballs_delay = std::chrono::milliseconds(250);

  /// Options of the socket. Default: TCP_NODELAY and SO_KEEPALIVE on.
  SocketOptions socket = {};
};

}  // namespace cowire
