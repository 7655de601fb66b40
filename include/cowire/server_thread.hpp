// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/server.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace cowire {

/// A server in a thread of its own, for programs that do something else, and for tests.
///
///     ServerThread server{"127.0.0.1", 0, StreamProtocol{LineSerializer{}}, Echo{}};
///     server.start();
///     SyncClient client{"127.0.0.1", server.port(), StreamProtocol{LineSerializer{}}};
///     ...
///     server.shutdown();
///
/// The constructor binds and listens: peers may connect, and wait. The handler runs in the server's
/// thread only, from start() to shutdown(), and needs no locks.
///
/// All functions may be called from any thread. Those that ask the server something are answered by
/// its thread: they wait while a handler computes, and may be called by handlers too. What would
/// wait for the thread's own end throws there instead: shutdown().
///
/// The destructor shuts down without a deadline. It must not run in the server's own thread.
template <Protocol P, class H>
class ServerThread {
 public:
  using protocol_type = P;
  using handler_type = H;
  using server_type = Server<P, H>;

  /// Listens, as Server does. @throws Error listen_failed; then nothing listens.
  ServerThread(const std::string& host, std::uint16_t port, P protocol, H handler,
               ServerOptions options = {})
      : server_(io_, host, port, std::move(protocol), std::move(handler), std::move(options)) {}

  /// A server that listens nowhere yet: see add_listener().
  ServerThread(P protocol, H handler, ServerOptions options = {})
      : server_(io_.get_executor(), std::move(protocol), std::move(handler), std::move(options)) {}

  ServerThread(const ServerThread&) = delete;
  ServerThread& operator=(const ServerThread&) = delete;
  ~ServerThread() {
    try {
      shutdown();
    } catch (...) {  // It was for whoever calls shutdown(); the server has logged it.
    }
  }

  /// The executor of the thread, for listeners: `add_listener(UnixListener(executor(), path))`.
  asio::io_context::executor_type executor() { return io_.get_executor(); }

  /// Serves the connections of one more listener, which must be made with executor(). Before
  /// start(). @throws Error already_serving
  template <Listener L>
  void add_listener(L listener) {
    call([&listener](server_type& server) { server.add_listener(std::move(listener)); });
  }

  /// Starts the thread, and returns when the server accepts connections. May be called again after
  /// the server has stopped: the listeners stay open between two runs.
  /// @throws Error already_serving; server_closed; what the handler's service_init threw.
  void start() {
    const std::size_t run = launch();
    if (!wait_until_up(run)) {
      wait(run);
    }
  }

  /// Whether connections are accepted.
  bool is_serving() const {
    return call([](const server_type& server) { return server.is_serving(); });
  }

  /// The addresses listened on.
  std::vector<Endpoint> local_endpoints() const {
    return call([](const server_type& server) { return server.local_endpoints(); });
  }

  /// The first listener's port; 0 if there is none.
  std::uint16_t port() const {
    return call([](const server_type& server) { return server.port(); });
  }

  /// The sockets listened on: see Server::native_handles().
  std::vector<int> native_handles() const {
    return call([](const server_type& server) { return server.native_handles(); });
  }

  /// The peers that are connected.
  std::size_t connections() const {
    return call([](const server_type& server) { return server.connections(); });
  }

  /// What the server has done so far, in numbers.
  ServerStats stats() const {
    return call([](const server_type& server) { return server.stats(); });
  }

  /// Calls `f(server)`, with a Server&, in the server's thread, or at once if that does not run:
  ///
  ///     std::size_t peers = server.post([](auto& s) { return s.handler().peers(); }).get();
  ///
  /// Everything that was posted is called, be it after the last connection has ended. The future
  /// holds the result, or what f threw. @pre A handler does not wait for the future.
  template <class F>
  std::future<std::invoke_result_t<F&, server_type&>> post(F f) {
    return post_to(*this, std::move(f));
  }

  /// Begins what shutdown() does, and returns. Does nothing if the server does not run.
  void request_shutdown(std::chrono::nanoseconds deadline = {}) { (void)begin_shutdown(deadline); }

  /// Stops serving, as Server::shutdown() does, and returns when the thread has ended. Also if the
  /// server has ended by itself, or does not run. May be called by several threads at once; an
  /// earlier deadline wins.
  /// @throws Once: what ended the server, if something did (a background task or the accepting
  /// failed). std::errc::resource_deadlock_would_occur, as Error, in the server's own thread:
  /// handlers call Service::request_shutdown().
  void shutdown(std::chrono::nanoseconds deadline = {}) {
    require_other_thread();
    wait(begin_shutdown(deadline));
  }

 private:
  template <Protocol, class>
  friend class ServerThreads;

