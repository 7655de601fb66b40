// SPDX-License-Identifier: BSL-1.0
#include "cowire/task_group.hpp"

#include "support/journal.hpp"
#include "support/memory_server.hpp"
#include "support/run.hpp"

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

struct Rig {
  Journal journal;
  asio::io_context io;
  testing::ManualClock clock{io};
  std::optional<TaskGroup> group{std::in_place, io.get_executor()};

  Task<void> work(std::string name, std::chrono::nanoseconds time) {
    struct Mark {
      Journal& journal;
      std::string name;
      ~Mark() { journal.push_back("~" + name); }
    };
    const Mark mark{journal, name};
    co_await wait_on(io.get_executor(), time);
    journal.push_back(name);
  }
  void pass(std::chrono::nanoseconds time) {
    settle();
    clock.advance(time);
    settle();
  }
  void settle() { ::settle(io); }
  std::shared_ptr<Outcome> wait() {
    auto outcome = spawn(io, group->wait());
    settle();
    return outcome;
  }
};

}  // namespace

TEST_CASE("a group runs tasks and functions that make them, from the executor's queue") {
  Rig rig;
  rig.group->spawn(rig.work("task", 1s));
  auto alive = std::make_shared<int>(7);
  const std::weak_ptr<int> watch = alive;
  rig.group->spawn([&rig, kept = std::move(alive)]() -> Task<void> {
    co_await wait_on(rig.io.get_executor(), 2s);
    rig.journal.push_back(std::to_string(*kept));
  });
  CHECK(rig.journal.empty());
  CHECK(rig.group->size() == 2);
  const auto waiting = rig.wait();
  rig.pass(1s);
  CHECK(rig.journal == Journal{"task", "~task"});
  CHECK(rig.group->size() == 1);
  CHECK(!waiting->done);
  CHECK(!watch.expired());
  rig.pass(1s);
  CHECK(rig.journal == Journal{"task", "~task", "7"});
  CHECK(watch.expired());
  CHECK(waiting->succeeded());
  CHECK(rig.wait()->succeeded());
}

TEST_CASE("cancel ends all tasks, and is no failure") {
  Rig rig;
  rig.group->spawn(rig.work("one", 1h));
  rig.group->spawn(rig.work("two", 1h));
  const auto waiting = rig.wait();
  rig.group->cancel();
  rig.settle();
  CHECK(rig.journal == Journal{"~one", "~two"});
  CHECK(waiting->succeeded());
  CHECK(rig.group->size() == 0);
}

TEST_CASE("a task that is spawned after the cancellation is cancelled too") {
  asio::io_context io;
  TaskGroup group(io.get_executor());
  group.cancel();
  bool began = false;
  group.spawn([&]() -> Task<void> {
    began = true;
    asio::steady_timer timer(io, 1h);
    co_await timer.async_wait(asio::use_awaitable);
  });
  CHECK(group.size() == 1);
  settle(io);
  CHECK(group.size() == 0);
}

TEST_CASE("a task that throws cancels the others; wait throws the first exception, once") {
  Rig rig;
  rig.group->spawn(rig.work("one", 1h));
  for (const char* name : {"first", "second"}) {
    rig.group->spawn([&rig, name]() -> Task<void> {
      try {
        co_await wait_on(rig.io.get_executor(), name == std::string("first") ? 1s : 1h);
      } catch (const std::system_error&) {
      }
      throw std::runtime_error(name);
    });
  }
  const auto waiting = rig.wait();
  rig.pass(1s);
  CHECK(rig.journal == Journal{"~one"});
  REQUIRE(waiting->done);
  CHECK_THROWS_WITH_AS(std::rethrow_exception(waiting->error), "first", std::runtime_error);
  CHECK(rig.wait()->succeeded());
}

TEST_CASE("operation_aborted out of a task that nobody cancelled is a failure") {
  Rig rig;
  rig.group->spawn([]() -> Task<void> {
    throw std::system_error(asio::error::operation_aborted);
    co_return;
  });
  const auto waiting = rig.wait();
  rig.settle();
  CHECK(waiting->code() == asio::error::operation_aborted);
}

TEST_CASE("a cancelled wait ends alone: the tasks go on") {
  Rig rig;
  rig.group->spawn(rig.work("one", 1s));
  const auto waiting = rig.wait();
  waiting->cancel.emit(asio::cancellation_type::terminal);
  rig.settle();
  CHECK(waiting->code() == asio::error::operation_aborted);
  rig.pass(1s);
  CHECK(rig.journal == Journal{"one", "~one"});
}

TEST_CASE("on_idle is called whenever the last task has ended") {
  Rig rig;
  rig.group->on_idle([&] { rig.journal.push_back("idle"); });
  rig.group->spawn(rig.work("one", 1s));
  rig.group->spawn(rig.work("two", 2s));
  rig.pass(1s);
  rig.pass(1s);
  CHECK(rig.journal == Journal{"one", "~one", "two", "~two", "idle"});
  rig.group->spawn(rig.work("three", 0s));
  rig.settle();
  CHECK(rig.journal.back() == "idle");
}

TEST_CASE("the destructor cancels; the tasks end when the executor runs, or is destroyed") {
  Rig rig;
  rig.group->spawn(rig.work("one", 1h));
  rig.settle();
  SUBCASE("the executor runs") {
    rig.group.reset();
    rig.settle();
    CHECK(rig.journal == Journal{"~one"});
  }
  SUBCASE("a waiting wait ends too") {
    const auto waiting = rig.wait();
    rig.group.reset();
    rig.settle();
    CHECK(waiting->done);
  }
  SUBCASE("the executor is destroyed") { rig.group.reset(); }
}

TEST_CASE("a moved group keeps its tasks") {
  Rig rig;
  rig.group->spawn(rig.work("one", 1s));
  TaskGroup moved = std::move(*rig.group);
  rig.group.reset();
  rig.pass(1s);
  CHECK(rig.journal == Journal{"one", "~one"});
}
