// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <thread>

namespace cowire::detail {

// Other threads that use something just now which its owner is about to give up.
class Visitors {
 public:
  class Visit {
   public:
    explicit Visit(Visitors& visitors) noexcept : count_(&visitors.count_) { ++*count_; }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit() { --*count_; }

   private:
    std::atomic<int>* count_;
  };

  // Waits until they have left. They only post something, which is soon done.
  void wait_until_gone() const noexcept {
    while (count_ != 0) {
      std::this_thread::yield();
    }
  }

 private:
  std::atomic<int> count_ = 0;
};

}  // namespace cowire::detail