  void require_other_thread() const {
    if (is_own_thread()) {
      ErrorContext context;
      context.detail =
          "this was called by the server's own thread, whose end or start it waits for: "
          "call request_shutdown()";
      throw Error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                  std::move(context));
    }
  }

  bool is_own_thread() const noexcept { return thread_id_ == std::this_thread::get_id(); }

  // Calls f(server) and waits for its result. Also for those who only look: the thread that answers
  // them runs what was posted before.
  template <class F>
  auto call(F f) const {
    auto& self = const_cast<ServerThread&>(*this);
    return is_own_thread() ? f(self.server_) : post_to(self, std::ref(f)).get();
  }

  template <class F>
  static auto post_to(ServerThread& self, F f) {
    using Result = std::invoke_result_t<F&, server_type&>;
    std::packaged_task<Result(server_type&)> task(std::move(f));
    auto future = task.get_future();
    if (self.is_acting_here()) {
      task(self.server_);
      return future;
    }
    const std::lock_guard lock(self.mutex_);
    if (self.is_running()) {
      enqueue(self, [&self, task = std::move(task)]() mutable { task(self.server_); });
    } else {
      self.thread_id_ = std::this_thread::get_id();
      task(self.server_);
      self.thread_id_ = std::thread::id();
    }
    return future;
  }

  // Whether the caller is called by an f() that was posted while no thread ran.
  bool is_acting_here() const noexcept { return is_own_thread() && !is_running(); }

  // Has f() called in the server's thread, which does not end before. @pre The mutex is locked.
  template <class F>
  static void enqueue(ServerThread& self, F f) {
    ++self.enqueued_;
    asio::post(self.io_, [&self, f = std::move(f)]() mutable {
      f();
      const std::lock_guard lock(self.mutex_);
      --self.enqueued_;
    });
  }

  // Runs are numbered: whoever waits for the end of one need not see it before the next begins.
  bool is_running() const noexcept { return run_ != ended_; }

  // Starts the thread. @returns The run.
  std::size_t launch() {
    if (is_acting_here()) {
      require_other_thread();  // The mutex is locked.
    }
    const std::lock_guard lock(mutex_);
    if (is_running()) {
      throw Error(errc::already_serving);
    }
    if (thread_.joinable()) {  // Of a run that has ended by itself.
      thread_.join();
    }
    failure_ = nullptr;
    io_.restart();
    thread_ = std::thread([this] { run(); });  // Waits for the mutex.
    ++run_;
    asio::co_spawn(io_, serve(), [this](const std::exception_ptr& error) {
      fail(error);
      io_.stop();  // Everything has ended, unless a task ignores its cancellation.
    });
    return run_;
  }

  Task<void> serve() {
    co_await server_.start();
    if (!server_.is_serving()) {
      co_return;  // Shut down by then.
    }
    {
      const std::lock_guard lock(mutex_);
      up_ = run_;
      changed_.notify_all();
    }
    co_await server_.serve_forever();
  }

  void run() {
    std::unique_lock lock(mutex_);
    thread_id_ = std::this_thread::get_id();
    lock.unlock();
    while (!run_guarded([this] { io_.run(); })) {
    }
    if (on_stopped_) {
      on_stopped_();
    }
    lock.lock();
    while (enqueued_ != 0) {  // Not until nothing is left: a task may never end.
      lock.unlock();
      io_.restart();
      run_guarded([this] { io_.run_one(); });
      lock.lock();
    }
    thread_id_ = std::thread::id();
    ended_ = run_;
    changed_.notify_all();
  }

  // What is thrown in there comes out of a function that somebody has posted to the executor.
  template <class Run>
  bool run_guarded(Run run) {
    try {
      run();
      return true;
    } catch (...) {
      fail(std::current_exception());
      server_.request_shutdown();
      return false;
    }
  }

  void fail(const std::exception_ptr& error) {
    const std::lock_guard lock(mutex_);
    failure_ = failure_ ? failure_ : error;
  }

  struct RunState {
    std::size_t run;
    bool is_running;
  };
  RunState state() {
    if (is_acting_here()) {
      require_other_thread();  // The mutex is locked.
    }
    const std::lock_guard lock(mutex_);
    return {run_, is_running()};
  }

  // @returns The run that it ends, or the last one.
  std::size_t begin_shutdown(std::chrono::nanoseconds deadline) {
    if (is_acting_here()) {
      return run_;  // It does not run, and the mutex is locked.
    }
    const std::lock_guard lock(mutex_);
    if (is_running()) {
      enqueue(*this, [this, deadline] { server_.request_shutdown(deadline); });
    }
    return run_;
  }

  // False if it has ended before.
  bool wait_until_up(std::size_t run) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, run] { return up_ >= run || ended_ >= run; });
    return up_ >= run;
  }

  // Waits for the end of the thread, and tells why it ended.
  void wait(std::size_t run) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, run] { return ended_ >= run; });
    if (is_running()) {
      return;  // Somebody was quick to start the next one.
    }
    if (thread_.joinable()) {
      thread_.join();
    }
    const std::exception_ptr failure = std::exchange(failure_, nullptr);
    lock.unlock();
    if (failure) {
      std::rethrow_exception(failure);
    }
  }

  asio::io_context io_{1};
  server_type server_;  // Belongs to the thread while that runs.
  std::mutex mutex_;    // The members below.
  std::condition_variable changed_;
  std::thread thread_;
  std::exception_ptr failure_;
  std::size_t enqueued_ = 0;
  std::size_t run_ = 0;               // The last one that was started,
  std::size_t up_ = 0;                // that accepted connections,
  std::size_t ended_ = 0;             // and whose thread has ended.
  std::function<void()> on_stopped_;  // Called by the thread when the server has stopped.
  std::atomic<std::thread::id> thread_id_{};
};

}  // namespace cowire
