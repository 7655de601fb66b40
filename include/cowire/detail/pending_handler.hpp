// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/associated_allocator.hpp>
#include <asio/associated_executor.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/recycling_allocator.hpp>

#include <memory>
#include <tuple>
#include <utility>

namespace cowire::detail {

// A completion handler that waits for its event, its type forgotten. Counts as work of its
// executor until it is completed or dropped; completes through the executor's queue, never inside
// the call of complete(). (asio::any_completion_handler does the same in newer Asio.)
template <class... Args>
class PendingHandler {
 public:
  PendingHandler() = default;

  template <class Handler>
  PendingHandler(Handler handler, const asio::any_io_executor& fallback)
      : state_(State<Handler>::make(std::move(handler), fallback)) {}

  PendingHandler(PendingHandler&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  PendingHandler& operator=(PendingHandler&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~PendingHandler() {
    if (state_ != nullptr) {
      state_->drop();
    }
  }

  explicit operator bool() const noexcept { return state_ != nullptr; }

  // Queues handler(args...) on the handler's executor. @pre *this
  void complete(Args... args) { std::exchange(state_, nullptr)->complete(std::move(args)...); }

 private:
  struct Base {
    virtual void complete(Args... args) = 0;
    virtual void drop() noexcept = 0;

   protected:
    ~Base() = default;
  };

  template <class Handler>
  struct State final : Base {
    using Executor = asio::associated_executor_t<Handler, asio::any_io_executor>;
    using Work = std::decay_t<decltype(asio::prefer(std::declval<const Executor&>(),
                                                    asio::execution::outstanding_work.tracked))>;
    using Allocator = typename std::allocator_traits<asio::associated_allocator_t<
        Handler, asio::recycling_allocator<void>>>::template rebind_alloc<State>;

    static State* make(Handler handler, const asio::any_io_executor& fallback) {
      Allocator allocator(
          asio::get_associated_allocator(handler, asio::recycling_allocator<void>()));
      State* state = allocator.allocate(1);
      return new (state) State(std::move(handler), fallback);
    }

    State(Handler given, const asio::any_io_executor& fallback)
        : handler(std::move(given)),
          work(asio::prefer(asio::get_associated_executor(handler, fallback),
                            asio::execution::outstanding_work.tracked)) {}

    void complete(Args... args) override {
      Allocator allocator = associated_allocator();
      Handler moved = std::move(handler);
      Work executor = std::move(work);
      this->~State();
      allocator.deallocate(this, 1);
      asio::post(executor, [moved = std::move(moved),
                            values = std::tuple<Args...>(std::move(args)...)]() mutable {
        std::apply(std::move(moved), std::move(values));
      });
    }

    void drop() noexcept override {
      Allocator allocator = associated_allocator();
      this->~State();
      allocator.deallocate(this, 1);
    }

    Allocator associated_allocator() const noexcept {
      return Allocator(asio::get_associated_allocator(handler, asio::recycling_allocator<void>()));
    }

    Handler handler;
    Work work;
  };

  Base* state_ = nullptr;
};

}  // namespace cowire::detail
