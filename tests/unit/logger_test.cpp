// SPDX-License-Identifier: BSL-1.0
#include "cowire/logger.hpp"

#include <doctest/doctest.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

using namespace cowire;

namespace {

LogRecord record_of(LogLevel level, std::string_view message) {
  LogRecord record;
  record.level = level;
  record.message = message;
  return record;
}

}  // namespace

TEST_CASE("levels have names and an order") {
  CHECK(to_string(LogLevel::debug) == "debug");
  CHECK(to_string(LogLevel::info) == "info");
  CHECK(to_string(LogLevel::warning) == "warning");
  CHECK(to_string(LogLevel::error) == "error");
  CHECK(to_string(LogLevel::off) == "off");
  CHECK(LogLevel::debug < LogLevel::info);
  CHECK(LogLevel::error < LogLevel::off);
}

TEST_CASE("records below the logger's level do not reach the sink") {
  std::vector<std::string> lines;
  const Logger logger(LogLevel::warning,
                      [&](const LogRecord& record) { lines.push_back(to_string(record)); });
  for (const LogLevel level :
       {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error}) {
    CHECK(logger.enabled(level) == (level >= LogLevel::warning));
    logger.log(record_of(level, to_string(level)));
  }
  CHECK(lines == std::vector<std::string>{"warning", "error"});
}

TEST_CASE("a record of a connection names it") {
  LogRecord record = record_of(LogLevel::error, "handler failed");
  record.peer = "127.0.0.1:5000";
  record.connection_id = 3;
  record.packet_number = 7;
  CHECK(to_string(record) == "handler failed (peer 127.0.0.1:5000, connection 3, packet 7)");
  record.error = std::make_exception_ptr(std::runtime_error("disk full"));
  CHECK(to_string(record) ==
        "handler failed (peer 127.0.0.1:5000, connection 3, packet 7): disk full");
  record.peer = "";
  record.error = std::make_exception_ptr(42);
  CHECK(to_string(record) == "handler failed: an exception that is not a std::exception");
}

TEST_CASE("what a sink throws is ignored") {
  int calls = 0;
  const Logger logger(LogLevel::debug, [&](const LogRecord&) {
    ++calls;
    throw std::runtime_error("the log is full");
  });
  CHECK_NOTHROW(logger.log(record_of(LogLevel::error, "x")));
  CHECK(calls == 1);
}

TEST_CASE("silent loggers and loggers without a sink are never enabled") {
  for (const Logger& logger : {Logger::silent(), Logger(LogLevel::debug, Logger::Sink{})}) {
    CHECK_FALSE(logger.enabled(LogLevel::error));
    logger.log(record_of(LogLevel::error, "nobody hears this"));
  }
}

TEST_CASE("by default warnings and errors are logged") {
  const Logger logger;
  CHECK(logger.enabled(LogLevel::error));
  CHECK(logger.enabled(LogLevel::warning));
  CHECK_FALSE(logger.enabled(LogLevel::info));
}
