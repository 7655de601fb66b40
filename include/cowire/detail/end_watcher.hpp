// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/list_node.hpp"

namespace cowire::detail {

// Somebody who wants to know when a connection begins to end.
class EndWatcher : public ListNode<EndWatcher> {
 public:
  // Nothing can be sent any more. Called once, after the watcher has left the list, on the
  // connection's executor; may destroy the watcher, must not resume anything.
  virtual void on_end() = 0;

 protected:
  EndWatcher() = default;
  ~EndWatcher() = default;
};

// All that watch one connection.
class EndWatchers {
 public:
  EndWatchers() = default;
  EndWatchers(const EndWatchers&) = delete;
  EndWatchers& operator=(const EndWatchers&) = delete;
  ~EndWatchers() {
    while (first_ != nullptr) {
      first_->leave();
    }
  }

  void add(EndWatcher& watcher) noexcept { watcher.enter(first_); }

  void tell() {
    while (first_ != nullptr) {
      EndWatcher& watcher = *first_;
      watcher.leave();
      watcher.on_end();
    }
  }

 private:
  EndWatcher* first_ = nullptr;
};

}  // namespace cowire::detail
