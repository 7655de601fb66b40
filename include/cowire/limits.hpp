// SPDX-License-Identifier: BSL-1.0
#pragma once

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

}  // namespace cowire
