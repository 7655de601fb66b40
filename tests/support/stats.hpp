// SPDX-License-Identifier: BSL-1.0
// What a server's counters say of the peers that have gone.
#pragma once

#include "cowire/server_stats.hpp"

#include <cstdint>
#include <string>
#include <utility>

/// How many connections have ended since an earlier look, and why: "broken", "broken 2, failed 1".
inline std::string why_ended(const cowire::ServerStats& now, const cowire::ServerStats& then = {}) {
  using cowire::ServerStats;
  constexpr std::pair<std::uint64_t ServerStats::*, const char*> reasons[] = {
      {&ServerStats::refused, "refused"},
      {&ServerStats::ended_by_peer, "ended_by_peer"},
      {&ServerStats::ended_by_handler, "ended_by_handler"},
      {&ServerStats::broken, "broken"},
      {&ServerStats::timed_out, "timed_out"},
      {&ServerStats::overflowed, "overflowed"},
      {&ServerStats::failed, "failed"},
      {&ServerStats::handshakes_failed, "handshakes_failed"},
      {&ServerStats::shut_down, "shut_down"},
  };
  std::string all;
  std::uint64_t sum = 0;
  for (const auto& [reason, name] : reasons) {
    if (const std::uint64_t count = now.*reason - then.*reason; count != 0) {
      all += (all.empty() ? "" : ", ") + std::string(name) +
             (count == 1 ? "" : " " + std::to_string(count));
      sum += count;
    }
  }
  const std::uint64_t accepted = now.accepted - then.accepted;
  return sum == accepted ? all : all + " of " + std::to_string(accepted);
}
