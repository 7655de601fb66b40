// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/clock.hpp"

#include <asio/error.hpp>

#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace cowire::detail {

// One timer for the many deadlines of a connection, which mostly move into the future before they
// come. It is set anew only for an earlier deadline; when it fires early, its owner sets it again.
template <class C, class Executor>
class LazyTimer {
 public:
  using time_point = typename C::time_point;

  explicit LazyTimer(const Executor& executor) : timer_(std::in_place, executor) {}

  // Whether the timer would fire too late for this deadline.
  bool is_late_for(time_point deadline) const noexcept { return deadline < set_for_; }

  // Sees to it that owner->on_timer() is called at `deadline`.
  template <class Owner>
  void set(time_point deadline, std::shared_ptr<Owner> owner) {
    set_for_ = deadline;
    timer_->expires_at(deadline);
    timer_->async_wait([owner = std::move(owner)](std::error_code ec) {
      if (ec != asio::error::operation_aborted) {
        owner->on_timer();
      }
    });
  }

  // To be called first by on_timer().
  void fired() noexcept {
    if (timer_) {
      set_for_ = time_point::max();
    }
  }

  // Ends a wait, for good: no part of the execution context is left.
  void release() {
    set_for_ = time_point::min();
    timer_.reset();
  }

 private:
  std::optional<typename C::template Timer<Executor>> timer_;
  time_point set_for_ = time_point::max();
};

}  // namespace cowire::detail
