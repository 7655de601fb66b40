// SPDX-License-Identifier: BSL-1.0
#include "cowire/detail/event.hpp"

#include "support/run.hpp"

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <optional>

using cowire::detail::Event;

TEST_CASE("an event wakes all who wait, and nobody who comes later") {
  asio::io_context io;
  Event event(io.get_executor());
  event.notify();
  const auto one = spawn(io, event.wait());
  const auto two = spawn(io, event.wait());
  settle(io);
  CHECK(!one->done);
  event.notify();
  CHECK(!one->done);  // Through the executor's queue.
  settle(io);
  CHECK(one->succeeded());
  CHECK(two->succeeded());
  const auto three = spawn(io, event.wait());
  settle(io);
  CHECK(!three->done);
  event.notify();
  settle(io);
  CHECK(three->succeeded());
}

TEST_CASE("a cancelled wait ends alone") {
  asio::io_context io;
  Event event(io.get_executor());
  const auto one = spawn(io, event.wait());
  const auto two = spawn(io, event.wait());
  settle(io);
  one->cancel.emit(asio::cancellation_type::terminal);
  settle(io);
  CHECK(one->code() == asio::error::operation_aborted);
  CHECK(!two->done);
  event.notify();
  one->cancel.emit(asio::cancellation_type::terminal);
  settle(io);
  CHECK(two->succeeded());
}

TEST_CASE("copies are the same event, which lives as long as somebody waits") {
  asio::io_context io;
  std::optional<Event> event(std::in_place, io.get_executor());
  Event copy = *event;
  const auto waiting = spawn(io, event->wait());
  settle(io);
  event.reset();
  copy.notify();
  settle(io);
  CHECK(waiting->succeeded());
}
