// SPDX-License-Identifier: BSL-1.0
#include "cowire/detail/pending_handler.hpp"

#include "support/run.hpp"

#include <asio/bind_executor.hpp>
#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>

using Pending = cowire::detail::PendingHandler<int, std::string>;

TEST_CASE("a pending handler completes once, with its values, through the executor's queue") {
  asio::io_context io;
  std::string got;
  const auto owned = std::make_shared<int>(1);
  Pending pending([&got, kept = std::make_unique<int>(2), owned](
                      int value, std::string text) { got = text + std::to_string(value + *kept); },
                  io.get_executor());
  CHECK(static_cast<bool>(pending));
  CHECK(owned.use_count() == 2);
  pending.complete(40, "forty-two: ");
  CHECK(!static_cast<bool>(pending));
  CHECK(got.empty());
  settle(io);
  CHECK(got == "forty-two: 42");
  CHECK(owned.use_count() == 1);
}

TEST_CASE("a pending handler is work of its executor until it completes or is dropped") {
  asio::io_context io;
  Pending pending([](int, std::string) {}, io.get_executor());
  settle(io);
  CHECK(!io.stopped());
  SUBCASE("completed") { pending.complete(1, ""); }
  SUBCASE("dropped") { pending = Pending(); }
  settle(io);
  CHECK(io.stopped());
}

TEST_CASE("a dropped handler is destroyed and not called") {
  asio::io_context io;
  bool called = false;
  const auto owned = std::make_shared<int>(1);
  {
    const Pending pending([&called, owned](int, std::string) { called = true; }, io.get_executor());
    CHECK(owned.use_count() == 2);
  }
  settle(io);
  CHECK(owned.use_count() == 1);
  CHECK(!called);
}

TEST_CASE("a handler's own executor is the one that it completes on") {
  asio::io_context fallback;
  asio::io_context own;
  int got = 0;
  Pending pending(
      asio::bind_executor(own.get_executor(), [&](int value, std::string) { got = value; }),
      fallback.get_executor());
  pending.complete(7, "");
  settle(fallback);
  CHECK(got == 0);
  settle(own);
  CHECK(got == 7);
}

TEST_CASE("a moved pending handler completes from its new place; an assigned one exchanges") {
  asio::io_context io;
  int got = 0;
  Pending one([&](int value, std::string) { got = value; }, io.get_executor());
  Pending two = std::move(one);
  CHECK(!static_cast<bool>(one));  // NOLINT(bugprone-use-after-move): what moving left
  one = std::move(two);
  one.complete(7, "");
  settle(io);
  CHECK(got == 7);
}

TEST_CASE("a completion may begin the next wait in the same place") {
  asio::io_context io;
  Pending pending;
  int calls = 0;
  struct Again {
    asio::io_context& io;
    Pending& pending;
    int& calls;
    void operator()(int value, const std::string&) {
      if (++calls < 3) {
        pending = Pending(Again{io, pending, calls}, io.get_executor());
        pending.complete(value, "");
      }
    }
  };
  pending = Pending(Again{io, pending, calls}, io.get_executor());
  pending.complete(1, "");
  settle(io);
  CHECK(calls == 3);
}
