// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/accept_errors.hpp"
#include "cowire/detail/shard_handler.hpp"
#include "cowire/detail/stop_signals.hpp"
#include "cowire/server_thread.hpp"

#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace cowire {

/// How many threads serve, and how they share the port; made by threads().
struct Threads {
  /// At least 1.
  std::size_t count = 1;

  /// Whether all accept on copies of one socket. Else each has a listening socket of its own, and
  /// the system gives each connection to one of them (SO_REUSEPORT); where that does not exist,
  /// always.
  bool one_socket = false;

  /// The same number, all on copies of one socket: whoever is free takes the next connection.
  Threads on_one_socket() const noexcept { return {count, true}; }
};

/// The number of threads for serve() and ServerThreads: `threads(4)`. 0: one for each processor.
inline Threads threads(std::size_t count) noexcept {
  const std::size_t processors = std::max(std::thread::hardware_concurrency(), 1U);
  return {count == 0 ? processors : count, false};
}

/// A server on several threads. Each thread is a `shard`: it has its own io_context, its own Server
/// and its own handler, and serves its own connections. Nothing is shared between them but the
/// port, so handlers still need no locks; but a peer sees only the handler of its shard.
///
///     ServerThreads server{threads(4), "", 9000, protocol, handler};           // four copies
///     ServerThreads server{threads(4), "", 9000, protocol,
///                          [&](std::size_t shard) { return Handler{shard, database}; }};
///     server.start();
///     ...
///     server.shutdown(10s);
///
/// The program that does nothing else calls serve(threads(4), ...).
///
/// All shards live and end together: if one fails, or its handler asks for a shutdown, all shut
/// down. ServerOptions holds for each shard, but for max_connections, which is divided among them.
/// Its logger is called by all threads at once. What the handlers share, and the protocol, which is
/// copied too, must be thread-safe. Thread-safe like ServerThread.
template <Protocol P, class H>
class ServerThreads {
 public:
  using protocol_type = P;
  using handler_type = typename detail::ShardHandler<P, H>::type;
  using shard_type = ServerThread<P, handler_type>;

  /// Listens, as Server does, once for all shards. With port 0 the system chooses a port for all.
  ///
  /// `handler` is copied for each shard; or it is a function that makes the handler of a shard,
  /// given its number, which begins at 0.
  ///
  /// A port that another process listens on is an error, unless ServerOptions::reuse_port is set:
  /// then it gets a part of the connections.
  /// @throws Error listen_failed; and what makes the handlers throw.
  ServerThreads(Threads how, const std::string& host, std::uint16_t port, P protocol, H handler,
                const ServerOptions& options = {})
      : ServerThreads(how, std::move(protocol), std::move(handler), options) {
    if (port != 0 && tcp_.reuse_port && !options.reuse_port) {
      asio::io_context io;  // The shards would not notice somebody else who shares his port.
      (void)listen_tcp(io.get_executor(), host, port);
    }
    listen([&](const auto& executor, const TcpListenOptions& tcp) {
      return listen_tcp(executor, host, port == 0 ? this->port() : port, tcp);
    });
  }

  /// Shards that listen nowhere yet: see listen().
  ServerThreads(Threads how, P protocol, H handler, ServerOptions options = {})
      : tcp_{options.backlog, options.reuse_port} {
    const std::size_t count = std::max<std::size_t>(how.count, 1);
    if (options.max_connections == 0) {
      options.max_connections = detail::default_max_connections();
    }
    options.max_connections = (options.max_connections + count - 1) / count;
#ifdef SO_REUSEPORT
    one_socket_ = how.one_socket || count == 1;
    tcp_.reuse_port = options.reuse_port || !one_socket_;
#endif
    for (std::size_t i = 0; i < count; ++i) {
      shards_.push_back(std::make_unique<shard_type>(
          protocol, detail::make_shard_handler<P>(handler, i), options));
      shards_.back()->on_stopped_ = [this] { stopped(); };
    }
  }

  /// Has each shard listen, too, on what `open(executor, options)` returns, a vector of listeners:
  ///
  ///     ServerThreads server{threads(4), protocol, handler};
  ///     server.listen([&](const auto& executor, const TcpListenOptions& options) {
  ///       return listen_tls(executor, "", 9443, context, options);
  ///     });
  ///
  /// `open` is called for each shard, and the options let them share the port, which must not be 0;
  /// on one socket, it is called once. Before start(). If it fails, the server is of no use.
  /// @throws Error already_serving; what `open` throws; invalid_argument if several threads are to
  /// share one socket of listeners without `duplicate(executor)`, which BasicTcpListener has.
  template <class Open>
  void listen(Open open) {
    for (const auto& shard : shards_) {
      if (one_socket_ && shard != shards_.front()) {
        break;
      }
      for (auto& listener : open(shard->executor(), std::as_const(tcp_))) {
        if (one_socket_) {
          add_copies(listener);
        }
        shard->add_listener(std::move(listener));
      }
      endpoints_ = shards_.front()->local_endpoints();
    }
  }

