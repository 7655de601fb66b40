// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/clock.hpp"
#include "cowire/detail/server_state.hpp"
#include "cowire/detail/to_executor.hpp"
#include "cowire/handler.hpp"
#include "cowire/limits.hpp"
#include "cowire/logger.hpp"
#include "cowire/protocol.hpp"
#include "cowire/server_stats.hpp"
#include "cowire/task.hpp"
#include "cowire/transport.hpp"
#include "cowire/transports/tcp.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/co_spawn.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace cowire {

/// Talks typed packets with many peers, each served by the handler's generators.
///
///     asio::io_context io;
///     Server server{io, "localhost", 9000, StreamProtocol{LineSerializer{}}, Echo{}};
///     asio::co_spawn(io, server.serve_forever(), asio::detached);
///     io.run();
///
/// The constructor binds and listens: peers may connect, and wait. `start` runs the handler's
/// service_init and begins to accept; `serve_forever` does that and returns when the server has
/// been shut down. Then it may serve again, on the same address.
///
/// All of it, handler included, runs on one executor, which must run one piece of work at a time
/// (an io_context with one thread, or a strand). The handler needs no locks. Nothing here is
/// thread-safe except what Peer says of itself: on a strand, spawn the server's tasks there too
/// (`co_spawn(strand, server.serve_forever(), ...)`).
///
/// The destructor closes everything at once: handlers are destroyed where they are suspended (those
/// that await a task or operation of Asio's when that has ended), and on_disconnection is not
/// called. Await shutdown() before for an orderly end. Tasks of the handler's that are suspended
/// end when the executor runs next, or is destroyed; the handler lives that long.
template <Protocol P, class H, class C = SteadyClock>
class Server {
  static_assert(detail::check_handler<H, P>());

 public:
  using protocol_type = P;
  using handler_type = H;

  /// Listens on every address of a host, "" being all interfaces, through TCP. With port 0 the
  /// system chooses a port: see port(). Blocks while a name is resolved.
  ///
  /// `executor` is an executor or an execution context, such as an asio::io_context. With the
  /// latter the executor's type is known and packets pass without type erasure.
  /// @throws Error listen_failed; then nothing listens.
  template <class ExecutorOrContext>
  Server(ExecutorOrContext&& executor, const std::string& host, std::uint16_t port, P protocol,
         H with_handler, ServerOptions options = {})
      : Server(detail::to_executor(executor), std::move(protocol), std::move(with_handler),
               std::move(options)) {
    for (auto& listener :
         listen_tcp(detail::to_executor(executor), host, port, state_->tcp_options())) {
      add_listener(std::move(listener));
    }
  }

  /// A server that listens nowhere yet: see add_listener().
  Server(const asio::any_io_executor& executor, P protocol, H with_handler,
         ServerOptions options = {})
      : state_(std::make_shared<State>(executor, std::move(protocol), std::move(with_handler),
                                       std::move(options))) {}

  Server(Server&& other) noexcept = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    if (state_ != nullptr) {
      state_->abandon();
    }
  }

  /// Serves the connections of one more listener, of any transport, with the same handler.
  /// @throws Error already_serving
  template <Listener L>
  void add_listener(L listener) {
    state_->add_listener(std::move(listener));
  }

  /// Runs the handler's service_init and begins to accept.
  /// @throws Error already_serving, server_closed; and what service_init throws.
  /// @cancellation Cancels service_init; then the server does not serve.
  Task<void> start() { return State::start(state_); }

  /// Starts, if that was not done, and returns when the server has been shut down, or when it has
  /// stopped listening and the last peer has left.
  /// @throws Error already_serving, server_closed; what service_init or a background task threw.
  /// @cancellation Shuts the server down without a deadline, then throws operation_aborted.
  Task<void> serve_forever() { return State::serve_forever(state_); }

  /// Whether connections are accepted.
  bool is_serving() const noexcept { return state_->is_serving(); }

  /// Whether there is an open listener: peers may connect, be it to wait.
  bool is_listening() const noexcept { return state_->is_listening(); }

  /// The addresses listened on. Empty after stop_listening().
  std::vector<Endpoint> local_endpoints() const { return state_->local_endpoints(); }

  /// The first listener's port; 0 if there is none.
  std::uint16_t port() const {
    const auto endpoints = state_->local_endpoints();
    return endpoints.empty() ? std::uint16_t{0} : endpoints.front().port;
  }

  /// The sockets listened on, in the order of local_endpoints(), for their options; -1 for one that
  /// has none. Do not close or read them. (The `sockets` of asyncio.Server.)
  std::vector<int> native_handles() const { return state_->native_handles(); }

  /// The peers that are connected; also one whose TLS handshake failed, until it is gone.
  std::size_t connections() const noexcept { return state_->connections(); }

  /// What the server has done so far, in numbers: for logs and monitoring.
  ServerStats stats() const noexcept { return state_->stats(); }

  /// Closes the listeners. Connected peers are served on; serve_forever() returns when the last of
  /// them has left. May be repeated, and called by a handler. The server cannot serve again.
  void stop_listening() { state_->stop_listening(); }

  /// Closes the listeners, and the connections as shutdown() without a deadline does, but does not
  /// wait: see wait_closed(). May be repeated. The server cannot serve again.
  void close() { state_->close(); }

  /// Waits until the server does not serve and no peer is connected.
  /// @cancellation Ends the wait only.
  Task<void> wait_closed() { return State::wait_stopped(state_); }

  /// Stops serving and waits until that is done. In this order: nobody is accepted any more; peers
  /// that are idle are closed; the others may finish their request until the deadline; then their
  /// handlers are cancelled (errc::cancelled is thrown where they wait), each on_disconnection runs
  /// and what is queued is sent. Who is not ready within Limits::close_timeout is cut off; the
  /// others wait as long again for their peers' end. Last, the background tasks are cancelled and
  /// the at_exit functions called.
  ///
  /// The listeners stay open: peers may connect and wait, and the server may serve again. Does
  /// nothing if the server does not serve. May be called several times at once; an earlier deadline
  /// wins. Not to be awaited by a handler: see Service::request_shutdown().
  /// @cancellation Ends the wait only: the server goes on stopping.
  Task<void> shutdown(std::chrono::nanoseconds deadline = {}) {
    return State::shutdown(state_, deadline);
  }

  /// Begins what shutdown() does, and returns.
  void request_shutdown(std::chrono::nanoseconds deadline = {}) {
    state_->request_shutdown(deadline);
  }

  /// The handler, for what it offers to the rest of the program.
  H& handler() noexcept { return state_->handler; }

 private:
  using State = detail::ServerState<P, H, C>;

  std::shared_ptr<State> state_;
};

}  // namespace cowire
