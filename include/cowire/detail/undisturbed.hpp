// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/task.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <utility>

namespace cowire::detail {

// Runs the work in a coroutine of its own, which nobody can cancel: clean-up is not. A caller who
// may have been cancelled himself awaits it with throw_if_cancelled(false).
inline Task<void> undisturbed(asio::any_io_executor executor, Task<void> work) {
  auto shielded = [](Task<void> inner) -> Task<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await std::move(inner);
  };
  co_await asio::co_spawn(executor, shielded(std::move(work)), asio::use_awaitable);
}

}  // namespace cowire::detail
