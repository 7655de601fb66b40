// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/limits.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

namespace cowire::detail {

// The time limits of a connection's input: points in time go in and out, no timer is here.
//
// The clock stands still while nobody waits: what is left of a limit when a wait times out is for
// the next wait.
template <class TimePoint>
class ReceiveDeadlines {
 public:
  static constexpr TimePoint never = TimePoint::max();
  enum class Expired { nothing, wait, peer };

  explicit ReceiveDeadlines(const Limits& limits) : limits_(&limits) { got_packet(); }

  // Somebody begins to wait for a packet.
  void begin_wait(TimePoint now, std::optional<std::chrono::nanoseconds> timeout) {
    wait_ = timeout ? now + *timeout : never;
  }

  // Nothing complete has come yet; `mid_packet`: a part has.
  void keep_waiting(TimePoint now, bool mid_packet) {
    if (!mid_packet) {
      idle_ = after(idle_left_, now);
    } else {
      idle_ = never;
      if (packet_ == never) {
        packet_ = after(packet_left_, now);
      }
    }
  }

  // The peer is kept from sending: its limits stand still until keep_waiting().
  void pause(TimePoint now) noexcept {
    keep(idle_, idle_left_, now);
    keep(packet_, packet_left_, now);
  }

  void got_bytes() noexcept { idle_left_ = limits_->idle_timeout; }

  void got_packet() noexcept {
    got_bytes();
    packet_left_ = limits_->frame_timeout;
    packet_ = never;
  }

  TimePoint first() const noexcept { return std::min({wait_, idle_, packet_}); }

  // Which of the limits has passed; the limits of the peer come before that of the wait.
  Expired expire(TimePoint now) {
    if (packet_ <= now || idle_ <= now) {
      return Expired::peer;
    }
    if (wait_ > now) {
      return Expired::nothing;
    }
    pause(now);
    return Expired::wait;
  }

 private:
  static TimePoint after(std::chrono::nanoseconds time, TimePoint now) noexcept {
    return time.count() > 0 ? now + time : never;
  }

  // Stops a limit. What is left of it is never 0, which would mean that there is none.
  static void keep(TimePoint& limit, std::chrono::nanoseconds& left, TimePoint now) noexcept {
    if (limit != never) {
      left = std::max<std::chrono::nanoseconds>(limit - now, std::chrono::nanoseconds(1));
      limit = never;
    }
  }

  const Limits* limits_;
  TimePoint wait_ = never;
  TimePoint idle_ = never;    // for the first byte of a packet
  TimePoint packet_ = never;  // for the rest of it
  std::chrono::nanoseconds idle_left_{};
  std::chrono::nanoseconds packet_left_{};
};

}  // namespace cowire::detail