  ServerThreads(const ServerThreads&) = delete;
  ServerThreads& operator=(const ServerThreads&) = delete;

  /// Shuts down without a deadline. Not in a thread of the server's own.
  ~ServerThreads() {
    try {
      shutdown();
    } catch (...) {  // It was for whoever calls shutdown(); the shards have logged it.
    }
  }

  /// Starts all shards, or none; returns when all accept connections. May be called again after a
  /// shutdown. @throws Error already_serving; std::system_error if there is no thread left; and
  /// what a handler's service_init threw.
  void start() {
    const auto runs = launch_all();
    bool all_up = true;
    for (std::size_t i = 0; i < size(); ++i) {
      all_up = shards_[i]->wait_until_up(runs[i]) && all_up;
    }
    if (!all_up) {
      wait_for(runs);
    }
  }

  /// Starts all shards and does not wait for them: what fails is thrown by wait() or shutdown().
  /// @throws Error already_serving; std::system_error if there is no thread left
  void launch() { (void)launch_all(); }

  /// Returns when all threads have ended, for whatever reason. @throws As shutdown().
  void wait() { wait_for(runs()); }

  /// Stops serving and returns when all threads have ended; see ServerThread::shutdown(). All
  /// shards have the same deadline.
  /// @throws Once: what ended the first shard that failed, if one did. In a thread of the server's
  /// own: std::errc::resource_deadlock_would_occur, as ServerThread.
  void shutdown(std::chrono::nanoseconds deadline = {}) {
    require_other_thread();
    wait_for(begin_shutdown(deadline));
  }

  /// Begins what shutdown() does, and returns.
  void request_shutdown(std::chrono::nanoseconds deadline = {}) { (void)begin_shutdown(deadline); }

  /// Has `f()` called, in one of the threads, when the last shard has stopped. Before start().
  void on_stopped(std::function<void()> f) { on_stopped_ = std::move(f); }

  /// The number of shards.
  std::size_t size() const noexcept { return shards_.size(); }

  /// One of them: `server.shard(0).post(f)` reaches its handler. @pre index < size()
  shard_type& shard(std::size_t index) noexcept { return *shards_[index]; }

  /// The first listener's port, and the addresses, as they were bound: they are the same for all
  /// shards. 0 if there is none.
  std::uint16_t port() const noexcept {
    return endpoints_.empty() ? std::uint16_t{0} : endpoints_.front().port;
  }
  std::vector<Endpoint> local_endpoints() const { return endpoints_; }

  /// Whether all shards accept connections. Not in a thread of the server's own, as shutdown():
  /// two shards that ask each other would wait for ever.
  bool is_serving() const {
    require_other_thread();
    return std::all_of(shards_.begin(), shards_.end(),
                       [](const auto& shard) { return shard->is_serving(); });
  }

  /// The peers that are connected, to all shards. Not in a thread of the server's own.
  std::size_t connections() const { return stats().active; }

  /// What all shards have done so far, in numbers. Not in a thread of the server's own.
  ServerStats stats() const {
    require_other_thread();
    ServerStats all;
    for (const auto& shard : shards_) {
      all = all + shard->stats();
    }
    return all;
  }

 private:
  // For all shards but the first.
  template <Listener L>
  void add_copies(L& listener) {
    for (std::size_t i = 1; i < size(); ++i) {
      if constexpr (requires { listener.duplicate(shards_[i]->executor()); }) {
        shards_[i]->add_listener(listener.duplicate(shards_[i]->executor()));
      } else {
        throw Error(errc::invalid_argument,
                    "this kind of listener cannot be shared: take threads(n) without "
                    "on_one_socket(), if the system has SO_REUSEPORT");
      }
    }
  }

  template <Protocol Q, class G>
  friend void serve(ServerThreads<Q, G>& server, std::chrono::nanoseconds patience);

  void require_other_thread() const {
    for (const auto& shard : shards_) {
      shard->require_other_thread();
    }
  }

  // The run of each shard: see ServerThread.
  using Runs = std::vector<std::size_t>;

