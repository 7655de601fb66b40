// SPDX-License-Identifier: BSL-1.0
#include "cowire/generator.hpp"

#include "support/journal.hpp"
#include "support/run.hpp"

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using Slot = detail::PacketSlot<std::string>;
using Talk = Generator<std::string>;

/// Runs one generator; the test puts requests and errors into its hand.
class Host final : public detail::RequestSource<std::string>,
                   public std::enable_shared_from_this<Host> {
 public:
  explicit Host(asio::io_context& io) : io_(&io) {}

  void run(Talk talk) {
    talk_ = std::move(talk);
    talk_.source(*this);
    resume_generator();
  }
  void destroy() {
    waiting_ = nullptr;
    end_await();
    talk_.reset();
  }

  /// For a generator that waits at its yield.
  void answer(std::string request) {
    std::exchange(waiting_, nullptr)->packet.emplace(std::move(request));
    resume_generator();
  }
  void answer(Error error) {
    std::exchange(waiting_, nullptr)->error.emplace(std::move(error));
    resume_generator();
  }

  Talk& talk() { return talk_; }
  bool waits_at_yield() const { return waiting_ != nullptr; }

  std::vector<std::string> ready;  // Requests that are there before they are asked for.
  std::vector<std::optional<RecvParams::duration>> asked;  // The time limits of all yields.
  int resumed = 0;
  int waits = 0;

  void resume_generator() override {
    ++resumed;
    talk_.resume();
  }

 private:
  asio::any_io_executor host_executor() const override { return io_->get_executor(); }
  std::shared_ptr<detail::GeneratorHost> shared_host() override { return shared_from_this(); }
  bool poll_request(const RecvParams& params, Slot& slot) override {
    asked.push_back(params.timeout());
    if (ready.empty()) {
      return false;
    }
    slot.packet.emplace(ready.front());
    ready.erase(ready.begin());
    return true;
  }
  void wait_for_request(Slot& slot) override {
    ++waits;
    waiting_ = &slot;
  }

  asio::io_context* io_;
  Talk talk_;
  Slot* waiting_ = nullptr;
};

struct Rig {
  asio::io_context io;
  std::shared_ptr<Host> host = std::make_shared<Host>(io);
  Journal journal;

  Host* operator->() { return host.get(); }
  void settle() { ::settle(io); }
  bool run_until_done() {
    return run_until(io, [this] { return host->talk().done(); });
  }
};

/// Writes its name when it is destroyed; not copyable.
class Mark {
 public:
  Mark(Journal& journal, std::string name) : journal_(&journal), name_(std::move(name)) {}
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  ~Mark() { journal_->push_back("~" + name_); }

 private:
  Journal* journal_;
  std::string name_;
};

Talk keep(Journal& journal) {
  for (;;) {
    const std::string request = co_yield {};
    journal.push_back(request);
  }
}

Talk all_forms(Journal& journal) {
  journal.push_back(co_yield {});
  journal.push_back(co_yield 30s);
  journal.push_back(co_yield RecvParams(20ms));
  const RecvParams named(1min);
  journal.push_back(co_yield named);
  auto first = co_yield as_result;
  journal.push_back(first ? *first : "error");
  auto second = co_yield as_result(5s);
  journal.push_back(second ? *second : "error");
  auto third = co_yield as_result({});
  journal.push_back(third ? *third : "error");
}

Talk catching(Journal& journal) {
  for (int i = 0; i < 2; ++i) {
    try {
      journal.push_back(co_yield {});
    } catch (const Error& error) {
      journal.push_back(error.code().message());
    }
  }
}

Talk as_results(Journal& journal) {
  for (int i = 0; i < 2; ++i) {
    auto request = co_yield as_result;
    journal.push_back(request ? *request : request.error().code().message());
  }
}

Talk waits_for_timer(Journal& journal, std::chrono::nanoseconds time) {
  const Mark mark(journal, "frame");
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, time);
  co_await timer.async_wait(deferred);
  journal.push_back("timer");
}

Task<int> number(int value) { co_return value; }
Task<void> nothing() { co_return; }
Task<std::unique_ptr<int>> pointer(int value) { co_return std::make_unique<int>(value); }
Task<int> fails() {
  throw std::runtime_error("task failed");
  co_return 0;
}
Task<std::string> slow(std::string text) {
  asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
  co_await timer.async_wait(asio::use_awaitable);
  co_return text;
}

