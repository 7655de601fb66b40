// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/clock.hpp"
#include "cowire/detail/event.hpp"
#include "cowire/task.hpp"

#include <asio/any_io_executor.hpp>

#include <optional>
#include <system_error>

namespace cowire::detail {

// Waits until the condition holds or the time has come, whichever is first. `changed` tells when to
// look again. Throws operation_aborted when cancelled.
template <class C, class Condition>
Task<void> wait_until(asio::any_io_executor executor, Event changed,
                      std::optional<typename C::time_point> until, Condition condition) {
  std::optional<typename C::template Timer<asio::any_io_executor>> timer;
  while (!condition() && (!until || C::now(executor) < *until)) {
    if (until && !timer) {
      timer.emplace(executor);
      timer->expires_at(*until);
      timer->async_wait([changed](std::error_code ec) mutable {
        if (!ec) {
          changed.notify();
        }
      });
    }
    co_await changed.wait();
  }
}

}  // namespace cowire::detail
