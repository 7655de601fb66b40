// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/channel.hpp"
#include "cowire/detail/generator_promise.hpp"
#include "cowire/detail/hosted_wait.hpp"
#include "cowire/detail/peer_list.hpp"

#include <asio/error.hpp>

#include <coroutine>
#include <memory>
#include <system_error>
#include <utility>

namespace cowire::detail {

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
      : slow_(std::move(list), except), waits_(waits), wait_(host) {}
  ~SlowPeersAwaiter() { leave(); }  // While there is the channel.

  bool await_ready() { return !waits_ || !find(); }

  void await_suspend(std::coroutine_handle<>) {
    wait_.begin([this] {
      cancelled_ = true;  // Also between two waits.
      Channel::cancel(*this);
    });
    channel_->wait(*this, OutputLevel::low);
  }

  void await_resume() {
    wait_.end();
    if (cancelled_) {
      throw_if_failed(wait_.host(), asio::error::operation_aborted);
    }
  }

 private:
  bool find() {
    channel_ = slow_.next();
    return channel_ != nullptr;
  }

  // The queue has room, or the peer has left: the next one.
  void wake(std::error_code ec) override {
    cancelled_ = cancelled_ || ec == asio::error::operation_aborted;
    wait_.resume([this] {
      const bool waits_on = !cancelled_ && find();
      if (waits_on) {
        channel_->wait(*this, OutputLevel::low);
      }
      return waits_on;
    });
  }

  SlowPeers slow_;
  bool waits_;
  bool cancelled_ = false;
  HostedWait wait_;
  std::shared_ptr<Channel> channel_;  // The one that is waited for.
};

}  // namespace cowire::detail