Talk awaits_tasks(Journal& journal) {
  const int value = co_await number(42);
  journal.push_back(std::to_string(value));
  co_await nothing();
  const auto moved = co_await pointer(43);
  journal.push_back(std::to_string(*moved));
  const std::string text = co_await slow("a text that is too long to be stored inside of a string");
  journal.push_back(text);
  Task<int> kept = number(44);
  const int later = co_await std::move(kept);
  journal.push_back(std::to_string(later));
  try {
    co_await fails();
  } catch (const std::runtime_error& error) {
    journal.push_back(error.what());
  }
}

// An operation of Asio's kind that completes with what the test chooses, at once or later.
template <class Signature, class... Values>
auto operation(asio::io_context& io, bool at_once, Values... values) {
  return [&io, at_once, values...](auto&& token) {
    return asio::async_initiate<decltype(token), Signature>(
        [&io, at_once](auto handler, auto... results) {
          auto complete = [handler = std::move(handler), results...]() mutable {
            std::move(handler)(std::move(results)...);
          };
          if (at_once) {
            complete();
          } else {
            asio::post(io, std::move(complete));
          }
        },
        token, values...);
  };
}

Talk awaits_operations(Rig& rig, bool at_once) {
  auto nothing_at_all = operation<void()>(rig.io, at_once);
  co_await nothing_at_all;
  auto only_a_value = operation<void(int)>(rig.io, at_once, 1);
  const int value = co_await only_a_value;
  rig.journal.push_back(std::to_string(value));
  auto code_and_value =
      operation<void(std::error_code, int)>(rig.io, at_once, std::error_code(), 2);
  const int second = co_await code_and_value;
  rig.journal.push_back(std::to_string(second));
  auto two = operation<void(std::error_code, int, std::string)>(rig.io, at_once, std::error_code(),
                                                                3, std::string("three"));
  const auto [third, name] = co_await two;
  rig.journal.push_back(std::to_string(third) + name);
  auto failing = operation<void(std::error_code, int)>(
      rig.io, at_once, std::error_code(asio::error::connection_reset), 0);
  try {
    co_await failing;
  } catch (const Error& error) {
    rig.journal.push_back(error.code() == asio::error::connection_reset ? "reset" : "?");
  }
}

Talk temporaries(Journal& journal) {
  // g++ 12.2 destroys some temporaries of such expressions twice; our own types must be safe.
  journal.push_back(co_yield RecvParams(std::chrono::duration<double>(1.5)));
  auto result = co_yield as_result(RecvParams(1h));
  journal.push_back(*std::move(result));
  journal.push_back((co_yield as_result).value());
  journal.push_back(*(co_yield as_result({})));
  journal.push_back("task: " + co_await slow("text of a task, longer than a small string can be"));
}

Talk throws_at_once() {
  throw std::runtime_error("early");
  co_yield {};
}

}  // namespace

TEST_CASE("a generator does not run before it is resumed") {
  Rig rig;
  Talk talk = keep(rig.journal);
  CHECK(static_cast<bool>(talk));
  CHECK(!talk.done());
  CHECK(!talk.has_yielded());
  Talk moved = std::move(talk);
  CHECK(!static_cast<bool>(talk));  // NOLINT(bugprone-use-after-move): what moving left
  moved.reset();
  moved.reset();
  CHECK(!static_cast<bool>(moved));
  CHECK(!static_cast<bool>(Talk()));
}

TEST_CASE("requests that are there are handed over without suspending") {
  Rig rig;
  rig->ready = {"one", "two", "three"};
  rig->run(keep(rig.journal));
  CHECK(rig.journal == Journal{"one", "two", "three"});
  CHECK(rig->resumed == 1);
  CHECK(rig->waits == 1);
  CHECK(rig->talk().has_yielded());
  rig->answer("four");
  CHECK(rig.journal == Journal{"one", "two", "three", "four"});
}

TEST_CASE("all forms of a yield, with their time limits") {
  Rig rig;
  rig->ready = {"1", "2", "3", "4", "5", "6", "7"};
  rig->run(all_forms(rig.journal));
  CHECK(rig.journal == Journal{"1", "2", "3", "4", "5", "6", "7"});
  CHECK(rig->asked == std::vector<std::optional<RecvParams::duration>>{
                          std::nullopt, 30s, 20ms, 1min, std::nullopt, 5s, std::nullopt});
  CHECK(rig->talk().done());
  CHECK(rig->talk().error() == nullptr);
}

