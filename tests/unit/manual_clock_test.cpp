// SPDX-License-Identifier: BSL-1.0
#include "cowire/testing/manual_clock.hpp"

#include "cowire/clock.hpp"
#include "support/journal.hpp"
#include "support/run.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>

using namespace cowire;
using namespace std::chrono_literals;
using testing::ManualClock;

namespace {

static_assert(Clock<ManualClock, asio::any_io_executor>);
static_assert(Clock<ManualClock, asio::io_context::executor_type>);
static_assert(Clock<SteadyClock, asio::io_context::executor_type>);

using Timer = ManualClock::Timer<asio::any_io_executor>;

struct Rig {
  asio::io_context io;
  ManualClock clock{io};
  Journal journal;

  auto note(std::string name) {
    return [this, name](std::error_code ec) {
      journal.push_back(name + (ec == asio::error::operation_aborted ? " aborted" : ""));
    };
  }
  void start(Timer& timer, std::chrono::nanoseconds in, std::string name) {
    timer.expires_at(clock.now() + in);
    timer.async_wait(note(std::move(name)));
  }
  Timer timer() { return Timer(io.get_executor()); }
};

}  // namespace

TEST_CASE("the manual clock stands still until it is moved") {
  Rig rig;
  const auto begin = rig.clock.now();
  settle(rig.io);
  CHECK(rig.clock.now() == begin);
  rig.clock.advance(5min);
  CHECK(rig.clock.now() - begin == 5min);
  CHECK(ManualClock::now(rig.io.get_executor()) == rig.clock.now());
  CHECK(ManualClock(rig.io).now() == rig.clock.now());
  asio::io_context other;
  CHECK(ManualClock(other).now() == begin);
}

TEST_CASE("timers complete in the order of their times, then of their waits") {
  Rig rig;
  Timer a = rig.timer(), b = rig.timer(), c = rig.timer(), d = rig.timer();
  rig.start(a, 3s, "a");
  rig.start(b, 1s, "b");
  rig.start(c, 2s, "c");
  rig.start(d, 1s, "d");
  CHECK(rig.clock.waits() == 4);
  CHECK(rig.clock.next() - rig.clock.now() == 1s);
  rig.clock.advance(2s);
  CHECK(rig.journal.empty());  // Through the executor's queue.
  settle(rig.io);
  CHECK(rig.journal == Journal{"b", "d", "c"});
  CHECK(rig.clock.waits() == 1);
  rig.clock.advance(1s);
  settle(rig.io);
  CHECK(rig.journal == Journal{"b", "d", "c", "a"});
  CHECK(rig.clock.next() == ManualClock::time_point::max());
}

TEST_CASE("a timer whose time has come completes without a move of the clock") {
  Rig rig;
  Timer timer = rig.timer();
  rig.start(timer, 0s, "now");
  settle(rig.io);
  rig.start(timer, -1s, "past");
  settle(rig.io);
  CHECK(rig.journal == Journal{"now", "past"});
}

TEST_CASE("a wait is cancelled by cancel, a new time, the end of its timer, or its slot") {
  Rig rig;
  auto timer = std::make_unique<Timer>(rig.io.get_executor());
  asio::cancellation_signal signal;
  timer->expires_at(rig.clock.now() + 1s);
  timer->async_wait(asio::bind_cancellation_slot(signal.slot(), rig.note("wait")));
  SUBCASE("cancel") { timer->cancel(); }
  SUBCASE("a new time") { timer->expires_at(rig.clock.now() + 2s); }
  SUBCASE("the end of the timer") { timer.reset(); }
  SUBCASE("its slot") { signal.emit(asio::cancellation_type::terminal); }
  settle(rig.io);
  CHECK(rig.journal == Journal{"wait aborted"});
  CHECK(rig.clock.waits() == 0);
  rig.clock.advance(1h);
  settle(rig.io);
  CHECK(rig.journal == Journal{"wait aborted"});
  signal.emit(asio::cancellation_type::terminal);  // Too late, and harmless.
}

TEST_CASE("cancelling one of two timers of the same time leaves the other") {
  Rig rig;
  Timer a = rig.timer(), b = rig.timer();
  rig.start(a, 1s, "a");
  rig.start(b, 1s, "b");
  a.cancel();
  rig.clock.advance(1s);
  settle(rig.io);
  CHECK(rig.journal == Journal{"a aborted", "b"});
}

TEST_CASE("a wait counts as work of its executor") {
  Rig rig;
  Timer timer = rig.timer();
  rig.start(timer, 1s, "a");
  settle(rig.io);
  CHECK(!rig.io.stopped());
  rig.clock.advance(1s);
  settle(rig.io);
  CHECK(rig.io.stopped());
}

TEST_CASE("a context is destroyed with waits whose handlers own their timers") {
  Rig rig;
  for (int i = 0; i < 3; ++i) {
    auto timer = std::make_shared<Timer>(rig.io.get_executor());
    timer->expires_at(rig.clock.now() + 1s);
    timer->async_wait([timer](std::error_code) {});
  }
  CHECK(rig.clock.waits() == 3);
}
