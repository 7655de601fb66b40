// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/blocking_calls.hpp"
#include "cowire/task.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <concepts>
#include <exception>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

namespace cowire {

namespace detail {

// Calls a function and keeps what comes of it.
template <class F, class Result>
class BlockingFunction final : public BlockingWork {
 public:
  explicit BlockingFunction(F& f) noexcept : f_(&f) {}

  void run() noexcept override {
    try {
      if constexpr (std::is_void_v<Result>) {
        (*f_)();
      } else {
        result_.emplace((*f_)());
      }
    } catch (...) {
      error = std::current_exception();
    }
  }

  Result take() {
    if (error) {
      std::rethrow_exception(error);
    }
    if constexpr (!std::is_void_v<Result>) {
      return *std::move(result_);
    }
  }

 private:
  struct Nothing {};

  F* f_;
  std::optional<std::conditional_t<std::is_void_v<Result>, Nothing, Result>> result_;
};

}  // namespace detail

/// The pool of run_blocking(): one for the whole process, with as many threads as the machine has
/// processors and four more, but at most 32. It is made when it is used for the first time; the end
/// of the process waits for what runs in it, and drops what does not run yet.
inline asio::thread_pool& blocking_pool() {
  static asio::thread_pool pool(std::min(std::thread::hardware_concurrency() + 4, 32U));
  return pool;
}

/// Calls `f()` in a thread of a pool, and comes back with its result, or with what it threw:
///
///     std::string text = co_await run_blocking([&] { return read_file(path); });
///
/// For whatever would stop the loop: files, databases, hard work. To be awaited, in a Task or a
/// Generator; everything but f runs on the executor of the coroutine, and after the await the
/// coroutine is there again. `pool` may be any executor that runs in other threads.
///
/// f may use the variables of the coroutine: it is kept until f has returned, whatever happens. It
/// may not use what else belongs to the loop, such as a Peer beyond its send_packet().
///
/// With g++ 12 give a lambda that captures strings or the like by value a name before the await.
/// @returns What f returns, as a value. @throws What f throws; Error cancelled if the pool was
/// destroyed before it came to f.
/// @cancellation None: nobody can interrupt f. Its result is handed over, and the next wait of the
/// coroutine fails. A server that shuts down cuts the connection off after Limits::close_timeout,
/// without waiting for f.
/// @lifetime The destructor of the coroutine's io_context waits for the f that run, and then
/// destroys their coroutines; f that have not begun are not called. So f must not wait for the
/// loop.
template <std::invocable F>
Task<std::decay_t<std::invoke_result_t<F&>>> run_blocking(asio::any_io_executor pool, F f) {
  const asio::any_io_executor here = co_await asio::this_coro::executor;
  detail::BlockingFunction<F, std::decay_t<std::invoke_result_t<F&>>> work(f);
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [](auto handler, const asio::any_io_executor* from, const asio::any_io_executor* to,
         detail::BlockingWork* what) {
        detail::BlockingCalls::start(*from, *to, *what, std::move(handler));
      },
      asio::use_awaitable, &here, &pool, &work);
  co_return work.take();
}

/// The same in the blocking_pool().
template <std::invocable F>
Task<std::decay_t<std::invoke_result_t<F&>>> run_blocking(F f) {
  return run_blocking(blocking_pool().get_executor(), std::move(f));
}

}  // namespace cowire
