// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace cowire {

/// How much a log record matters.
enum class LogLevel { debug, info, warning, error, off };

/// The level's name, as a log line shows it.
inline std::string_view to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
    case LogLevel::off: return "off";
  }
  return "unknown";
}

/// One event. Its views are valid during the call of the sink only.
struct LogRecord {
  LogLevel level = LogLevel::info;
  std::string_view message;
  std::string_view peer;            ///< The peer's address, or empty.
  std::uint64_t connection_id = 0;  ///< Counts a server's connections from 1; 0 is the server.
  std::uint64_t packet_number = 0;  ///< Packets that the connection's handler had been given.
  std::exception_ptr error;         ///< What was thrown, or null.
};

/// One line of text for a record: the message, the peer, and what the exception says.
inline std::string to_string(const LogRecord& record) {
  std::string line(record.message);
  if (!record.peer.empty()) {
    line += " (peer " + std::string(record.peer) + ", connection " +
            std::to_string(record.connection_id) + ", packet " +
            std::to_string(record.packet_number) + ")";
  }
  if (record.error) {
    try {
      std::rethrow_exception(record.error);
    } catch (const std::exception& error) {
      line += ": " + std::string(error.what());
    } catch (...) {
      line += ": an exception that is not a std::exception";
    }
  }
  return line;
}

/// The log hook: a level and a function. Any logging library fits in the function.
///
///     Logger logger{LogLevel::info, [](const LogRecord& r) { spdlog::info(to_string(r)); }};
///
/// By default warnings and errors go to standard error, a line each. The function is called from
/// the thread that runs the server or client; what it throws is ignored.
class Logger {
 public:
  using Sink = std::function<void(const LogRecord&)>;

  Logger() : Logger(LogLevel::warning, &print_to_stderr) {}
  Logger(LogLevel level, Sink sink) : level_(level), sink_(std::move(sink)) {}

  /// A logger that prints nothing.
  static Logger silent() { return {LogLevel::off, Sink{}}; }

  /// Whether records of this level go to the sink.
  bool enabled(LogLevel level) const noexcept { return level >= level_ && sink_ != nullptr; }

  /// Hands the record to the sink if its level is enabled.
  void log(const LogRecord& record) const noexcept {
    if (!enabled(record.level)) {
      return;
    }
    try {
      sink_(record);
    } catch (...) {  // A failing log must not take a connection down.
    }
  }

  /// The default sink.
  static void print_to_stderr(const LogRecord& record) {
    const std::string line =
        "cowire " + std::string(to_string(record.level)) + ": " + to_string(record) + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
  }

 private:
  LogLevel level_;
  Sink sink_;
};

}  // namespace cowire
