// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace cowire {

/// What a server has done since it was made: see Server::stats(). Numbers only grow, but `active`.
struct ServerStats {
  std::uint64_t accepted = 0;          ///< Connections.
  std::size_t active = 0;              ///< Those that are connected now.
  std::uint64_t accept_back_offs = 0;  ///< Pauses of accepting: no descriptors, no memory.

  // Why connections ended; each is counted once, when that is known, which may be before it is
  // closed. When all are closed, these add up to `accepted`.
  std::uint64_t refused = 0;            ///< Closed in on_connection, or handle returned at once;
                                        ///< or it came when the server was being stopped.
  std::uint64_t ended_by_peer = 0;      ///< The peer closed, between two packets.
  std::uint64_t ended_by_handler = 0;   ///< close(), abort(), or a return before the first yield.
  std::uint64_t broken = 0;             ///< Reset, lost, or cut inside a packet.
  std::uint64_t timed_out = 0;          ///< errc::peer_timeout.
  std::uint64_t overflowed = 0;         ///< errc::output_limit.
  std::uint64_t failed = 0;             ///< An exception left the handler, but for those that are
                                        ///< condition::disconnected: `broken` and so on.
  std::uint64_t handshakes_failed = 0;  ///< No TLS, or no agreement, or not in time.
  std::uint64_t shut_down = 0;          ///< A shutdown cancelled it, or cut it off.

  std::uint64_t packets_received = 0;
  std::uint64_t packets_sent = 0;  ///< Queued: the peer may have gone before it got them.
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;   ///< Handed to the operating system.
  std::uint64_t bad_packets = 0;  ///< malformed, too_large, serializer_failed.
};

/// The numbers of several servers in one: see ServerThreads::stats().
inline ServerStats operator+(ServerStats one, const ServerStats& other) noexcept {
  one.accepted += other.accepted;
  one.active += other.active;
  one.accept_back_offs += other.accept_back_offs;
  one.refused += other.refused;
  one.ended_by_peer += other.ended_by_peer;
  one.ended_by_handler += other.ended_by_handler;
  one.broken += other.broken;
  one.timed_out += other.timed_out;
  one.overflowed += other.overflowed;
  one.failed += other.failed;
  one.handshakes_failed += other.handshakes_failed;
  one.shut_down += other.shut_down;
  one.packets_received += other.packets_received;
  one.packets_sent += other.packets_sent;
  one.bytes_received += other.bytes_received;
  one.bytes_sent += other.bytes_sent;
  one.bad_packets += other.bad_packets;
  return one;
}

}  // namespace cowire
