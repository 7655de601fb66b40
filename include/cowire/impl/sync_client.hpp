// SPDX-License-Identifier: BSL-1.0
// Longer bodies of cowire/sync_client.hpp, which includes this file.
#pragma once

#include "cowire/sync_client.hpp"

#include <asio/co_spawn.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <optional>
#include <utility>

namespace cowire {

template <Protocol P>
template <class Duration, class... How>
void SyncClient<P>::connect_within(Duration timeout, How&&... how) {
  auto limit = RecvParams(timeout).timeout();
  if (limit && limit->count() == 0) {
    limit.reset();  // Means that there is none, here.
  }
  const Until until = end_of(limit);
  std::uint64_t closes = 0;
  loop_.turn([&] {
    client_.state_->require_unconnected();
    closes = client_.state_->closes;
  });
  const bool in_time = alone(until, [&] {
    if (client_.state_->closes != closes) {
      throw Error(errc::cancelled);
    }
    std::chrono::nanoseconds left(0);  // No limit.
    if (until) {
      left = std::max<std::chrono::nanoseconds>(*until - detail::SyncLoop::Clock::now(),
                                                std::chrono::nanoseconds(1));
    }
    return client_.connect(std::forward<How>(how)..., left);
  });
  if (!in_time) {
    ErrorContext context;
    context.detail = "cannot connect: other threads still use the old connection";
    context.time_limit = limit;
    throw Error(errc::connect_timeout, std::move(context));
  }
  loop_.turn([this] { note_endpoints(); });
}

// Runs the task that begin() gives while nobody sends or receives: those use the connection between
// their turns, too. False if that was not possible in time.
template <Protocol P>
template <class Begin>
bool SyncClient<P>::alone(const Until& until, Begin begin) {
  detail::SyncLoop::Place sender(loop_, senders_);
  if (!sender.wait(until)) {
    return false;
  }
  detail::SyncLoop::Place receiver(loop_, receivers_);  // Later, or two would wait for each other.
  if (!receiver.wait(until)) {
    return false;
  }
  std::exception_ptr failed;
  bool done = false;
  loop_.turn([&] {
    asio::co_spawn(loop_.io(), begin(), [&](const std::exception_ptr& error) {
      failed = error;
      loop_.finish(done);
    });
  });
  loop_.wait(std::nullopt, done);
  if (failed) {
    std::rethrow_exception(failed);
  }
  return true;
}

// The time is over; or it was, and the packet has been sent while that was noticed.
template <Protocol P>
void SyncClient<P>::give_up(Flushed& flushed, std::optional<std::chrono::nanoseconds> timeout) {
  bool too_late = false;
  in_turn([&] {
    if (sending_) {
      too_late = true;
      detail::Channel::cancel(flushed);
      connection().channel().abort();
    }
  });
  if (too_late) {
    throw timed_out(
        "the packet could not be sent within the time limit, and the client was closed: nobody "
        "knows how much of it the server has got",
        timeout);
  }
}

/// What SyncClient::packets() returns: an input range, to be iterated over once.
template <Protocol P>
class SyncClient<P>::PacketRange {
 public:
  /// Holds the current packet in the range itself.
  class Iterator {
   public:
    using value_type = received_packet;
    using difference_type = std::ptrdiff_t;

    received_packet& operator*() const noexcept { return *range_->packet_; }
    Iterator& operator++() {
      range_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return !range_->packet_; }

   private:
    friend PacketRange;
    explicit Iterator(PacketRange& range) noexcept : range_(&range) {}

    PacketRange* range_;
  };

  /// Waits for the first packet.
  Iterator begin() {
    advance();
    return Iterator(*this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend SyncClient;
  PacketRange(SyncClient& client, const RecvParams& params) : client_(&client), params_(params) {}

  void advance() {
    packet_.reset();
    try {
      packet_ = client_->next_packet(params_);
    } catch (const Error& error) {
      if (error.code() != errc::timeout) {
        throw;
      }
    }
  }

  SyncClient* client_;
  RecvParams params_;
  std::optional<received_packet> packet_;
};

}  // namespace cowire
