// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/generator_promise.hpp"
#include "cowire/recv_params.hpp"

#include <asio/version.hpp>
#if ASIO_VERSION >= 102400
#include <asio/deferred.hpp>
#else
#include <asio/experimental/deferred.hpp>
#endif
#include <coroutine>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

namespace cowire {

/// The completion token that makes an Asio operation awaitable in a Generator, under the one name
/// that is right for every version of Asio: `co_await timer.async_wait(cowire::deferred);`
#if ASIO_VERSION >= 102400
using asio::deferred;
#else
using asio::experimental::deferred;
#endif

/// The coroutine that a handler writes: it asks for requests by `co_yield`, and answers them.
///
///     Generator<std::string> Echo::handle(Peer<std::string>& client) {
///       std::string line = co_yield {};     // waits for this peer's next request
///       client.send_packet(line);           // answers it
///     }                                     // done: a new generator is made for the next one
///
/// In its body:
///
///     expression                     gives            meaning
///     co_yield {}                    Request          the next request
///     co_yield 30s                   Request          the same, or Error timeout after 30 s
///     co_yield RecvParams(...)       Request          the general form
///     co_yield as_result             Result<Request>  the request, or the error to answer
///     co_yield as_result(30s)        Result<Request>
///     co_await task                  its value        any asio::awaitable
///     co_await operation             its results      any Asio operation made with
///                                                     cowire::deferred; failures throw Error
///     co_await client.drain()                         any operation of cowire
///     co_await this_coro::executor   the executor of the connection; what is spawned on it has
///                                    the same current_peer()
///
/// A request that has been received already is handed over without suspending. When the peer
/// disconnects, the generator is destroyed at its yield: destructors run, nothing is thrown
/// (EasyNetwork's GeneratorExit). What is thrown at a yield is news: a bad packet or a timeout,
/// after which the generator may go on, and errc::cancelled when the server shuts down, after
/// which it should finish: the next yield ends it.
///
/// A generator runs only on the executor of its connection, one piece at a time.
///
/// With g++ 12 do not make an aggregate inside a `co_await` or `co_yield` expression: the compiler
/// destroys such temporaries twice. Name it first.
template <class Request>
class [[nodiscard]] Generator {
 public:
  using promise_type = detail::GeneratorPromise<Request>;
  using request_type = Request;

  Generator() noexcept = default;
  Generator(Generator&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Generator& operator=(Generator&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Generator() { reset(); }

  /// Whether there is a coroutine.
  explicit operator bool() const noexcept { return handle_ != nullptr; }

  /// Whether the coroutine has run to its end. @pre *this
  bool done() const noexcept { return handle_.done(); }

  /// Runs the coroutine until it suspends or ends. For those who drive generators: the server, and
  /// tests of it. @pre !done(), source() was called, and it does not run already
  void resume() { handle_.resume(); }

  /// Sets where the requests come from. @lifetime The source must outlive the coroutine.
  void source(detail::RequestSource<Request>& source) noexcept { handle_.promise().source(source); }

  /// Whether the coroutine has reached a yield.
  bool has_yielded() const noexcept { return handle_.promise().has_yielded(); }

  /// What left the coroutine, or null. @pre done()
  std::exception_ptr error() const noexcept { return handle_.promise().error(); }

  /// Destroys the coroutine where it is suspended.
  void reset() noexcept {
    if (handle_ != nullptr) {
      std::exchange(handle_, nullptr).destroy();
    }
  }

 private:
  friend promise_type;
  explicit Generator(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class Request>
class GeneratorPromise {
 public:
  Generator<Request> get_return_object() noexcept {
    return Generator<Request>(std::coroutine_handle<GeneratorPromise>::from_promise(*this));
  }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  std::suspend_always final_suspend() const noexcept { return {}; }
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { error_ = std::current_exception(); }

  YieldAwaiter<Request> yield_value(RecvParams params) noexcept {
    has_yielded_ = true;
    return {*this, params};
  }
  ResultYieldAwaiter<Request> yield_value(RecvAsResult request) noexcept {
    has_yielded_ = true;
    return {*this, request.params()};
  }
  ResultYieldAwaiter<Request> yield_value(AsResult) noexcept {
    return yield_value(RecvAsResult(RecvParams()));
  }

  template <class Op>
  auto await_transform(Op&& op) {
    using Plain = std::remove_cvref_t<Op>;
    if constexpr (std::is_same_v<Plain, asio::this_coro::executor_t>) {
      return ReadyAwaiter<asio::any_io_executor>(source_->task_executor());
    } else if constexpr (is_task<Plain>) {
      return await_task(std::forward<Op>(op));
    } else if constexpr (HostedOperation<Plain>) {
      return op.awaiter(*source_);
    } else {
      static_assert(std::is_invocable_v<Op, GeneratorToken>,
                    "a Generator cannot co_await this: await a cowire operation, an "
                    "asio::awaitable, or an Asio operation made with cowire::deferred as its "
                    "last argument");
      return std::forward<Op>(op)(GeneratorToken{source_});
    }
  }

  static void* operator new(std::size_t size) { return FramePool::allocate(size); }
  static void operator delete(void* memory, std::size_t size) noexcept {
    FramePool::deallocate(memory, size);
  }

  void source(RequestSource<Request>& source) noexcept { source_ = &source; }
  RequestSource<Request>& source() noexcept { return *source_; }
  PacketSlot<Request>& slot() noexcept { return slot_; }
  bool has_yielded() const noexcept { return has_yielded_; }
  std::exception_ptr error() const noexcept { return error_; }

 private:
  template <class T>
  auto await_task(Task<T> task) {
    using Signature = typename TaskSignature<T>::type;
    return OperationAwaiter<SpawnTask<T>, Signature>(
        source_, SpawnTask<T>(source_->task_executor(), std::move(task)));
  }

  RequestSource<Request>* source_ = nullptr;
  PacketSlot<Request> slot_;
  std::exception_ptr error_;
  bool has_yielded_ = false;
};

}  // namespace detail

}  // namespace cowire
