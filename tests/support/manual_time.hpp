// SPDX-License-Identifier: BSL-1.0
// Time on the manual clock: to wait in a task, and to let it pass.
#pragma once

#include "cowire/task.hpp"
#include "cowire/testing/manual_clock.hpp"
#include "support/run.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>

/// Waits, inside a task. Cancellable.
inline cowire::Task<void> wait_on(asio::any_io_executor executor, std::chrono::nanoseconds time) {
  using cowire::testing::ManualClock;
  ManualClock::Timer<asio::any_io_executor> timer(executor);
  timer.expires_at(ManualClock::now(executor) + time);
  co_await timer.async_wait(asio::use_awaitable);
}

/// Lets time pass, stopping at each timer.
inline void pass_time(asio::io_context& io, cowire::testing::ManualClock& clock,
                      std::chrono::nanoseconds time) {
  const auto end = clock.now() + time;
  settle(io);
  while (clock.next() <= end) {
    clock.advance(clock.next() - clock.now());
    settle(io);
  }
  clock.advance(end - clock.now());
  settle(io);
}
