// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"

#include <cstddef>
#include <utility>

namespace cowire {

/// The bytes on their way out of one connection, in order: those being written, which must not
/// move, and behind them those gathered meanwhile.
///
///     |  in flight  |  gathering  |
///      ^ the transport writes      ^ serializers append
class OutputQueue {
 public:
  /// @lifetime The pool must outlive the queue.
  explicit OutputQueue(BlockPool& pool) noexcept : gathering_(pool), in_flight_(pool) {}

  std::size_t size() const noexcept { return gathering_.size() + in_flight_.size(); }
  bool empty() const noexcept { return size() == 0; }

  /// Where new packets are appended.
  OutputBuffer& gathering() noexcept { return gathering_; }

  /// Whether a write is under way.
  bool is_writing() const noexcept { return !in_flight_.empty(); }

  /// Begins a write of all that was gathered. @pre !is_writing()
  void begin_write() noexcept { std::swap(gathering_, in_flight_); }

  /// The bytes to write next, in one piece, at a fixed address until they are written.
  Bytes in_flight() const noexcept { return in_flight_.readable(); }

  /// Forgets what was gathered, and what is in flight if nobody writes it any more.
  void drop(bool in_flight_too) noexcept {
    gathering_.consume(gathering_.size());
    if (in_flight_too) {
      in_flight_.consume(in_flight_.size());
    }
  }

  /// Says that the first `n` bytes in flight were written.
  void written(std::size_t n) noexcept { in_flight_.consume(n); }

 private:
  OutputBuffer gathering_;
  OutputBuffer in_flight_;
};

}  // namespace cowire
