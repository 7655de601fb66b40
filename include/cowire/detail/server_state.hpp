// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/accept_errors.hpp"
#include "cowire/detail/event.hpp"
#include "cowire/detail/session.hpp"
#include "cowire/detail/undisturbed.hpp"
#include "cowire/detail/wait_until.hpp"
#include "cowire/server_options.hpp"
#include "cowire/transports/tcp.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cowire::detail {

template <Protocol P, class H, class C>
class ServerState;

// A listener of any transport, and the sessions that come of it.
template <Protocol P, class H, class C>
class ListenerSlot {
 public:
  explicit ListenerSlot(const Endpoint& endpoint) : endpoint_(endpoint) {}
  virtual ~ListenerSlot() = default;

  const Endpoint& endpoint() const noexcept { return endpoint_; }

  // Accepts one connection and starts its session when there is room.
  virtual Task<void> accept_one(ServerState<P, H, C>& server) = 0;
  virtual bool is_open() const = 0;
  virtual void cancel() = 0;
  virtual std::error_code close() = 0;
  virtual int native_handle() = 0;

 private:
  Endpoint endpoint_;
};

// What a Server is a handle of. Its tasks keep it alive.
//
//     idle -> starting -> serving -> stopping -> idle
template <Protocol P, class H, class C>
class ServerState final : public SessionOwner<P, H>,
                          public ServerControl,
                          public std::enable_shared_from_this<ServerState<P, H, C>> {
  using Self = std::shared_ptr<ServerState>;
  using Slot = ListenerSlot<P, H, C>;
  using time_point = typename C::time_point;

 public:
  ServerState(const asio::any_io_executor& executor, P protocol, H given, ServerOptions options)
      : SessionOwner<P, H>(std::move(protocol), options.limits, std::move(options.logger),
                           std::move(given)),
        executor_(executor),
        options_(std::move(options)),
        changed_(executor) {
    this->log_connections = options_.log_connections;
    if (options_.max_connections == 0) {
      options_.max_connections = default_max_connections();
    }
  }

  TcpListenOptions tcp_options() const noexcept { return {options_.backlog, options_.reuse_port}; }
  const ServerOptions& options() const noexcept { return options_; }

  template <class L>
  void add_listener(L listener);

  bool is_serving() const noexcept { return phase_ == Phase::serving && is_listening(); }
  bool is_listening() const noexcept {
    return std::any_of(listeners_.begin(), listeners_.end(),
                       [](const auto& listener) { return listener->is_open(); });
  }
  std::vector<Endpoint> local_endpoints() const override;
  std::vector<int> native_handles() const;
  std::size_t connections() const noexcept override { return sessions_.size(); }
  ServerStats stats() const noexcept {
    ServerStats now = this->context->stats;
    now.active = sessions_.size();
    return now;
  }

  void stop_listening() override;
  void request_shutdown(std::chrono::nanoseconds deadline) override;
  void close() {
    stop_listening();
    request_shutdown({});
  }

  // The Server is gone: ends everything that can be ended without running.
  void abandon();

  void background_failed(std::exception_ptr error, bool was_left_behind) override;
  std::shared_ptr<ServerControl> shared_control() override { return this->shared_from_this(); }

  static Task<void> start(Self self);
  static Task<void> serve_forever(Self self);
  static Task<void> shutdown(Self self, std::chrono::nanoseconds deadline);
  static Task<void> wait_stopped(Self self);

  // Makes a session of an accepted connection.
  template <class T>
  void accepted(T transport) {
    ++this->context->stats.accepted;
    if (stop_at_) {  // It came through the door while that was being shut.
      ++this->context->stats.refused;
      transport.abort();
      return;
    }
    transport.apply(options_.socket);
    std::shared_ptr<Session<P, H, T, C>> session;
    try {
      session = std::make_shared<Session<P, H, T, C>>(std::move(transport),
                                                      this->shared_from_this(), ++last_id_);
      sessions_.emplace(session.get(), session);
    } catch (const std::bad_alloc&) {
      ++this->context->stats.failed;
      throw;         // To wait until there is more.
    } catch (...) {  // From a part of the protocol that is the user's.
      ++this->context->stats.failed;
      log(LogLevel::error, "a connection could not be served", std::current_exception());
      return;
    }
    session->start();
  }

  bool has_room() const noexcept { return sessions_.size() < options_.max_connections; }
  Task<void> wait_for_room();

  void session_ended(SessionBase& session) override {
    sessions_.erase(&session);
    changed_.notify();
  }

 private:
  enum class Phase { idle, starting, serving, stopping };

  void check_startable() const;
  void begin_accepting(const Self& self);
  Task<void> run_service_init();
  static Task<void> accept_loop(Self self, Slot& listener);

  // Waits for the end of the service and brings it about. Runs from start to stop.
  static Task<void> supervise(Self self);
  static Task<void> stop(Self self);
  Task<void> stop_accepting();
  Task<void> end_sessions();
  Task<void> end_service();
  time_point end_of_grace() const;

  // Waits until the condition holds or the time has come, whichever is first.
  template <class Condition>
  Task<void> wait_until(std::optional<time_point> until, Condition condition) {
    return detail::wait_until<C>(executor_, changed_, until, std::move(condition));
  }
  template <class Action>
  void for_each_session(Action action);
  void cut_off_unfinished();
  bool was_cancelled(const std::exception_ptr& error) const;
  void log(LogLevel level, std::string_view message, std::exception_ptr error = nullptr) const;

  // Whether there is nothing left to serve.
  bool is_done() const noexcept {
    return stop_at_.has_value() || (!is_listening() && sessions_.empty());
  }

  asio::any_io_executor executor_;
  ServerOptions options_;
  std::vector<std::unique_ptr<Slot>> listeners_;
  std::unordered_map<SessionBase*, std::shared_ptr<SessionBase>> sessions_;
  std::uint64_t last_id_ = 0;
  std::uint64_t stops_ = 0;
  Event changed_;  // A session ended, or something was asked for.
  std::optional<Service> service_;
  std::optional<TaskGroup> acceptors_;
  asio::cancellation_signal init_cancel_;
  std::optional<time_point> stop_at_;  // Asked to stop; from then on by force.
  std::optional<time_point> full_logged_at_;
  std::exception_ptr failure_;  // What ended the service.
  Phase phase_ = Phase::idle;
  bool is_awaited_ = false;  // by serve_forever
};

}  // namespace cowire::detail

#include "cowire/impl/server_state.hpp"
#include "cowire/impl/server_state_stop.hpp"
