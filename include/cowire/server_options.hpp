// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/limits.hpp"
#include "cowire/logger.hpp"
#include "cowire/transport.hpp"

#include <chrono>
#include <cstddef>

namespace cowire {

/// What can be set of a server. The defaults are safe for a public one.
///
///     ServerOptions options;
///     options.max_connections = 500;
///     options.limits.idle_timeout = 1min;
///     Server server{io, "", 9000, protocol, handler, options};
struct ServerOptions {
  // No aggregate: g++ 12.2 would destroy the default argument twice in
  // `Server server{co_await asio::this_coro::executor, ...}`.
  ServerOptions() {}

  /// What one connection may take of memory and time.
  Limits limits = {};

  /// Connections at once; above it the next ones wait unaccepted. Default 0: the smaller of 10,000
  /// and the process's limit of open files less 64.
  std::size_t max_connections = 0;

  /// How long serve() lets busy peers finish after SIGINT or SIGTERM. Default 10 s; 0: no time.
  std::chrono::milliseconds shutdown_timeout = std::chrono::seconds(10);

  /// Options of each accepted socket. Default: TCP_NODELAY and SO_KEEPALIVE on.
  SocketOptions socket = {};

  /// Connections that may wait to be accepted, at each listener. Default 128; at least 1.
  int backlog = 128;

  /// Lets several servers listen on the same port (SO_REUSEPORT), where it exists. Default off.
  bool reuse_port = false;

  /// Where log records go. Default: warnings and errors to standard error.
  Logger logger = {};

  /// Whether connects and disconnects are logged at level info; else at debug. Default true.
  bool log_connections = true;
};

}  // namespace cowire
