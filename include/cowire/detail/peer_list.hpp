// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/channel.hpp"
#include "cowire/detail/end_watcher.hpp"

#include <asio/any_io_executor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cowire::detail {

// Connections in the order in which they were added. Each leaves by itself when it begins to end.
// It may be changed while somebody goes through it: by means of a Cursor, which may live long.
class PeerList {
  struct Member;
  using Members = std::list<Member>;
  using Place = Members::iterator;

  struct Member final : EndWatcher {
    Member(PeerList& given, std::shared_ptr<Channel> to, std::uint64_t n)
        : list(&given), channel(std::move(to)), number(n) {}
    void on_end() override { list->remove(*channel); }  // *this is gone then.

    PeerList* list;
    std::shared_ptr<Channel> channel;
    std::uint64_t number;
  };

 public:
  // Goes once through those that are in the list when it is made, as long as they are.
  class Cursor {
   public:
    explicit Cursor(PeerList& list)
        : list_(&list), next_(list.members_.begin()), last_(list.last_number_) {
      list.cursors_.push_back(this);
    }
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    ~Cursor() { std::erase(list_->cursors_, this); }

    // The next one, or null. Kept by the caller, as it may leave the list, and end, meanwhile.
    std::shared_ptr<Channel> next() {
      if (next_ == list_->members_.end() || next_->number > last_) {
        return nullptr;
      }
      return (next_++)->channel;
    }

   private:
    friend PeerList;

    PeerList* list_;
    Place next_;
    std::uint64_t last_;
  };

  PeerList() = default;
  PeerList(const PeerList&) = delete;
  PeerList& operator=(const PeerList&) = delete;

  std::size_t size() const noexcept { return members_.size(); }
  bool contains(const Channel& channel) const { return index_.contains(&channel); }

  // The executor of all that have ever been in the list, if there was one.
  const std::optional<asio::any_io_executor>& executor() const noexcept { return executor_; }

  // Does nothing if the connection is in the list. False if it is ending.
  bool add(Channel& channel) {
    if (channel.is_closing()) {
      return false;
    }
    if (!contains(channel)) {
      if (!executor_) {
        executor_ = channel.executor();
      }
      Member& member = members_.emplace_back(*this, channel.shared_from_this(), last_number_ + 1);
      try {
        index_.emplace(&channel, std::prev(members_.end()));
      } catch (...) {
        members_.pop_back();
        throw;
      }
      ++last_number_;
      channel.watch(member);
    }
    return true;
  }

  // False if it was not there.
  bool remove(const Channel& channel) {
    const auto found = index_.find(&channel);
    if (found == index_.end()) {
      return false;
    }
    const Place place = found->second;
    for (Cursor* const cursor : cursors_) {
      if (cursor->next_ == place) {
        ++cursor->next_;
      }
    }
    index_.erase(found);
    const auto keep = place->channel;  // The member is a node of its list.
    members_.erase(place);
    return true;
  }

  void clear() {
    while (!members_.empty()) {
      remove(*members_.front().channel);
    }
  }

 private:
  Members members_;
  std::unordered_map<const Channel*, Place> index_;
  std::vector<Cursor*> cursors_;
  std::optional<asio::any_io_executor> executor_;
  std::uint64_t last_number_ = 0;
};

}  // namespace cowire::detail
