// SPDX-License-Identifier: BSL-1.0
// Runs coroutines of a test to their end, or shows that they do not end. Nothing here sleeps.
#pragma once

#include "cowire/task.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <system_error>
#include <utility>

/// What has become of a task: read it at any time.
struct Outcome {
  bool done = false;
  std::exception_ptr error;
  asio::cancellation_signal cancel;

  bool succeeded() const { return done && !error; }

  /// The code of what the task threw; none if it succeeded, is still running, or threw another
  /// kind of exception.
  std::error_code code() const {
    if (error) {
      try {
        std::rethrow_exception(error);
      } catch (const std::system_error& failed) {
        return failed.code();
      } catch (...) {
      }
    }
    return {};
  }
};

/// Starts a task; it can be cancelled through the outcome.
inline std::shared_ptr<Outcome> spawn(asio::io_context& io, cowire::Task<void> task) {
  auto outcome = std::make_shared<Outcome>();
  asio::co_spawn(
      io, std::move(task),
      asio::bind_cancellation_slot(outcome->cancel.slot(), [outcome](std::exception_ptr error) {
        outcome->done = true;
        outcome->error = std::move(error);
      }));
  return outcome;
}

/// Runs all that can run without waiting.
inline void settle(asio::io_context& io) {
  do {
    io.restart();
  } while (io.poll() != 0);
}

/// Runs until the condition holds, for at most some real seconds: for tests with sockets.
/// @returns Whether it holds.
template <class Condition>
bool run_until(asio::io_context& io, Condition condition,
               std::chrono::seconds limit = std::chrono::seconds(10)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return false;
    }
    io.restart();
    // In slices: another thread may make the condition true.
    if (io.run_one_for(std::chrono::milliseconds(10)) == 0 && io.stopped() && !condition()) {
      return false;  // Nothing left to run.
    }
  }
  return true;
}
