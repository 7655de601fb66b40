// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/pending_handler.hpp"

#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/query.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <system_error>
#include <utility>

namespace cowire::testing {

/// A clock that stands still until a test moves it: the third template argument of `Server`.
///
///     asio::io_context io;
///     ManualClock clock{io};
///     Server<P, H, ManualClock> server{...};
///     clock.advance(5min);      // every timer that is due completes, in order
///     io.poll();
///
/// One time for each execution context. Not thread-safe.
class ManualClock {
 public:
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<ManualClock, duration>;
  static constexpr bool is_steady = true;

 private:
  struct Service final : asio::execution_context::service {
    using Key = std::pair<time_point, std::uint64_t>;
    using Waits = std::map<Key, detail::PendingHandler<std::error_code>>;
    static inline asio::execution_context::id id;

    explicit Service(asio::execution_context& context)
        : asio::execution_context::service(context) {}

    // What waits may own timers, which look for their wait when they are destroyed.
    void shutdown() override {
      Waits dropped;
      dropped.swap(waits);
    }

    void cancel(const Key& wanted) {
      if (auto wait = waits.find(wanted); wait != waits.end()) {
        finish(wait, asio::error::operation_aborted);
      }
    }
    void finish(Waits::iterator wait, std::error_code ec) {
      auto handler = std::move(wait->second);
      waits.erase(wait);
      handler.complete(ec);
    }

    time_point now{};
    Waits waits;
    std::uint64_t last_id = 0;
  };

 public:
  /// The clock of an execution context. Any number of these may exist; they show the same time.
  explicit ManualClock(asio::execution_context& context)
      : service_(&asio::use_service<Service>(context)) {}

  time_point now() const noexcept { return service_->now; }

  /// Moves the time; the waits that are due are completed through their executors' queues.
  void advance(duration time) {
    service_->now += time;
    while (!service_->waits.empty() && service_->waits.begin()->first.first <= service_->now) {
      service_->finish(service_->waits.begin(), std::error_code());
    }
  }

  /// How many waits there are, and the time of the first: for tests that jump from one to the next.
  std::size_t waits() const noexcept { return service_->waits.size(); }
  time_point next() const noexcept {
    return service_->waits.empty() ? time_point::max() : service_->waits.begin()->first.first;
  }

  template <class Executor>
  static time_point now(const Executor& executor) {
    return service_of(executor).now;
  }

  /// A timer of this clock. Cancels its wait when destroyed.
  template <class Executor>
  class Timer {
   public:
    explicit Timer(const Executor& executor)
        : executor_(executor), service_(&service_of(executor)) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { cancel(); }

    void expires_at(time_point deadline) {
      cancel();
      deadline_ = deadline;
    }
    void cancel() { service_->cancel(key_); }

    template <class Token>
    auto async_wait(Token&& token) {
      return asio::async_initiate<Token, void(std::error_code)>(
          [](auto handler, Timer* self) { self->start(std::move(handler)); }, token, this);
    }

   private:
    template <class Handler>
    void start(Handler handler) {
      auto slot = asio::get_associated_cancellation_slot(handler);
      detail::PendingHandler<std::error_code> pending(std::move(handler), executor_);
      if (deadline_ <= service_->now) {
        pending.complete(std::error_code());
        return;
      }
      key_ = {deadline_, ++service_->last_id};
      if (slot.is_connected()) {
        slot.assign(
            [service = service_, key = key_](asio::cancellation_type) { service->cancel(key); });
      }
      service_->waits.emplace(key_, std::move(pending));
    }

    Executor executor_;
    Service* service_;
    time_point deadline_{};
    Service::Key key_{};
  };

 private:
  template <class Executor>
  static Service& service_of(const Executor& executor) {
    return asio::use_service<Service>(asio::query(executor, asio::execution::context));
  }

  Service* service_;
};

}  // namespace cowire::testing
