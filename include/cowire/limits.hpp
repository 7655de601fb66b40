// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace cowire {

/// What one connection may take of memory and time. The defaults are safe for a public server;
/// `ServerOptions` and `ClientOptions` hold one each.
///
///     ServerOptions options;
///     options.limits.idle_timeout = 1min;
struct Limits {
  /// The longest a peer may stay silent between two packets while it is waited for.
  /// Default 5 minutes; 0: no limit. Clients have no limit by default.
  std::chrono::milliseconds idle_timeout = std::chrono::minutes(5);

  /// The longest one whole packet may take from its first byte. Default 30 s; 0: no limit.
  std::chrono::milliseconds frame_timeout = std::chrono::seconds(30);

  /// The longest a peer may take no byte of what is queued for it. Default 30 s; 0: no limit.
  std::chrono::milliseconds send_timeout = std::chrono::seconds(30);

  /// The longest a graceful close waits, after everything was sent, for the peer to close its
  /// side too. Until then what the peer still sends is discarded: a close with unread bytes would
  /// reset the connection, and the peer could lose the last packets. Default 3 s; 0: no wait.
  std::chrono::milliseconds close_timeout = std::chrono::seconds(3);

  /// The longest that a TLS handshake may take. A server's; a client's is a part of connecting.
  /// Default 10 s; 0: no limit.
  std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);

  /// Bytes queued for a peer from which on its handler gets no further request, and an awaited
  /// send_packet() waits. Default 64 KiB; at least 1.
  std::size_t output_high = 64 * 1024;

  /// Bytes queued for a peer at which such a wait ends. Default 32 KiB; below output_high.
  std::size_t output_low = 32 * 1024;

  /// Bytes queued for a peer that lose it the connection (errc::output_limit): it does not read,
  /// and its handler does not wait. Default 16 MiB; above output_high.
  std::size_t output_limit = 16 * 1024 * 1024;

  /// Received bytes that may wait to become a packet. A serializer that states a larger frame
  /// limit of its own raises it. Default 128 KiB; at least 1.
  std::size_t receive_limit = 128 * 1024;

  /// Packets that a handler may be given before other connections get their turn. Default 256.
  std::size_t packets_per_turn = 256;

  /// Bytes that a handler may write in awaited sends before other connections get their turn.
  /// Default 256 KiB.
  std::size_t bytes_per_turn = 256 * 1024;
};

namespace detail {

// A time limit in the unit of the clocks. What is longer than a century is as good as none, and is
// cut so that "now and that much more" does not overflow; what is negative is 0.
template <class Rep, class Period>
std::chrono::nanoseconds bounded(std::chrono::duration<Rep, Period> time) noexcept {
  constexpr std::chrono::nanoseconds century = std::chrono::hours(24 * 365 * 100);
  using Seconds = std::chrono::duration<double>;
  const double seconds = std::chrono::duration_cast<Seconds>(time).count();
  if (!(seconds > 0)) {
    return std::chrono::nanoseconds(0);
  }
  return seconds < Seconds(century).count()
             ? std::chrono::duration_cast<std::chrono::nanoseconds>(time)
             : century;
}

// The limits that are meant by limits which make no sense: at least one packet and one byte, a low
// mark below the high one.
inline Limits within_bounds(Limits limits) noexcept {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  for (milliseconds* time : {&limits.idle_timeout, &limits.frame_timeout, &limits.send_timeout,
                             &limits.close_timeout, &limits.handshake_timeout}) {
    *time = duration_cast<milliseconds>(bounded(*time));
  }
  for (std::size_t* count : {&limits.output_high, &limits.output_limit, &limits.receive_limit,
                             &limits.packets_per_turn, &limits.bytes_per_turn}) {
    *count = std::max<std::size_t>(*count, 1);
  }
  limits.output_low = std::min(limits.output_low, limits.output_high - 1);
  return limits;
}

}  // namespace detail

}  // namespace cowire
