// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/server.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <csignal>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>

namespace cowire {

/// Serves until SIGINT or SIGTERM: the whole program in one call.
///
///     int main() {
///       cowire::StreamProtocol protocol{cowire::LineSerializer{}};
///       cowire::serve("127.0.0.1", 9000, protocol, Echo{});
///     }
///
/// The first signal drains: nobody is accepted any more, idle peers are closed, busy ones may
/// finish for ServerOptions::shutdown_timeout. A second one ends them at once. Returns when all
/// have ended. Blocks, and runs everything, on the calling thread.
/// @throws Error listen_failed; what the handler's service_init or background work threw.
template <Protocol P, class H>
void serve(const std::string& host, std::uint16_t port, P protocol, H handler,
           ServerOptions options = {}) {
  const auto patience = options.shutdown_timeout;
  asio::io_context io(1);
  Server<P, H> server(io, host, port, std::move(protocol), std::move(handler), std::move(options));
  asio::signal_set signals(io, SIGINT, SIGTERM);
  std::exception_ptr failure;

  signals.async_wait([&](std::error_code first, int) {
    if (first) {
      return;
    }
    server.request_shutdown(patience);
    signals.async_wait([&](std::error_code second, int) {
      if (!second) {
        server.request_shutdown();
      }
    });
  });
  asio::co_spawn(io, server.serve_forever(), [&](std::exception_ptr error) {
    failure = error;
    signals.cancel();
    io.stop();  // Everything has ended, unless a task ignores its cancellation.
  });
  io.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
}

}  // namespace cowire
