// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/peer_executor.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include <typeinfo>

namespace cowire::detail {

// Whether the caller is run by this executor just now, so that it may touch what belongs to it.
// False when in doubt: then the work is posted.
template <class Executor>
bool runs_here(const Executor& executor) noexcept {
  return executor.running_in_this_thread();
}

bool runs_here(const asio::any_io_executor& executor) noexcept;
template <class Inner>
bool runs_here(const PeerExecutor<Inner>& executor) noexcept {
  return runs_here(executor.inner());
}

// Whether a type-erased executor is of one of these types, and runs the caller.
template <class... Types>
bool runs_here_as(const asio::any_io_executor& executor) noexcept {
  // Asio 1.22 does not check the type in target().
  return (
      (executor.target_type() == typeid(Types) && runs_here(*executor.template target<Types>())) ||
      ...);
}

inline bool runs_here(const asio::any_io_executor& executor) noexcept {
  using Context = asio::io_context::executor_type;
  using Pool = asio::thread_pool::executor_type;
  using Any = asio::any_io_executor;
  return runs_here_as<Context, asio::strand<Context>, asio::strand<Pool>, asio::strand<Any>,
                      PeerExecutor<Context>, PeerExecutor<asio::strand<Context>>,
                      PeerExecutor<asio::strand<Pool>>, PeerExecutor<asio::strand<Any>>,
                      PeerExecutor<Any>>(executor);
}

}  // namespace cowire::detail
