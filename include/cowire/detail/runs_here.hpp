// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>

namespace cowire::detail {

// Whether the caller is run by this executor just now, so that it may touch what belongs to it.
// False when in doubt: then the work is posted.
template <class Executor>
bool runs_here(const Executor& executor) noexcept {
  return executor.running_in_this_thread();
}

inline bool runs_here(const asio::any_io_executor& executor) noexcept {
  using Context = asio::io_context::executor_type;
  if (const auto* context = executor.target<Context>()) {
    return context->running_in_this_thread();
  }
  if (const auto* strand = executor.target<asio::strand<Context>>()) {
    return strand->running_in_this_thread();
  }
  if (const auto* strand = executor.target<asio::strand<asio::any_io_executor>>()) {
    return strand->running_in_this_thread();
  }
  return false;
}

}  // namespace cowire::detail
