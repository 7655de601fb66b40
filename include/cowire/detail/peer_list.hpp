// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/channel.hpp"
#include "cowire/detail/end_watcher.hpp"

#include <asio/any_io_executor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

// Those who have too much in their output queues, one after the other: each is waited for until it
// was seen with room, or has left. Whatever breaks a connection is nothing to the others.
class SlowPeers {
 public:
  SlowPeers(std::shared_ptr<PeerList> list, const Channel* except)
      : list_(std::move(list)), cursor_(*list_), except_(except) {}

  // The next one to wait for, or null.
  std::shared_ptr<Channel> next() {
    while (auto channel = cursor_.next()) {
      std::error_code broken;
      if (channel.get() != except_ && !channel->may_go_on(OutputLevel::low, broken) && !broken) {
        return channel;
      }
    }
    return nullptr;
  }

 private:
  std::shared_ptr<PeerList> list_;
  PeerList::Cursor cursor_;
  const Channel* except_;
};

// Waits for them inside a generator, without an allocation.
class SlowPeersAwaiter final : OutputWaiter {
 public:
  SlowPeersAwaiter(std::shared_ptr<PeerList> list, const Channel* except, bool waits,
                   GeneratorHost& host)
      : slow_(std::move(list), except), waits_(waits), host_(&host) {}
  ~SlowPeersAwaiter() {
    slot_.clear();
    leave();  // While there is the channel.
  }

  bool await_ready() { return !waits_ || !find(); }

  void await_suspend(std::coroutine_handle<>) {
    ticket_ = host_->begin_await();
    const asio::cancellation_slot slot = host_->cancellation_slot();
    if (slot.is_connected()) {
      slot_ = slot;
      slot_.assign([this](asio::cancellation_type) {
        cancelled_ = true;
        Channel::cancel(*this);
      });
    }
    channel_->wait(*this, OutputLevel::low);
  }

  void await_resume() {
    slot_.clear();
    if (cancelled_) {
      throw_if_failed(*host_, asio::error::operation_aborted);
    }
  }

 private:
  bool find() {
    channel_ = slow_.next();
    return channel_ != nullptr;
  }

  void wake(std::error_code ec) override {
    failed_ = ec;  // It has left: the next one.
    asio::post(host_->host_executor(), [this, host = host_->shared_host(), ticket = ticket_] {
      if (!host->is_current(ticket)) {
        return;  // and so is *this.
      }
      if (!cancelled_ && find()) {
        channel_->wait(*this, OutputLevel::low);
        return;
      }
      host->end_await();
      host->resume_generator();
    });
  }

  SlowPeers slow_;
  bool waits_;
  bool cancelled_ = false;
  GeneratorHost* host_;
  std::shared_ptr<Channel> channel_;  // The one that is waited for.
  std::error_code failed_;
  std::uint64_t ticket_ = 0;
  asio::cancellation_slot slot_;
};

}  // namespace cowire::detail