TEST_CASE("D12: an error is thrown at the yield, and the generator may go on") {
  Rig rig;
  rig->run(catching(rig.journal));
  rig->answer(Error(errc::timeout));
  CHECK(rig->waits_at_yield());
  rig->answer("next");
  CHECK(rig.journal == Journal{make_error_code(errc::timeout).message(), "next"});
  CHECK(rig->talk().error() == nullptr);
}

TEST_CASE("as_result gives the error to answer; errc::cancelled is thrown all the same") {
  Rig rig;
  rig->run(as_results(rig.journal));
  rig->answer(Error(errc::malformed));
  CHECK(rig.journal == Journal{make_error_code(errc::malformed).message()});
  rig->answer(Error(errc::cancelled));
  CHECK(rig.journal.size() == 1);
  REQUIRE(rig->talk().done());
  CHECK_THROWS_AS(std::rethrow_exception(rig->talk().error()), Error);
}

TEST_CASE("what leaves a generator is kept for its host") {
  Rig rig;
  rig->run(throws_at_once());
  REQUIRE(rig->talk().done());
  CHECK(!rig->talk().has_yielded());
  CHECK_THROWS_WITH(std::rethrow_exception(rig->talk().error()), "early");
}

TEST_CASE("awaiting an Asio timer") {
  Rig rig;
  rig->run(waits_for_timer(rig.journal, 1ms));
  CHECK(rig.journal.empty());
  CHECK(!rig->talk().has_yielded());
  REQUIRE(rig.run_until_done());
  CHECK(rig.journal == Journal{"timer", "~frame"});
}

TEST_CASE("awaiting tasks: values, void, move-only results, exceptions") {
  Rig rig;
  rig->run(awaits_tasks(rig.journal));
  REQUIRE(rig.run_until_done());
  CHECK(rig->talk().error() == nullptr);
  CHECK(rig.journal == Journal{"42", "43",
                               "a text that is too long to be stored inside of a string", "44",
                               "task failed"});
}

TEST_CASE("awaiting operations of all shapes, which complete later or at once") {
  for (const bool at_once : {false, true}) {
    CAPTURE(at_once);
    Rig rig;
    rig->run(awaits_operations(rig, at_once));
    rig.settle();
    REQUIRE(rig->talk().done());
    CHECK(rig->talk().error() == nullptr);
    CHECK(rig.journal == Journal{"1", "2", "3three", "reset"});
    CHECK(rig->resumed == (at_once ? 1 : 6));
  }
}

TEST_CASE("temporaries of our own types in awaited expressions are destroyed once") {
  Rig rig;
  const std::string long_text(1000, 'x');
  rig->ready = {long_text, long_text};
  rig->run(temporaries(rig.journal));
  rig->answer(long_text);
  rig->answer(long_text);
  REQUIRE(rig.run_until_done());
  REQUIRE(rig.journal.size() == 5);
  CHECK(rig.journal[3] == long_text);
}

TEST_CASE("D1: destroyed at its yield, a generator runs its destructors and nothing else") {
  Rig rig;
  rig->run([](Journal& journal) -> Talk {
    const Mark mark(journal, "frame");
    try {
      co_yield {};
    } catch (...) {
      journal.push_back("thrown");
    }
    journal.push_back("after");
  }(rig.journal));
  rig->destroy();
  CHECK(rig.journal == Journal{"~frame"});
}

TEST_CASE("destroyed at an operation: the completion that comes later is ignored") {
  Rig rig;
  SUBCASE("a timer") { rig->run(waits_for_timer(rig.journal, 1ms)); }
  SUBCASE("a task") {
    rig->run([](Journal& journal) -> Talk {
      const Mark mark(journal, "frame");
      co_await slow("text");
      journal.push_back("after");
    }(rig.journal));
  }
  SUBCASE("a posted completion") {
    rig->run([](Rig& of) -> Talk {
      const Mark mark(of.journal, "frame");
      auto later = operation<void(std::error_code, std::string)>(of.io, false, std::error_code(),
                                                                 std::string(100, 'x'));
      co_await later;
      of.journal.push_back("after");
    }(rig));
  }
  rig->destroy();
  CHECK(rig.journal == Journal{"~frame"});
  rig->run(keep(rig.journal));  // The next generator is none of the completion's business.
  const int resumed = rig->resumed;
  rig.io.restart();
  rig.io.run_for(10s);
  CHECK(rig->resumed == resumed);
  CHECK(rig.journal == Journal{"~frame"});
}

