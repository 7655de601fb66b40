// SPDX-License-Identifier: BSL-1.0
// The bodies of cowire/detail/server_state.hpp, which includes this file.
#pragma once

#include "cowire/detail/server_state.hpp"

namespace cowire::detail {

template <Protocol P, class H, class C>
template <class L>
void ServerState<P, H, C>::add_listener(L listener) {
  class Concrete final : public ListenerSlot<P, H, C> {
   public:
    explicit Concrete(L given)
        : ListenerSlot<P, H, C>(given.local_endpoint()), listener_(std::move(given)) {}

    Task<void> accept_one(ServerState& server) override {
      auto transport = co_await listener_.accept();
      if (!server.has_room()) {  // Another listener was faster.
        co_await server.wait_for_room();
      }
      server.accepted(std::move(transport));
    }
    bool is_open() const override { return listener_.is_open(); }
    void cancel() override { listener_.cancel(); }
    std::error_code close() override {
      if constexpr (std::is_void_v<decltype(listener_.close())>) {
        listener_.close();
        return {};
      } else {
        return listener_.close();
      }
    }

    int native_handle() override { return listener_.native_handle(); }

   private:
    L listener_;
  };

  if (phase_ != Phase::idle) {
    throw Error(errc::already_serving);
  }
  listeners_.push_back(std::make_unique<Concrete>(std::move(listener)));
}

template <Protocol P, class H, class C>
std::vector<Endpoint> ServerState<P, H, C>::local_endpoints() const {
  std::vector<Endpoint> endpoints;
  for (const auto& listener : listeners_) {
    if (listener->is_open()) {
      endpoints.push_back(listener->endpoint());
    }
  }
  return endpoints;
}

template <Protocol P, class H, class C>
std::vector<int> ServerState<P, H, C>::native_handles() const {
  std::vector<int> handles;
  for (const auto& listener : listeners_) {
    if (listener->is_open()) {
      handles.push_back(listener->native_handle());
    }
  }
  return handles;
}

template <Protocol P, class H, class C>
void ServerState<P, H, C>::stop_listening() {
  for (const auto& listener : listeners_) {
    if (const std::error_code failed = listener->close()) {
      log(LogLevel::error, "Unable to clean up the listener at " + to_string(listener->endpoint()) +
                               ": " + failed.message());
    }
  }
  changed_.notify();
}

template <Protocol P, class H, class C>
void ServerState<P, H, C>::request_shutdown(std::chrono::nanoseconds deadline) {
  if (phase_ == Phase::idle) {
    return;
  }
  const time_point at = C::now(executor_) + bounded(deadline);
  if (!stop_at_ || at < *stop_at_) {
    stop_at_ = at;
  }
  init_cancel_.emit(asio::cancellation_type::terminal);
  changed_.notify();
}

template <Protocol P, class H, class C>
void ServerState<P, H, C>::abandon() {
  stop_listening();
  request_shutdown({});
  for_each_session(&SessionBase::kill);
  if (service_) {
    service_->tasks().cancel();
  }
}

template <Protocol P, class H, class C>
template <class Action>
void ServerState<P, H, C>::for_each_session(Action action) {
  std::vector<std::shared_ptr<SessionBase>> all;  // The action may end sessions.
  all.reserve(sessions_.size());
  for (const auto& [key, session] : sessions_) {
    all.push_back(session);
  }
  for (const auto& session : all) {
    std::invoke(action, *session);
  }
}

template <Protocol P, class H, class C>
void ServerState<P, H, C>::log(LogLevel level, std::string_view message,
                               std::exception_ptr error) const {
  LogRecord record;
  record.level = level;
  record.message = message;
  record.error = std::move(error);
  this->context->logger.log(record);
}

template <Protocol P, class H, class C>
void ServerState<P, H, C>::check_startable() const {
  if (phase_ != Phase::idle) {
    throw Error(errc::already_serving);
  }
  if (!is_listening()) {
    throw Error(errc::server_closed);
  }
}

template <Protocol P, class H, class C>
bool ServerState<P, H, C>::was_cancelled(const std::exception_ptr& error) const {
  return (stop_at_ || phase_ == Phase::stopping) &&
         as_system_error(code_of(error)) == std::errc::operation_canceled;
}

template <Protocol P, class H, class C>
void ServerState<P, H, C>::background_failed(std::exception_ptr error, bool was_left_behind) {
  if (was_left_behind) {
    if (as_system_error(code_of(error)) != std::errc::operation_canceled) {
      log(LogLevel::error, "a background task that was left behind failed", error);
    }
  } else if (!was_cancelled(error)) {
    log(LogLevel::error, "a background task failed; shutting down", error);
    failure_ = failure_ ? failure_ : error;
    request_shutdown({});
  }
}

// Starting.

template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::start(Self self) {
  self->check_startable();
  self->phase_ = Phase::starting;
  self->stop_at_.reset();
  self->failure_ = nullptr;
  self->service_.emplace(*self, self->executor_);
  try {
    co_await self->run_service_init();
  } catch (...) {
    self->failure_ = std::current_exception();
  }
  if (!self->failure_ && !self->is_done()) {
    self->begin_accepting(self);
    co_return;
  }
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await undisturbed(self->executor_, stop(self));
  co_await asio::this_coro::throw_if_cancelled(throws);
  const std::exception_ptr failure = std::exchange(self->failure_, nullptr);
  if (failure && !self->was_cancelled(failure)) {
    std::rethrow_exception(failure);
  }
}

template <Protocol P, class H, class C>
void ServerState<P, H, C>::begin_accepting(const Self& self) {
  std::string where;
  for (const Endpoint& endpoint : local_endpoints()) {
    where += (where.empty() ? "" : ", ") + to_string(endpoint);
  }
  log(LogLevel::info, "Start serving at " + where);
  phase_ = Phase::serving;
  acceptors_.emplace(executor_);
  for (const auto& listener : listeners_) {
    acceptors_->spawn(accept_loop(self, *listener));
  }
  asio::co_spawn(executor_, supervise(self), asio::detached);
}

template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::run_service_init() {
  if constexpr (HasServiceInit<H>) {
    using Result = decltype(this->handler.service_init(*service_));
    if constexpr (std::is_void_v<Result>) {
      this->handler.service_init(*service_);
    } else {
      asio::cancellation_state caller = co_await asio::this_coro::cancellation_state;
      if (caller.slot().is_connected()) {
        caller.slot().assign([self = this->shared_from_this()](asio::cancellation_type type) {
          self->init_cancel_.emit(type);
        });
      }
      co_await asio::co_spawn(
          executor_, this->handler.service_init(*service_),
          asio::bind_cancellation_slot(init_cancel_.slot(), asio::use_awaitable));
    }
  }
  co_return;
}

// Accepting.

template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::accept_loop(Self self, Slot& listener) {
  constexpr std::chrono::milliseconds shortest{5};
  constexpr std::chrono::milliseconds longest{1000};
  constexpr int most_ignored = 100;  // in a row
  int ignored = 0;
  auto back_off = shortest;
  while (listener.is_open() && !self->stop_at_) {
    std::error_code failed;
    try {
      if (!self->has_room()) {
        co_await self->wait_for_room();
      }
      co_await listener.accept_one(*self);
      back_off = shortest;
      ignored = 0;
      continue;
    } catch (const std::system_error& error) {
      failed = error.code();
    } catch (const std::bad_alloc&) {
      failed = make_error_code(std::errc::not_enough_memory);
    } catch (...) {
      self->background_failed(std::current_exception(), false);
      break;
    }
    AcceptError kind = classify_accept_error(failed);
    if (kind == AcceptError::ignorable && ++ignored >= most_ignored) {
      kind = AcceptError::capacity;  // Not one dead connection after the other: do not spin.
    }
    if (failed == asio::error::operation_aborted || !listener.is_open()) {
      break;
    }
    if (kind == AcceptError::fatal) {
      ErrorContext context;
      context.detail = "accept at " + to_string(listener.endpoint()) + " failed";
      self->background_failed(std::make_exception_ptr(Error(failed, std::move(context))), false);
      break;
    }
    if (kind == AcceptError::capacity) {
      ++self->context->stats.accept_back_offs;
      // As rare as the tries are: a line a second, if it lasts.
      self->log(LogLevel::error, "accept at " + to_string(listener.endpoint()) + " failed (" +
                                     failed.message() + "); trying again in " +
                                     std::to_string(back_off.count()) + " ms");
      co_await self->wait_until(C::now(self->executor_) + back_off,
                                [&self] { return self->stop_at_.has_value(); });
      back_off = std::min(2 * back_off, longest);
    }
  }
}

template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::wait_for_room() {
  const time_point now = C::now(executor_);
  if (!full_logged_at_ || now - *full_logged_at_ >= std::chrono::seconds(1)) {
    full_logged_at_ = now;
    log(LogLevel::warning, "the limit of " + std::to_string(options_.max_connections) +
                               " connections is reached: further ones wait until one ends");
  }
  co_await wait_until(std::nullopt, [this] { return has_room() || stop_at_; });
}

}  // namespace cowire::detail
