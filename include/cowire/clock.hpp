// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/basic_waitable_timer.hpp>
#include <asio/wait_traits.hpp>

#include <chrono>
#include <concepts>
#include <system_error>

namespace cowire {

/// Where a server's or client's time comes from.
///
/// For an executor type `E`, an executor `e`, a timer `t` of type `C::Timer<E>`, a time point `p`:
///
///     expression       result  meaning
///     C::time_point    type    a std::chrono time point
///     C::now(e)        p       the present
///     C::Timer<E>(e)           a timer that is not set
///     t.expires_at(p)          sets it and cancels a wait
///     t.async_wait(h)          calls h(error_code): no error when the time has come,
///                              asio::error::operation_aborted after expires_at(), or when the
///                              timer has been destroyed
///
/// `SteadyClock` is the real one; `testing::ManualClock` stands still until a test moves it.
template <class C, class Executor>
concept Clock = requires(const Executor& executor, typename C::template Timer<Executor>& timer,
                         typename C::time_point point) {
  { C::now(executor) } -> std::same_as<typename C::time_point>;
  timer.expires_at(point);
  timer.async_wait([](std::error_code) {});
};

/// Real time, from std::chrono::steady_clock.
struct SteadyClock {
  using time_point = std::chrono::steady_clock::time_point;
  template <class Executor>
  using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                           asio::wait_traits<std::chrono::steady_clock>, Executor>;

  template <class Executor>
  static time_point now(const Executor&) noexcept {
    return std::chrono::steady_clock::now();
  }
};

}  // namespace cowire
