// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/frame_pool.hpp"
#include "cowire/error.hpp"
#include "cowire/recv_params.hpp"
#include "cowire/result.hpp"
#include "cowire/task.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/this_coro.hpp>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cowire::detail {

// What runs a generator: the session of one peer. The generator asks it to be resumed.
//
// Each await draws a ticket; a completion that comes with an old ticket is for a generator that
// is gone, and is ignored. So a generator that waits for the library's own operations may be
// destroyed at any time. What it awaits of others may use its frame: has_operation().
class GeneratorHost {
 public:
  virtual asio::any_io_executor host_executor() const = 0;
  virtual std::shared_ptr<GeneratorHost> shared_host() = 0;

  // Where the tasks run that the generator awaits.
  virtual asio::any_io_executor task_executor() { return host_executor(); }

  // Runs the generator until it suspends again. Called from the executor's queue only.
  virtual void resume_generator() = 0;

  // Takes part in awaits of the library's own operations.
  std::uint64_t begin_await() noexcept { return ++ticket_; }
  bool is_current(std::uint64_t ticket) const noexcept { return ticket == ticket_; }

  // The await is over, or its generator destroyed.
  void end_await() noexcept { ++ticket_; }

  // An operation whose handler will come back is under way: what it uses of the generator's frame
  // must stay.
  bool has_operation() const noexcept { return has_operation_; }
  void begin_operation() noexcept { has_operation_ = true; }

  // The operation has come back. True if nobody wants the generator any more, which is gone then.
  bool end_operation() {
    has_operation_ = false;
    cancel_.slot().clear();  // What the operation left there may point to what goes with it.
    return operation_ended();
  }

  asio::cancellation_slot cancellation_slot() noexcept { return cancel_.slot(); }

  // Asks the operation that the generator awaits to stop.
  void cancel_await() {
    cancelled_ = true;
    cancel_.emit(asio::cancellation_type::all);
  }
  bool is_cancelled() const noexcept { return cancelled_; }

 protected:
  GeneratorHost() = default;
  ~GeneratorHost() = default;

  // Destroys the generator if it is only kept for the sake of its operation.
  virtual bool operation_ended() { return false; }

 private:
  bool has_operation_ = false;
  std::uint64_t ticket_ = 0;
  bool cancelled_ = false;
  asio::cancellation_signal cancel_;
};

// Where a generator gets its requests from.
template <class Request>
class RequestSource : public GeneratorHost {
 public:
  // Fills the slot without waiting, or returns false. Called at each yield.
  virtual bool poll_request(const RecvParams& params, PacketSlot<Request>& slot) = 0;

  // Begins to wait for what poll_request could not give: fills the slot and resumes later.
  virtual void wait_for_request(PacketSlot<Request>& slot) = 0;

 protected:
  ~RequestSource() = default;
};

// Thrown as an Error: the code of an asynchronous operation that failed.
inline void throw_if_failed(const GeneratorHost& host, std::error_code code) {
  if (code == asio::error::operation_aborted && host.is_cancelled()) {
    throw Error(errc::cancelled);
  }
  if (code) {
    throw Error(code);
  }
}

// The completion token of operations that a generator awaits.
struct GeneratorToken {
  GeneratorHost* host;
};

// Suspends the generator until an asynchronous operation completes; gives its results.
template <class Initiation, class Signature, class... InitArgs>
class OperationAwaiter;

template <class Initiation, class... Args, class... InitArgs>
class OperationAwaiter<Initiation, void(Args...), InitArgs...> {
 public:
  template <class I, class... As>
  OperationAwaiter(GeneratorHost* host, I&& initiation, As&&... args)
      : host_(host), initiation_(std::forward<I>(initiation)), args_(std::forward<As>(args)...) {}

  OperationAwaiter(const OperationAwaiter&) = delete;
  OperationAwaiter& operator=(const OperationAwaiter&) = delete;

  bool await_ready() const noexcept { return false; }

  // Returns false, without suspending, if the operation completed at once.
  bool await_suspend(std::coroutine_handle<>) {
    initiating_ = true;
    host_->begin_operation();
    try {
      std::apply(
          [this](InitArgs&... args) {
            std::move(initiation_)(Handler(this, host_->begin_await()), std::move(args)...);
          },
          args_);
    } catch (...) {  // It never began, and its handler is gone.
      initiating_ = false;
      throw;
    }
    initiating_ = false;
    return !results_.has_value();
  }

  auto await_resume() { return take(std::make_index_sequence<sizeof...(Args)>()); }

 private:
  class Handler {
   public:
    using executor_type = asio::any_io_executor;
    using cancellation_slot_type = asio::cancellation_slot;

    Handler(OperationAwaiter* awaiter, std::uint64_t ticket)
        : awaiter_(awaiter), ticket_(ticket), host_(awaiter->host_->shared_host()) {}
    Handler(Handler&&) noexcept = default;
    Handler& operator=(Handler&&) = delete;
    // Dropped: the operation could not begin, or its execution context is being destroyed.
    ~Handler() {
      if (host_ != nullptr && host_->is_current(ticket_)) {
        host_->end_await();
        host_->end_operation();
      }
    }

    executor_type get_executor() const noexcept { return host_->host_executor(); }
    cancellation_slot_type get_cancellation_slot() const noexcept {
      return host_->cancellation_slot();
    }

