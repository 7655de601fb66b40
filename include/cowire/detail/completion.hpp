// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/error.hpp"
#include "cowire/task.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>

#include <exception>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cowire {

/// The default completion token of a client's operations: they return a Task, which throws Error.
/// Any other token completes with (std::error_code, value).
struct AsTask {};

namespace detail {

template <class T>
struct CodeSignature {
  using type = void(std::error_code, T);
};
template <>
struct CodeSignature<void> {
  using type = void(std::error_code);
};

// Turns a task's outcome (exception, value) into (code, value) for somebody else's handler.
template <class Handler>
class CodeHandler {
 public:
  using executor_type = asio::associated_executor_t<Handler, asio::any_io_executor>;
  using allocator_type = asio::associated_allocator_t<Handler>;
  using cancellation_slot_type = asio::associated_cancellation_slot_t<Handler>;

  CodeHandler(Handler handler, asio::any_io_executor fallback)
      : handler_(std::move(handler)), fallback_(std::move(fallback)) {}

  executor_type get_executor() const noexcept {
    return asio::get_associated_executor(handler_, fallback_);
  }
  allocator_type get_allocator() const noexcept { return asio::get_associated_allocator(handler_); }
  cancellation_slot_type get_cancellation_slot() const noexcept {
    return asio::get_associated_cancellation_slot(handler_);
  }

  template <class... Values>
  void operator()(const std::exception_ptr& error, Values&&... values) {
    std::move(handler_)(code_of(error), std::forward<Values>(values)...);
  }

 private:
  static std::error_code code_of(const std::exception_ptr& error) {
    if (!error) {
      return {};
    }
    try {
      std::rethrow_exception(error);
    } catch (const std::system_error& failed) {
      return failed.code();
    }  // Anything else is no outcome of an operation, and goes on to the executor.
  }

  Handler handler_;
  asio::any_io_executor fallback_;
};

// By itself a coroutine that is spawned can only be cancelled terminally.
template <class T>
Task<T> totally_cancellable(Task<T> task) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_return co_await std::move(task);
}

// The task itself, or the task run for the sake of a completion token.
template <class T, class Token>
auto complete_task(const asio::any_io_executor& executor, Task<T> task, Token&& token) {
  if constexpr (std::is_same_v<std::decay_t<Token>, AsTask>) {
    return task;
  } else {
    return asio::async_initiate<Token, typename CodeSignature<T>::type>(
        [](auto handler, asio::any_io_executor on, Task<T> work) {
          asio::co_spawn(on, totally_cancellable(std::move(work)),
                         CodeHandler<decltype(handler)>(std::move(handler), on));
        },
        token, executor, std::move(task));
  }
}

}  // namespace detail

}  // namespace cowire
