// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/event.hpp"
#include "cowire/detail/exception_code.hpp"
#include "cowire/detail/peer_executor.hpp"
#include "cowire/error.hpp"
#include "cowire/task.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cowire {

/// Background tasks with one owner, who can cancel them all and wait for their end.
///
///     TaskGroup group{executor};
///     group.spawn(tick());                                   // a task
///     group.spawn([&]() -> Task<void> { co_await ... });     // or a function that makes one
///     ...
///     group.cancel();
///     co_await group.wait();
///
/// A task that throws cancels the others; `wait` throws its exception. What tasks throw because
/// they were cancelled is dropped. A task that is spawned after that, or after cancel(), is
/// cancelled too. Belongs to one executor that runs one piece of work at a time.
///
/// The destructor cancels; a task that is suspended then ends when the executor runs next. To be
/// sure that nothing runs any more, await `wait()` before.
class TaskGroup {
 public:
  explicit TaskGroup(const asio::any_io_executor& executor)
      : state_(std::make_shared<State>(executor)) {}
  TaskGroup(TaskGroup&&) noexcept = default;
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup() {
    if (state_ != nullptr) {
      cancel();
    }
  }

  /// Starts a task, from the executor's queue.
  void spawn(Task<void> task) { start(std::move(task)); }

  /// Starts the task that `f()` makes. The function object lives until the task has ended, so that
  /// a lambda may capture.
  template <class F>
    requires std::same_as<std::invoke_result_t<F&>, Task<void>>
  void spawn(F f) {
    start(std::move(f));
  }

  /// The tasks that have not ended.
  std::size_t size() const noexcept { return state_->running.size(); }

  /// Asks every task to end: what it awaits fails with operation_aborted.
  void cancel() { state_->cancel(); }

  /// Has `f()` called whenever the last task has ended.
  void on_idle(std::function<void()> f) { state_->on_idle = std::move(f); }

  /// Waits until no task is left. @throws The first exception of a task, once.
  /// @cancellation Total: the tasks go on.
  Task<void> wait() { return wait_for(state_); }

 private:
  using Signals = std::list<asio::cancellation_signal>;

  struct State {
    explicit State(const asio::any_io_executor& given) : executor(given), ended(given) {}

    void cancel() {
      cancelled = true;
      for (auto signal = running.begin(); signal != running.end();) {
        auto current = signal++;
        current->emit(asio::cancellation_type::terminal);
      }
    }

    // The task may have ended meanwhile.
    void cancel_one(const asio::cancellation_signal* address) {
      for (auto& signal : running) {
        if (&signal == address) {
          signal.emit(asio::cancellation_type::terminal);
          return;
        }
      }
    }

    void finish(Signals::iterator signal, const std::exception_ptr& error) {
      running.erase(signal);
      if (error && !is_cancellation(error) && !failure) {
        failure = error;
        cancel();
      }
      ended.notify();
      if (running.empty() && on_idle) {
        on_idle();
      }
    }

    bool is_cancellation(const std::exception_ptr& error) const {
      return cancelled &&
             detail::as_system_error(detail::code_of(error)) == std::errc::operation_canceled;
    }

    asio::any_io_executor executor;
    Signals running;
    detail::Event ended;
    std::function<void()> on_idle;
    std::exception_ptr failure;
    bool cancelled = false;
  };

  // What a task ends with. Destroyed without a call, it says that the task was destroyed, with its
  // execution context: then there is nothing left to cancel.
  class Completion {
   public:
    Completion(std::shared_ptr<State> state, Signals::iterator signal) noexcept
        : state_(std::move(state)), signal_(signal) {}
    Completion(Completion&&) noexcept = default;
    Completion& operator=(Completion&&) = delete;
    ~Completion() {
      if (state_ != nullptr) {
        state_->running.erase(signal_);
      }
    }

    void operator()(const std::exception_ptr& error) {
      const auto state = std::exchange(state_, nullptr);
      state->finish(signal_, error);
    }

   private:
    std::shared_ptr<State> state_;
    Signals::iterator signal_;
  };

  template <class Work>
  void start(Work work) {
    const auto signal = state_->running.emplace(state_->running.end());
    const asio::cancellation_signal* const address = &*signal;
    const detail::PeerScope nobody(nullptr);  // The task may begin at once, inside a handler.
    asio::co_spawn(state_->executor, std::move(work),
                   asio::bind_cancellation_slot(signal->slot(), Completion(state_, signal)));
    if (state_->cancelled) {
      state_->cancel_one(address);
    }
  }

  static Task<void> wait_for(std::shared_ptr<State> state) {
    while (!state->running.empty()) {
      co_await state->ended.wait();
    }
    if (state->failure) {
      std::rethrow_exception(std::exchange(state->failure, nullptr));
    }
  }

  std::shared_ptr<State> state_;
};

}  // namespace cowire
