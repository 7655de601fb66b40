// SPDX-License-Identifier: BSL-1.0
#include "cowire/detail/receive_deadlines.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <optional>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using Point = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using Deadlines = detail::ReceiveDeadlines<Point>;
using Expired = Deadlines::Expired;

constexpr Point start{};
constexpr Point at(std::chrono::nanoseconds time) { return start + time; }
const Limits limits{.idle_timeout = 60s, .frame_timeout = 10s};
const Limits none{.idle_timeout = 0s, .frame_timeout = 0s};

}  // namespace

TEST_CASE("nothing expires while nobody waits") {
  Deadlines deadlines(limits);
  CHECK(deadlines.first() == Deadlines::never);
  CHECK(deadlines.expire(at(1h)) == Expired::nothing);
}

TEST_CASE("limits of 0 are no limits") {
  Deadlines deadlines(none);
  deadlines.begin_wait(start, std::nullopt);
  deadlines.keep_waiting(start, false);
  CHECK(deadlines.first() == Deadlines::never);
  deadlines.keep_waiting(start, true);
  CHECK(deadlines.first() == Deadlines::never);
  CHECK(deadlines.expire(at(24h)) == Expired::nothing);
}

TEST_CASE("a wait expires at its time, not before; a wait of 0 at once") {
  Deadlines deadlines(limits);
  deadlines.begin_wait(start, 5s);
  deadlines.keep_waiting(start, false);
  CHECK(deadlines.first() == at(5s));
  CHECK(deadlines.expire(at(5s - 1ns)) == Expired::nothing);
  CHECK(deadlines.expire(at(5s)) == Expired::wait);
  deadlines.begin_wait(at(7s), 0s);
  deadlines.keep_waiting(at(7s), false);
  CHECK(deadlines.expire(at(7s)) == Expired::wait);
}

TEST_CASE("a peer that stays silent is idle") {
  Deadlines deadlines(limits);
  deadlines.begin_wait(start, std::nullopt);
  deadlines.keep_waiting(start, false);
  CHECK(deadlines.first() == at(60s));
  CHECK(deadlines.expire(at(60s - 1ns)) == Expired::nothing);
  CHECK(deadlines.expire(at(60s)) == Expired::peer);
}

TEST_CASE("a packet that has begun has its own limit, which more bytes do not move") {
  Deadlines deadlines(limits);
  deadlines.begin_wait(start, std::nullopt);
  deadlines.keep_waiting(start, false);
  deadlines.got_bytes();
  deadlines.keep_waiting(at(50s), true);
  CHECK(deadlines.first() == at(60s));
  deadlines.got_bytes();
  deadlines.keep_waiting(at(55s), true);
  CHECK(deadlines.first() == at(60s));
  CHECK(deadlines.expire(at(60s)) == Expired::peer);
}

TEST_CASE("a pause keeps what is left of the limits") {
  Deadlines deadlines(limits);
  deadlines.begin_wait(start, std::nullopt);
  deadlines.keep_waiting(start, false);
  deadlines.pause(at(40s));
  CHECK(deadlines.first() == Deadlines::never);
  deadlines.keep_waiting(at(100s), false);
  CHECK(deadlines.first() == at(120s));
  deadlines.keep_waiting(at(101s), true);
  deadlines.pause(at(107s));
  deadlines.keep_waiting(at(200s), true);
  CHECK(deadlines.first() == at(204s));
  deadlines.pause(at(300s));  // Nobody looked in time: it has passed, and is not forgotten.
  deadlines.keep_waiting(at(400s), true);
  CHECK(deadlines.expire(at(401s)) == Expired::peer);
}

TEST_CASE("a packet ends its limit, and the next one has a whole one") {
  Deadlines deadlines(limits);
  deadlines.begin_wait(start, std::nullopt);
  deadlines.keep_waiting(start, true);
  deadlines.got_packet();
  deadlines.begin_wait(at(9s), std::nullopt);
  deadlines.keep_waiting(at(9s), false);
  CHECK(deadlines.first() == at(69s));
  deadlines.keep_waiting(at(30s), true);
  CHECK(deadlines.first() == at(40s));
}

TEST_CASE("what is left of a packet's limit when a wait times out is for the next wait") {
  Deadlines deadlines(limits);
  deadlines.begin_wait(start, 4s);
  deadlines.keep_waiting(start, true);
  CHECK(deadlines.expire(at(4s)) == Expired::wait);
  // The handler works for an hour, and waits again: 6 s are left.
  deadlines.begin_wait(at(1h), std::nullopt);
  deadlines.keep_waiting(at(1h), true);
  CHECK(deadlines.first() == at(1h + 6s));
  CHECK(deadlines.expire(at(1h + 6s)) == Expired::peer);
}

TEST_CASE("what is left of the idle limit too: short waits do not make silence free") {
  Deadlines deadlines(limits);
  Point now = start;
  int waits = 0;
  for (;; ++waits) {
    REQUIRE(waits < 10);
    deadlines.begin_wait(now, 7s);
    deadlines.keep_waiting(now, false);
    now = deadlines.first();
    const Expired expired = deadlines.expire(now);
    if (expired == Expired::peer) {
      break;
    }
    CHECK(expired == Expired::wait);
    now += 1h;  // The handler works; the peer may be silent meanwhile.
  }
  CHECK(waits == 8);  // 8 * 7 s and 4 s
}

TEST_CASE("bytes end the silence") {
  Deadlines deadlines(limits);
  deadlines.begin_wait(start, 59s);
  deadlines.keep_waiting(start, false);
  CHECK(deadlines.expire(at(59s)) == Expired::wait);
  deadlines.got_bytes();
  deadlines.got_packet();
  deadlines.begin_wait(at(59s), std::nullopt);
  deadlines.keep_waiting(at(59s), false);
  CHECK(deadlines.first() == at(119s));
}

TEST_CASE("when several pass at once the peer's limits come before the wait's") {
  Deadlines deadlines(limits);
  deadlines.begin_wait(start, 60s);
  deadlines.keep_waiting(start, false);
  CHECK(deadlines.expire(at(60s)) == Expired::peer);
  Deadlines packet(limits);
  packet.begin_wait(start, 10s);
  packet.keep_waiting(start, true);
  CHECK(packet.expire(at(10s)) == Expired::peer);
}
