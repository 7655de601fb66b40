// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/list_node.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/associated_allocator.hpp>
#include <asio/associated_executor.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/execution_context.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/query.hpp>
#include <asio/recycling_allocator.hpp>

#include <memory>
#include <mutex>
#include <tuple>
#include <utility>

namespace cowire::detail {

// The handlers that wait, of one execution context. A context that is destroyed drops them, as it
// does those of its own operations: a coroutine that waits may own, by its frame, the object that
// holds its handler, and nothing else would end that circle.
class PendingHandlers final : public asio::execution_context::service {
 public:
  static inline asio::execution_context::id id;

  // One of them.
  class Node : public ListNode<Node> {
   protected:
    explicit Node(PendingHandlers& all) : all_(&all) {
      const std::lock_guard lock(all.mutex_);
      enter(all.first_);
    }
    ~Node() {
      const std::lock_guard lock(all_->mutex_);
      leave();
    }

   private:
    friend PendingHandlers;
    virtual void abandon() noexcept = 0;

    PendingHandlers* all_;
  };

  explicit PendingHandlers(asio::execution_context& context)
      : asio::execution_context::service(context) {}

  static PendingHandlers& of(const asio::any_io_executor& executor) {
    return asio::use_service<PendingHandlers>(asio::query(executor, asio::execution::context));
  }

 private:
  void shutdown() override {
    while (first_ != nullptr) {
      first_->abandon();
    }
  }

  std::mutex mutex_;
  Node* first_ = nullptr;
};

// A completion handler that waits for its event, its type forgotten. Counts as work of its
// executor until it is completed or dropped; completes through the executor's queue, never inside
// the call of complete(). (asio::any_completion_handler does the same in newer Asio.)
template <class... Args>
class PendingHandler {
 public:
  PendingHandler() = default;

  template <class Handler>
  PendingHandler(Handler handler, const asio::any_io_executor& fallback)
      : state_(State<Handler>::make(std::move(handler), fallback)) {
    own();
  }

  PendingHandler(PendingHandler&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {
    own();
  }
  PendingHandler& operator=(PendingHandler&& other) noexcept {
    std::swap(state_, other.state_);
    own();
    other.own();
    return *this;
  }
  ~PendingHandler() {
    if (state_ != nullptr) {
      state_->drop();
    }
  }

  explicit operator bool() const noexcept { return state_ != nullptr; }

  // Queues handler(args...) on the handler's executor. Does nothing if there is no handler.
  void complete(Args... args) {
    if (Base* state = std::exchange(state_, nullptr)) {
      state->complete(std::move(args)...);
    }
  }

 private:
  struct Base : PendingHandlers::Node {
    using PendingHandlers::Node::Node;
    virtual void complete(Args... args) = 0;
    virtual void drop() noexcept = 0;

    void abandon() noexcept final {
      owner->state_ = nullptr;
      drop();
    }

    PendingHandler* owner = nullptr;

   protected:
    ~Base() = default;
  };

  void own() noexcept {
    if (state_ != nullptr) {
      state_->owner = this;
    }
  }

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
        : Base(PendingHandlers::of(fallback)),
          handler(std::move(given)),
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
