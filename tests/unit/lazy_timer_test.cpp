// SPDX-License-Identifier: BSL-1.0
#include "cowire/detail/lazy_timer.hpp"

#include "cowire/testing/manual_clock.hpp"
#include "support/run.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <memory>

using namespace std::chrono_literals;
using cowire::testing::ManualClock;

namespace {

struct Owner : std::enable_shared_from_this<Owner> {
  explicit Owner(asio::io_context& io) : timer(io.get_executor()) {}

  void on_timer() {
    timer.fired();
    ++calls;
    ask(deadline);  // As a connection does: it looks for itself what is due.
  }
  void ask(ManualClock::time_point at) {
    deadline = at;
    if (timer.is_late_for(at)) {
      ++sets;
      timer.set(at, shared_from_this());
    }
  }

  cowire::detail::LazyTimer<ManualClock, asio::any_io_executor> timer;
  ManualClock::time_point deadline = ManualClock::time_point::max();
  int calls = 0;
  int sets = 0;
};

struct Rig {
  asio::io_context io;
  ManualClock clock{io};
  std::shared_ptr<Owner> owner = std::make_shared<Owner>(io);

  void pass(std::chrono::nanoseconds time) {
    clock.advance(time);
    settle(io);
  }
};

}  // namespace

TEST_CASE("a deadline that moves into the future costs no new timer") {
  Rig rig;
  for (int i = 0; i < 1000; ++i) {
    rig.owner->ask(rig.clock.now() + 10s);
    rig.pass(1ms);
  }
  CHECK(rig.owner->sets == 1);
  rig.pass(9s);
  CHECK(rig.owner->calls == 1);  // Too early; set again.
  CHECK(rig.owner->sets == 2);
  rig.owner->deadline = ManualClock::time_point::max();
  rig.pass(1h);
  CHECK(rig.owner->calls == 2);
  CHECK(rig.clock.waits() == 0);
}

TEST_CASE("an earlier deadline sets the timer anew, and fires once") {
  Rig rig;
  rig.owner->ask(rig.clock.now() + 10s);
  rig.owner->ask(rig.clock.now() + 1s);
  CHECK(rig.owner->sets == 2);
  CHECK(rig.clock.waits() == 1);
  rig.owner->deadline = ManualClock::time_point::max();
  rig.pass(1s);
  CHECK(rig.owner->calls == 1);
  rig.pass(1h);
  CHECK(rig.owner->calls == 1);
}

TEST_CASE("a released timer does not call its owner, lets go of it, and is not set again") {
  Rig rig;
  const std::weak_ptr<Owner> watch = rig.owner;
  rig.owner->ask(rig.clock.now() + 10s);
  rig.owner->timer.release();
  settle(rig.io);
  CHECK(rig.owner->calls == 0);
  rig.owner->ask(rig.clock.now() + 1s);
  CHECK(rig.owner->sets == 1);
  rig.owner.reset();
  CHECK(watch.expired());
}
