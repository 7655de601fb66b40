// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/error.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/associated_executor.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/execution_context.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/query.hpp>

#include <condition_variable>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace cowire::detail {

// Work that blocks, and its outcome: lives in the frame of the coroutine that waits for it.
class BlockingWork {
 public:
  BlockingWork() = default;
  BlockingWork(const BlockingWork&) = delete;
  BlockingWork& operator=(const BlockingWork&) = delete;

  // Called once, in a thread of the pool.
  virtual void run() noexcept = 0;

  std::exception_ptr error;

 protected:
  ~BlockingWork() = default;
};

// The calls of run_blocking() that will come back to one execution context. The work uses the frame
// of a coroutine that the context resumes or destroys: a context that goes waits for what runs.
class BlockingCalls final : public asio::execution_context::service {
 public:
  static inline asio::execution_context::id id;

  explicit BlockingCalls(asio::execution_context& context)
      : asio::execution_context::service(context) {}

  // Has work.run() called by the pool, and then handler() by its own executor.
  template <class Handler>
  static void start(const asio::any_io_executor& here, const asio::any_io_executor& pool,
                    BlockingWork& work, Handler handler) {
    auto& self = asio::use_service<BlockingCalls>(asio::query(here, asio::execution::context));
    auto call = std::make_shared<CallOf<Handler>>(self.state_, work, std::move(handler), here);
    {
      const std::lock_guard lock(self.state_->mutex);
      self.state_->calls.push_back(call);
    }
    try {
      asio::post(pool, Job(std::move(call)));
    } catch (...) {  // The job has told its call.
    }
  }

 private:
  class Call;

  // Outlives the context, whose calls may still be in the queue of a pool.
  struct State {
    std::mutex mutex;
    std::condition_variable returned;
    std::list<std::shared_ptr<Call>> calls;    // Those that are not over.
    std::list<std::shared_ptr<Call>> orphans;  // Over, and too late to come back.
    bool is_closing = false;
  };

  class Call : public std::enable_shared_from_this<Call> {
   public:
    Call(std::shared_ptr<State> state, BlockingWork& work)
        : state_(std::move(state)), work_(&work) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    virtual ~Call() = default;

    // In the pool.
    void run() {
      if (begin()) {
        work_->run();
        end();
      }
    }

    // The pool has gone without running it.
    void refuse() noexcept {
      if (begin()) {
        ErrorContext context;
        context.detail = "the pool ended before it came to this work";
        work_->error = std::make_exception_ptr(Error(errc::cancelled, std::move(context)));
        end();
      }
    }

    bool has_begun() const noexcept { return has_begun_; }

    // The coroutine is destroyed, in the thread that destroys the context.
    virtual void drop() noexcept = 0;

   private:
    // Posts the handler.
    virtual void come_back() = 0;

    // False if the context is gone, and the work with it.
    bool begin() {
      const std::lock_guard lock(state_->mutex);
      if (state_->is_closing) {
        return false;
      }
      has_begun_ = true;
      return true;
    }

    // Under the lock: the context cannot go meanwhile.
    void end() {
      const auto self = shared_from_this();
      const std::lock_guard lock(state_->mutex);
      state_->calls.remove(self);
      if (state_->is_closing) {
        state_->orphans.push_back(self);
        state_->returned.notify_all();
      } else {
        come_back();
      }
    }

    std::shared_ptr<State> state_;
    BlockingWork* work_;
    bool has_begun_ = false;
  };

  template <class Handler>
  class CallOf final : public Call {
   public:
    CallOf(std::shared_ptr<State> state, BlockingWork& work, Handler handler,
           const asio::any_io_executor& fallback)
        : Call(std::move(state), work),
          executor_(asio::prefer(asio::get_associated_executor(handler, fallback),
                                 asio::execution::outstanding_work.tracked)),
          handler_(std::move(handler)) {}

    void drop() noexcept override {
      handler_.reset();
      executor_.reset();
    }

   private:
    using Executor = asio::associated_executor_t<Handler, asio::any_io_executor>;
    using Work = std::decay_t<decltype(asio::prefer(std::declval<const Executor&>(),
                                                    asio::execution::outstanding_work.tracked))>;

    void come_back() override {
      asio::post(*executor_, [handler = std::move(*handler_)]() mutable { std::move(handler)(); });
      drop();
    }

    std::optional<Work> executor_;  // The context has something to wait for.
    std::optional<Handler> handler_;
  };

  class Job {
   public:
    explicit Job(std::shared_ptr<Call> call) noexcept : call_(std::move(call)) {}
    Job(Job&&) noexcept = default;
    Job& operator=(Job&&) = delete;
    ~Job() {
      if (call_ != nullptr) {
        call_->refuse();
      }
    }

    void operator()() { std::exchange(call_, nullptr)->run(); }

   private:
    std::shared_ptr<Call> call_;
  };

  void shutdown() override {
    std::list<std::shared_ptr<Call>> dropped;
    {
      std::unique_lock lock(state_->mutex);
      state_->is_closing = true;
      for (auto call = state_->calls.begin(); call != state_->calls.end();) {
        const auto current = call++;
        if (!(*current)->has_begun()) {
          dropped.splice(dropped.end(), state_->calls, current);
        }
      }
      state_->returned.wait(lock, [this] { return state_->calls.empty(); });
      dropped.splice(dropped.end(), state_->orphans);
    }
    for (const auto& call : dropped) {
      call->drop();
    }
  }

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace cowire::detail
