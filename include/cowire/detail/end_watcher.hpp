// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace cowire::detail {

// Somebody who wants to know when a connection begins to end: a node of its list. Leaves the list
// by itself.
class EndWatcher {
 public:
  EndWatcher(const EndWatcher&) = delete;
  EndWatcher& operator=(const EndWatcher&) = delete;

  // Nothing can be sent any more. Called once, after the watcher has left the list, on the
  // connection's executor; may destroy the watcher, must not resume anything.
  virtual void on_end() = 0;

 protected:
  EndWatcher() = default;
  ~EndWatcher() { leave(); }

 private:
  friend class EndWatchers;

  void leave() noexcept {
    if (link_ != nullptr) {
      *link_ = next_;
      if (next_ != nullptr) {
        next_->link_ = link_;
      }
      link_ = nullptr;
      next_ = nullptr;
    }
  }

  EndWatcher** link_ = nullptr;  // what points to this node
  EndWatcher* next_ = nullptr;
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

  void add(EndWatcher& watcher) noexcept {
    watcher.next_ = first_;
    watcher.link_ = &first_;
    if (first_ != nullptr) {
      first_->link_ = &watcher.next_;
    }
    first_ = &watcher;
  }

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
