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
  /// What the connection may take of memory and time. Unlike a server's, a client's idle_timeout is
  /// 0: a silent server is no error.
  Limits limits = {.idle_timeout = std::chrono::milliseconds(0)};

  /// The longest that connect() may take, name resolution included. Default 10 s; 0: no limit.
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);

  /// Options of the socket. Default: TCP_NODELAY and SO_KEEPALIVE on.
  SocketOptions socket = {};
};

}  // namespace cowire