    template <class... Results>
    void operator()(Results&&... results) {
      const auto host = std::move(host_);
      if (!host->is_current(ticket_) || host->end_operation()) {
        return;
      }
      host->end_await();
      awaiter_->results_.emplace(std::forward<Results>(results)...);
      if (!awaiter_->initiating_) {
        host->resume_generator();
      }
    }

   private:
    OperationAwaiter* awaiter_;
    std::uint64_t ticket_;
    std::shared_ptr<GeneratorHost> host_;
  };

  template <std::size_t... I>
  auto take(std::index_sequence<I...>) {
    if constexpr (sizeof...(Args) != 0) {
      using First = std::decay_t<std::tuple_element_t<0, std::tuple<Args...>>>;
      if constexpr (std::is_same_v<First, std::error_code>) {
        throw_if_failed(*host_, std::get<0>(*results_));
        return rest<1>();
      } else if constexpr (std::is_same_v<First, std::exception_ptr>) {
        if (std::get<0>(*results_)) {
          rethrow(std::get<0>(*results_));
        }
        return rest<1>();
      } else {
        return rest<0>();
      }
    }
  }

  // What a cancelled task throws is one of Asio's codes; handlers know errc::cancelled.
  void rethrow(const std::exception_ptr& error) const {
    if (host_->is_cancelled()) {
      try {
        std::rethrow_exception(error);
      } catch (const std::system_error& failure) {
        if (failure.code() == asio::error::operation_aborted) {
          throw Error(errc::cancelled);
        }
        throw;
      }
    }
    std::rethrow_exception(error);
  }

  template <std::size_t First>
  auto rest() {
    if constexpr (sizeof...(Args) == First + 1) {
      return std::get<First>(std::move(*results_));
    } else if constexpr (sizeof...(Args) > First + 1) {
      return rest_tuple<First>(std::make_index_sequence<sizeof...(Args) - First>());
    }
  }

  template <std::size_t First, std::size_t... I>
  auto rest_tuple(std::index_sequence<I...>) {
    return std::make_tuple(std::get<First + I>(std::move(*results_))...);
  }

  GeneratorHost* host_;
  bool initiating_ = false;
  Initiation initiation_;
  std::tuple<InitArgs...> args_;
  std::optional<std::tuple<std::decay_t<Args>...>> results_;
};

// Starts a task on the host's executor.
template <class T>
class SpawnTask {
 public:
  SpawnTask(asio::any_io_executor executor, Task<T> task)
      : executor_(std::move(executor)), task_(std::move(task)) {}

  template <class Handler>
  void operator()(Handler&& handler) && {
    asio::co_spawn(executor_, std::move(task_), std::forward<Handler>(handler));
  }

 private:
  asio::any_io_executor executor_;
  Task<T> task_;
};

template <class T>
struct TaskSignature {
  using type = void(std::exception_ptr, T);
};
template <>
struct TaskSignature<void> {
  using type = void(std::exception_ptr);
};

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<Task<T>> = true;

// One of the library's own operations, which a generator awaits without a handler.
template <class Op>
concept HostedOperation = requires(Op& op, GeneratorHost& host) { op.awaiter(host); };

// Gives a value at once.
template <class T>
class ReadyAwaiter {
 public:
  explicit ReadyAwaiter(T value) : value_(std::move(value)) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  T await_resume() { return std::move(value_); }

 private:
  T value_;
};

template <class Request>
class GeneratorPromise;

// Waits at a yield for the next request.
template <class Request>
class YieldAwaiter {
 public:
  YieldAwaiter(GeneratorPromise<Request>& promise, const RecvParams& params) noexcept
      : promise_(&promise), params_(params) {}

  bool await_ready() { return promise_->source().poll_request(params_, slot()); }
  void await_suspend(std::coroutine_handle<>) { promise_->source().wait_for_request(slot()); }
  Request await_resume() {
    if (slot().error) {
      throw take_error();
    }
    return take_packet();
  }

 protected:
  PacketSlot<Request>& slot() noexcept { return promise_->slot(); }

  Request take_packet() {
    Request packet = std::move(*slot().packet);
    slot().packet.reset();
    return packet;
  }
  Error take_error() {
    Error error = *slot().error;
    slot().error.reset();
    return error;
  }

 private:
  GeneratorPromise<Request>* promise_;
  RecvParams params_;
};

// The same, for `co_yield as_result`.
template <class Request>
class ResultYieldAwaiter : public YieldAwaiter<Request> {
 public:
  using YieldAwaiter<Request>::YieldAwaiter;

  Result<Request> await_resume() {
    if (!this->slot().error) {
      return this->take_packet();
    }
    Error error = this->take_error();
    // Cancelled means "stop" and is nothing to be answered: it is thrown in both forms.
    if (error.code() == errc::cancelled) {
      throw error;
    }
    return error;
  }
};

}  // namespace cowire::detail

template <class R, class... Args>
class asio::async_result<cowire::detail::GeneratorToken, R(Args...)> {
 public:
  template <class Initiation, class... InitArgs>
  static auto initiate(Initiation&& initiation, cowire::detail::GeneratorToken token,
                       InitArgs&&... args) {
    return cowire::detail::OperationAwaiter<std::decay_t<Initiation>, void(Args...),
                                            std::decay_t<InitArgs>...>(
        token.host, std::forward<Initiation>(initiation), std::forward<InitArgs>(args)...);
  }
};
