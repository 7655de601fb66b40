// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/task_group.hpp"
#include "cowire/transport.hpp"

#include <asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace cowire {

namespace detail {

// What a handler may ask of its server, without the server's type.
class ServerControl {
 public:
  virtual std::vector<Endpoint> local_endpoints() const = 0;
  virtual std::size_t connections() const noexcept = 0;
  virtual void stop_listening() = 0;
  virtual void request_shutdown(std::chrono::nanoseconds deadline) = 0;
  virtual void background_failed(std::exception_ptr error, bool was_left_behind) = 0;
  virtual std::shared_ptr<ServerControl> shared_control() = 0;

 protected:
  ~ServerControl() = default;
};

}  // namespace detail

/// What a handler's `service_init` is given: the server, and a place for what must live as long as
/// the server serves.
///
///     Task<void> service_init(Service& service) {
///       service.spawn(tick());                              // cancelled at the end
///       service.at_exit([this] { database_.close(); });     // called at the end, last one first
///       co_return;
///     }
///
/// At that time the server listens already, and accepts nobody yet. Valid until the last at_exit
/// function has returned; belongs to the server's executor.
class Service {
 public:
  Service(detail::ServerControl& server, const asio::any_io_executor& executor)
      : server_(&server), executor_(executor), tasks_(executor) {}

  asio::any_io_executor executor() const { return executor_; }

  /// Starts background work: a Task<void>, or a function that makes one. If it throws, the server
  /// logs that and shuts down.
  template <class Work>
  void spawn(Work work) {
    tasks_.spawn(guarded(server_->shared_control(), run_, std::move(work)));
  }

  /// Has `f()` called when all connections have ended and the background work too.
  void at_exit(std::function<void()> f) { exits_.push_back(std::move(f)); }

  /// The addresses listened on, with the ports that the system chose.
  std::vector<Endpoint> local_endpoints() const { return server_->local_endpoints(); }

  /// The peers that are connected.
  std::size_t connections() const noexcept { return server_->connections(); }

  /// As Server::stop_listening().
  void stop_listening() { server_->stop_listening(); }

  /// Begins Server::shutdown(deadline) and returns: a handler cannot wait for its own end.
  void request_shutdown(std::chrono::nanoseconds deadline = {}) {
    server_->request_shutdown(deadline);
  }

  /// For the server: its end of the scope.
  TaskGroup& tasks() noexcept { return tasks_; }
  std::vector<std::function<void()>>& exits() noexcept { return exits_; }

 private:
  // The work lives in this frame: it may be a lambda that captures. The server's state, and so the
  // handler, lives as long as the work, which may end late, or never.
  template <class Work>
  static Task<void> guarded(std::shared_ptr<detail::ServerControl> server,
                            std::weak_ptr<const int> run, Work work) {
    try {
      if constexpr (std::is_same_v<Work, Task<void>>) {
        co_await std::move(work);
      } else {
        co_await work();
      }
    } catch (...) {
      server->background_failed(std::current_exception(), run.expired());
    }
  }

  detail::ServerControl* server_;
  asio::any_io_executor executor_;
  TaskGroup tasks_;
  std::vector<std::function<void()>> exits_;
  std::shared_ptr<const int> run_ = std::make_shared<int>();  // Gone when the server has stopped.
};

}  // namespace cowire
