// SPDX-License-Identifier: BSL-1.0
#include "cowire/detail/session_log.hpp"

#include "support/records.hpp"

#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

using namespace cowire;

namespace {

/// A connection that is nothing but an address and a number.
class NamedChannel final : public detail::Channel {
 public:
  asio::any_io_executor executor() const override { return {}; }
  Endpoint local_endpoint() const override { return {"127.0.0.1", 9000}; }
  Endpoint remote_endpoint() const override { return {"10.0.0.1", 5000}; }
  int native_handle() override { return -1; }
  std::optional<TlsInfo> tls_info() const override { return std::nullopt; }
  std::uint64_t id() const noexcept override { return 7; }
  bool is_closing() const noexcept override { return false; }
  std::size_t queued() const noexcept override { return 0; }
  bool is_slow() const noexcept override { return false; }
  void close() override {}
  void abort() override {}
  void flush() override {}
  Task<void> start_tls() override { co_return; }
  void switch_protocol(std::size_t) override {}
  bool may_go_on(detail::OutputLevel, std::error_code&) const override { return true; }
  bool reached(detail::OutputLevel, std::error_code&) const override { return true; }
  void check_sendable() const override {}

 private:
  void on_wait() override {}
};

struct Log {
  NamedChannel channel;
  Records records;
  Logger logger = records.logger();
  detail::SessionLog log{logger, channel, 42};

  /// The level of the only record; off if there is none.
  LogLevel level() const {
    REQUIRE(records.all().size() <= 1);
    return records.all().empty() ? LogLevel::off : records.all().front().level;
  }
  std::string line() const { return records.all().at(0).line; }
};

template <class E>
std::exception_ptr error(E thrown) {
  return std::make_exception_ptr(thrown);
}
const std::error_code reset = asio::error::connection_reset;
const std::error_code aborted = asio::error::operation_aborted;

LogLevel level_of_handler(const std::exception_ptr& thrown, bool cancelled = false) {
  Log test;
  test.log.handler_failed(thrown, cancelled);
  return test.level();
}
LogLevel level_of_farewell(const std::exception_ptr& thrown, bool cancelled = false) {
  Log test;
  test.log.farewell_failed(thrown, cancelled);
  return test.level();
}
LogLevel level_of_end(std::error_code code) {
  Log test;
  test.log.input_ended(code, [&] { return Error(code); });
  return test.level();
}

}  // namespace

TEST_CASE("a record names the peer, the connection and the packet") {
  Log test;
  test.log.write(LogLevel::info, "hello");
  CHECK(test.line() == "hello (peer 10.0.0.1:5000, connection 7, packet 42)");
  CHECK_FALSE(test.records.all().front().has_error);
}

TEST_CASE("E3, E4: an exception that leaves the handler is an error") {
  CHECK(level_of_handler(error(std::runtime_error("oops"))) == LogLevel::error);
  CHECK(level_of_handler(error(42)) == LogLevel::error);
  CHECK(level_of_handler(error(Error(errc::timeout))) == LogLevel::error);
  CHECK(level_of_handler(error(Error(errc::malformed))) == LogLevel::error);
  CHECK(level_of_handler(error(Error(errc::cancelled))) == LogLevel::error);
  CHECK(level_of_handler(error(std::system_error(aborted))) == LogLevel::error);
  Log test;
  test.log.handler_failed(error(std::runtime_error("oops")), false);
  CHECK(test.line() ==
        "Exception occurred during processing of request (peer 10.0.0.1:5000, connection 7, packet "
        "42): oops");
  CHECK(test.records.all().front().has_error);
}

TEST_CASE("E5: that the peer has gone is no mistake of the handler's") {
  CHECK(level_of_handler(error(Error(reset))) == LogLevel::debug);
  CHECK(level_of_handler(error(Error(errc::end_of_stream))) == LogLevel::debug);
  CHECK(level_of_handler(error(Error(errc::truncated))) == LogLevel::debug);
  CHECK(level_of_handler(error(Error(errc::peer_timeout))) == LogLevel::warning);
}

TEST_CASE("a cancelled handler is no mistake either") {
  CHECK(level_of_handler(error(Error(errc::cancelled)), true) == LogLevel::debug);
  CHECK(level_of_handler(error(std::system_error(aborted)), true) == LogLevel::debug);
}

TEST_CASE("E6: use of a peer that was closed is a warning") {
  CHECK(level_of_handler(error(Error(errc::closed))) == LogLevel::warning);
  CHECK(level_of_farewell(error(Error(errc::closed))) == LogLevel::warning);
}

TEST_CASE("E8: a peer that has gone, told to on_disconnection, is a warning") {
  CHECK(level_of_farewell(error(Error(reset))) == LogLevel::warning);
  CHECK(level_of_farewell(error(std::runtime_error("oops"))) == LogLevel::error);
  CHECK(level_of_farewell(error(Error(errc::cancelled)), true) == LogLevel::debug);
}

TEST_CASE("D6, E13: how the input ended: silent when clean, debug when cut, else a warning") {
  CHECK(level_of_end(errc::end_of_stream) == LogLevel::off);
  CHECK(level_of_end(errc::closed) == LogLevel::off);
  CHECK(level_of_end(errc::truncated) == LogLevel::debug);
  CHECK(level_of_end(reset) == LogLevel::debug);
  CHECK(level_of_end(errc::peer_timeout) == LogLevel::warning);
  CHECK(level_of_end(errc::output_limit) == LogLevel::warning);
}

TEST_CASE("the error of an end is not made when nobody wants to see it") {
  NamedChannel channel;
  int records = 0;
  const Logger logger(LogLevel::warning, [&](const LogRecord&) { ++records; });
  const detail::SessionLog log(logger, channel, 0);
  bool asked = false;
  log.input_ended(errc::truncated, [&] {
    asked = true;
    return Error(errc::truncated);
  });
  log.write(LogLevel::info, "not shown");
  CHECK_FALSE(asked);
  CHECK(records == 0);
}