  // All, or none. When they have stopped, `then` is called, too.
  Runs launch_all(std::function<void()> then = nullptr) {
    require_other_thread();
    std::unique_lock lock(mutex_);
    for (const auto& shard : shards_) {
      if (shard->state().is_running) {
        throw Error(errc::already_serving);
      }
    }
    is_ending_ = false;
    running_ = shards_.size();
    after_run_ = std::move(then);
    Runs runs(size());  // 0: that shard was not started.
    try {
      std::transform(shards_.begin(), shards_.end(), runs.begin(),
                     [](const auto& shard) { return shard->launch(); });
    } catch (...) {  // The system has no thread left.
      is_ending_ = true;
      after_run_ = nullptr;
      for (const auto& shard : shards_) {
        shard->request_shutdown();
      }
      lock.unlock();
      try {
        wait_for(runs);
      } catch (...) {  // What failed first is thrown.
      }
      throw;
    }
    return runs;
  }

  Runs begin_shutdown(std::chrono::nanoseconds deadline) {
    if (std::any_of(shards_.begin(), shards_.end(),
                    [](const auto& shard) { return shard->is_acting_here(); })) {
      return Runs(size());  // It does not run.
    }
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
    Runs runs;
    for (const auto& shard : shards_) {
      runs.push_back(shard->begin_shutdown(deadline));
    }
    return runs;
  }

  Runs runs() {
    require_other_thread();
    const std::lock_guard lock(mutex_);
    Runs runs;
    for (const auto& shard : shards_) {
      runs.push_back(shard->state().run);
    }
    return runs;
  }

  void wait_for(const Runs& runs) {
    require_other_thread();
    std::exception_ptr failure;
    for (std::size_t i = 0; i < size(); ++i) {
      try {
        shards_[i]->wait(runs[i]);
      } catch (...) {
        failure = failure ? failure : std::current_exception();
      }
    }
    if (failure) {
      std::rethrow_exception(failure);
    }
  }

  // In the thread of a shard that has stopped.
  void stopped() {
    {
      const std::lock_guard lock(mutex_);
      if (!std::exchange(is_ending_, true)) {
        for (const auto& shard : shards_) {
          shard->request_shutdown();
        }
      }
    }
    if (--running_ == 0) {
      for (const auto* f : {&on_stopped_, &after_run_}) {
        if (*f) {
          (*f)();
        }
      }
    }
  }

  TcpListenOptions tcp_;
  bool one_socket_ = true;
  std::vector<std::unique_ptr<shard_type>> shards_;
  std::vector<Endpoint> endpoints_;
  std::function<void()> on_stopped_;
  std::function<void()> after_run_;
  // Held while shards are started and asked to stop; before those of theirs. So not by an f() that
  // was posted to a shard while nothing runs, and is called under that shard's.
  std::mutex mutex_;
  bool is_ending_ = false;
  std::atomic<std::size_t> running_ = 0;
};

/// Serves on several threads until SIGINT or SIGTERM, for programs that have more to say of the
/// server than the one below lets them. As the other serve(): the first signal drains all threads
/// for `patience`, a second one ends them at once. Blocks; the calling thread only waits for
/// signals.
/// @throws What ended the first thread that failed, after all have ended; Error already_serving.
template <Protocol P, class H>
void serve(ServerThreads<P, H>& server, std::chrono::nanoseconds patience) {
  asio::io_context io(1);
  detail::StopSignals signals(
      io, [&] { server.request_shutdown(patience); }, [&] { server.request_shutdown(); });
  const auto runs = server.launch_all([&] { asio::post(io, [&] { signals.cancel(); }); });
  io.run();
  server.wait_for(runs);
}

/// The same, with 10 seconds of patience.
template <Protocol P, class H>
void serve(ServerThreads<P, H>& server) {
  serve(server, std::chrono::seconds(10));
}

/// Serves TCP on several threads until SIGINT or SIGTERM:
///
///     int main() { cowire::serve(cowire::threads(4), "", 9000, protocol, Echo{}); }
///
/// See ServerThreads for what the threads share, and for handlers that a function makes. Busy peers
/// may finish for ServerOptions::shutdown_timeout.
/// @throws Error listen_failed; what ended the first thread that failed, after all have ended.
template <Protocol P, class H>
void serve(Threads how, const std::string& host, std::uint16_t port, P protocol, H handler,
           const ServerOptions& options = {}) {
  ServerThreads<P, H> server(how, host, port, std::move(protocol), std::move(handler), options);
  serve(server, options.shutdown_timeout);
}

}  // namespace cowire
