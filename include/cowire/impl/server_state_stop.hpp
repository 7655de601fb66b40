// SPDX-License-Identifier: BSL-1.0
// How a server stops: bodies of cowire/detail/server_state.hpp, which includes this file.
#pragma once

#include "cowire/detail/server_state.hpp"

namespace cowire::detail {

template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::serve_forever(Self self) {
  if (self->is_awaited_) {
    throw Error(errc::already_serving);
  }
  self->is_awaited_ = true;
  std::exception_ptr thrown;
  try {
    if (self->phase_ == Phase::idle) {
      co_await start(self);
    }
    co_await wait_stopped(self);
  } catch (...) {
    thrown = std::current_exception();
  }
  if (thrown) {
    self->request_shutdown({});
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await undisturbed(self->executor_, wait_stopped(self));
    co_await asio::this_coro::throw_if_cancelled(throws);
  }
  self->is_awaited_ = false;
  if (self->failure_) {
    std::rethrow_exception(std::exchange(self->failure_, nullptr));
  }
  if (thrown) {
    std::rethrow_exception(thrown);
  }
}

template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::shutdown(Self self, std::chrono::nanoseconds deadline) {
  self->request_shutdown(deadline);
  co_await wait_stopped(self);
}

template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::wait_stopped(Self self) {
  const auto seen = self->stops_;  // It may have been started again when this task runs again.
  co_await self->wait_until(std::nullopt, [&self, seen] {
    return self->stops_ != seen || (self->phase_ == Phase::idle && self->sessions_.empty());
  });
}

template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::supervise(Self self) {
  co_await self->wait_until(std::nullopt, [&self] { return self->is_done(); });
  co_await stop(self);
}

template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::stop(Self self) {
  self->phase_ = Phase::stopping;
  co_await self->stop_accepting();
  co_await self->end_sessions();
  co_await self->end_service();
  self->log(LogLevel::info, "Server stopped");
  self->phase_ = Phase::idle;
  ++self->stops_;
  self->changed_.notify();
}

template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::stop_accepting() {
  if (acceptors_) {
    log(LogLevel::info, "Server loop break, waiting for remaining tasks...");
    for (const auto& listener : listeners_) {
      listener->cancel();
    }
    acceptors_->cancel();
    co_await acceptors_->wait();
    acceptors_.reset();
  }
}

// What was cancelled has so long to end.
template <Protocol P, class H, class C>
auto ServerState<P, H, C>::end_of_grace() const -> time_point {
  return C::now(executor_) + std::max<std::chrono::nanoseconds>(this->context->limits.close_timeout,
                                                                std::chrono::milliseconds(1));
}

// Idle peers are ended at once, busy ones when they are idle, all at the deadline. Those whose
// handlers do not end then, or whose last bytes are not sent, are cut off; the others have their
// own time to wait for their peer's end.
template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::end_sessions() {
  const auto none = [this] { return sessions_.empty(); };
  for_each_session(&SessionBase::drain);
  std::size_t told = 0;
  while (!none() && stop_at_ && C::now(executor_) < *stop_at_) {
    if (told != sessions_.size()) {
      told = sessions_.size();
      log(LogLevel::info, "Shutdown: waiting for " + std::to_string(told) + " busy connections");
    }
    const time_point asked = *stop_at_;  // An earlier one may be asked for.
    const time_point until = std::min(asked, C::now(executor_) + std::chrono::seconds(1));
    co_await wait_until(until, [&] { return none() || *stop_at_ < asked; });
  }
  if (!none()) {
    log(LogLevel::info,
        "Shutdown: cancelling " + std::to_string(sessions_.size()) + " connections");
  }
  for_each_session(&SessionBase::cancel);
  co_await wait_until(end_of_grace(), none);
  cut_off_unfinished();
  co_await wait_until(end_of_grace(), none);
  for_each_session(&SessionBase::kill);
}

template <Protocol P, class H, class C>
void ServerState<P, H, C>::cut_off_unfinished() {
  std::size_t count = 0;
  for_each_session([&count](SessionBase& session) {
    if (session.is_unfinished()) {
      ++count;
      session.kill();
    }
  });
  if (count != 0) {
    log(LogLevel::warning,
        std::to_string(count) + " connections did not end after they were cancelled: cut off");
  }
}

template <Protocol P, class H, class C>
Task<void> ServerState<P, H, C>::end_service() {
  service_->tasks().cancel();
  TaskGroup& tasks = service_->tasks();
  tasks.on_idle([changed = changed_]() mutable { changed.notify(); });
  co_await wait_until(end_of_grace(), [&tasks] { return tasks.size() == 0; });
  if (tasks.size() != 0) {
    log(LogLevel::error, "a background task does not end although it was cancelled: left behind");
  }
  while (!service_->exits().empty()) {  // One of them may add another.
    const auto exit = std::move(service_->exits().back());
    service_->exits().pop_back();
    try {
      exit();
    } catch (...) {
      log(LogLevel::error, "an at_exit function failed", std::current_exception());
    }
  }
  service_.reset();
}

}  // namespace cowire::detail