TEST_CASE("destroyed at an operation that never completes, with its executor") {
  Journal journal;
  {
    Rig rig;
    rig->run(waits_for_timer(rig.journal, 1h));
    rig->destroy();
    journal = rig.journal;
  }
  CHECK(journal == Journal{"~frame"});
}

TEST_CASE("D11: a cancelled operation throws errc::cancelled, whatever its kind") {
  Rig rig;
  SUBCASE("a timer") {
    rig->run([](Journal& journal) -> Talk {
      asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
      try {
        co_await timer.async_wait(deferred);
      } catch (const Error& error) {
        journal.push_back(error.code() == errc::cancelled ? "cancelled" : error.what());
      }
    }(rig.journal));
  }
  SUBCASE("a task") {
    rig->run([](Journal& journal) -> Talk {
      auto task = []() -> Task<void> {
        asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
        co_await timer.async_wait(asio::use_awaitable);
      };
      try {
        co_await task();
      } catch (const Error& error) {
        journal.push_back(error.code() == errc::cancelled ? "cancelled" : error.what());
      }
    }(rig.journal));
    rig.settle();
  }
  rig->cancel_await();
  CHECK(rig.journal.empty());
  rig.settle();
  CHECK(rig.journal == Journal{"cancelled"});
}

TEST_CASE("the next generator takes the frame of the last one") {
  Rig rig;
  const auto place_of_one = [&] {
    const void* place = nullptr;
    rig->run([](const void*& to) -> Talk {
      const Mark* local = nullptr;
      to = &local;
      co_yield {};
      to = local;  // Lives across the yield, and so in the frame.
    }(place));
    rig->destroy();
    return place;
  };
  const void* first = place_of_one();
  const void* second = place_of_one();
  CHECK(first != nullptr);
  if (detail::recycles_frames) {
    CHECK(second == first);
  }
}

TEST_CASE("a cancellation between two operations does not reach the one that is over") {
  Rig rig;
  rig->run([](Rig& of) -> Talk {
    {
      asio::steady_timer timer(of.io, 1ms);
      co_await timer.async_wait(deferred);
    }
    const std::string line = co_yield {};  // The timer is gone.
    of.journal.push_back(line);
  }(rig));
  rig.io.restart();
  rig.io.run_for(10s);
  REQUIRE(rig->waits == 1);
  rig->cancel_await();
  rig->answer("next");
  CHECK(rig.journal == Journal{"next"});
}

TEST_CASE("an operation that throws when it is started has never begun") {
  Rig rig;
  rig->run([](Rig& of) -> Talk {
    const Mark mark(of.journal, "frame");
    auto impossible = [](auto&& token) {
      return asio::async_initiate<decltype(token), void(std::error_code)>(
          [](auto) { throw std::runtime_error("impossible"); }, token);
    };
    try {
      co_await impossible;
    } catch (const std::runtime_error& error) {
      of.journal.push_back(error.what());
    }
    const std::string line = co_yield {};
    of.journal.push_back(line);
  }(rig));
  CHECK(rig.journal == Journal{"impossible"});
  CHECK_FALSE(rig->has_operation());
  rig->destroy();
  CHECK(rig.journal == Journal{"impossible", "~frame"});
}

TEST_CASE("an operation that is aborted without a cancellation throws its own code") {
  Rig rig;
  std::optional<asio::steady_timer> timer(std::in_place, rig.io, 1h);
  rig->run([](Journal& journal, asio::steady_timer& of) -> Talk {
    try {
      co_await of.async_wait(deferred);
    } catch (const Error& error) {
      journal.push_back(error.code() == asio::error::operation_aborted ? "aborted" : "?");
    }
  }(rig.journal, *timer));
  timer->cancel();
  rig.settle();
  CHECK(rig.journal == Journal{"aborted"});
}
