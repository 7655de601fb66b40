// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>
#include <optional>

namespace cowire::detail {

// An io_context without a thread of its own: whoever waits for something that happens in it runs
// it, one thread at a time (the leader), without the mutex. The others wait until theirs has
// happened or the leader has gone; then one of them takes over.
class SyncLoop {
 public:
  using Clock = std::chrono::steady_clock;
  using Until = std::optional<Clock::time_point>;

  asio::io_context& io() noexcept { return io_; }

  // Calls f() while nothing else runs: at once if there is no leader, which saves a turn of the
  // loop and its system call; else in the loop. Throws what f() throws.
  template <class F>
  void turn(F f) {
    std::exception_ptr thrown;
    const auto call = [&] {
      try {
        f();
      } catch (...) {
        thrown = std::current_exception();
      }
    };
    std::unique_lock lock(mutex_);
    if (is_led_) {
      bool done = false;
      asio::post(io_, [&] {
        call();
        finish(done);
      });
      wait(lock, std::nullopt, done);
    } else {
      {
        const Lead lead(*this, lock);
        call();
      }
      wake();
    }
    lock.unlock();
    if (thrown) {
      std::rethrow_exception(thrown);
    }
  }

  // Waits, and runs the loop if nobody else does, until finish(done) was called. Returns false if
  // the time has come before that.
  bool wait(const Until& until, const bool& done) {
    std::unique_lock lock(mutex_);
    return wait(lock, until, done);
  }

  // Called in a turn.
  void finish(bool& done) {
    const std::lock_guard lock(mutex_);
    done = true;
    wake();
  }

  // Threads that do the same thing one after the other, first come, first served.
  using Queue = std::list<const void*>;

  class Place {
   public:
    Place(SyncLoop& loop, Queue& queue) : loop_(&loop), queue_(&queue) {
      const std::lock_guard lock(loop.mutex_);
      here_ = queue.insert(queue.end(), this);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() {
      const std::lock_guard lock(loop_->mutex_);
      queue_->erase(here_);
      loop_->wake();
    }

    // Waits to be the first. Returns false if the time has come before that.
    bool wait(const Until& until) {
      std::unique_lock lock(loop_->mutex_);
      while (queue_->front() != this) {
        if (until && Clock::now() >= *until) {
          return false;
        }
        loop_->sleep(lock, until);
      }
      return true;
    }

   private:
    SyncLoop* loop_;
    Queue* queue_;
    Queue::iterator here_;
  };

 private:
  class Lead {
   public:
    Lead(SyncLoop& loop, std::unique_lock<std::mutex>& lock) : loop_(&loop), lock_(&lock) {
      loop_->is_led_ = true;
      lock_->unlock();
    }
    Lead(const Lead&) = delete;
    Lead& operator=(const Lead&) = delete;
    ~Lead() {
      lock_->lock();
      loop_->is_led_ = false;
    }

   private:
    SyncLoop* loop_;
    std::unique_lock<std::mutex>* lock_;
  };

  bool wait(std::unique_lock<std::mutex>& lock, const Until& until, const bool& done) {
    bool in_time = true;
    while (!done && in_time) {
      if (until && Clock::now() >= *until) {
        in_time = false;
      } else if (is_led_) {
        sleep(lock, until);
      } else {
        const Lead lead(*this, lock);
        run_one(until);
      }
    }
    wake();  // Somebody must lead.
    return done;
  }

  // Only want of memory is thrown in here, and nobody could say what it left undone.
  void run_one(const Until& until) noexcept {
    if (until) {
      io_.run_one_until(*until);
    } else {
      io_.run_one();
    }
  }

  void sleep(std::unique_lock<std::mutex>& lock, const Until& until) {
    ++sleepers_;
    if (until) {
      changed_.wait_until(lock, *until);
    } else {
      changed_.wait(lock);
    }
    --sleepers_;
  }
  void wake() {
    if (sleepers_ != 0) {
      changed_.notify_all();
    }
  }

  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::mutex mutex_;  // The members below, and what is given to finish().
  std::condition_variable changed_;
  int sleepers_ = 0;
  bool is_led_ = false;
};

}  // namespace cowire::detail
