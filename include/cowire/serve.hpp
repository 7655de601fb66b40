// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/stop_signals.hpp"
#include "cowire/server.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>

namespace cowire {

/// Serves until SIGINT or SIGTERM, for servers that were made by hand, with several listeners say:
///
///     asio::io_context io;
///     Server server{io.get_executor(), protocol, Echo{}};
///     server.add_listener(UnixListener(io.get_executor(), "/run/my.sock"));
///     serve(io, server);
///
/// The first signal drains: nobody is accepted any more, idle peers are closed, busy ones may
/// finish for `patience`. A second one ends them at once. Returns when all have ended. Blocks, and
/// runs the context on the calling thread.
/// @throws what the handler's service_init or background work threw; Error already_serving,
/// server_closed.
template <Protocol P, class H>
void serve(asio::io_context& io, Server<P, H>& server,
           std::chrono::nanoseconds patience = std::chrono::seconds(10)) {
  detail::StopSignals signals(
      io, [&] { server.request_shutdown(patience); }, [&] { server.request_shutdown(); });
  std::exception_ptr failure;
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

/// Serves TCP until SIGINT or SIGTERM: the whole program in one call.
///
///     int main() {
///       cowire::StreamProtocol protocol{cowire::LineSerializer{}};
///       cowire::serve("127.0.0.1", 9000, protocol, Echo{});
///     }
///
/// As above; busy peers may finish for ServerOptions::shutdown_timeout.
/// @throws Error listen_failed; what the handler's service_init or background work threw.
template <Protocol P, class H>
void serve(const std::string& host, std::uint16_t port, P protocol, H handler,
           ServerOptions options = {}) {
  const auto patience = options.shutdown_timeout;
  asio::io_context io(1);
  Server<P, H> server(io, host, port, std::move(protocol), std::move(handler), std::move(options));
  serve(io, server, patience);
}

}  // namespace cowire
