// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/logger.hpp"

#include <spdlog/logger.h>

#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace examples {

inline spdlog::level::level_enum to_spdlog(cowire::LogLevel level) noexcept {
  switch (level) {
    case cowire::LogLevel::debug: return spdlog::level::debug;
    case cowire::LogLevel::info: return spdlog::level::info;
    case cowire::LogLevel::warning: return spdlog::level::warn;
    case cowire::LogLevel::error: return spdlog::level::err;
    case cowire::LogLevel::off: break;
  }
  return spdlog::level::off;
}

/// The lowest level of cowire's that a logger with this level prints.
inline cowire::LogLevel from_spdlog(spdlog::level::level_enum level) noexcept {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug: return cowire::LogLevel::debug;
    case spdlog::level::info: return cowire::LogLevel::info;
    case spdlog::level::warn: return cowire::LogLevel::warning;
    case spdlog::level::err: return cowire::LogLevel::error;
    default: return cowire::LogLevel::off;  // cowire has nothing that is critical.
  }
}

/// The fields of a record behind its message, for people and for programs:
///
///     disconnected peer=127.0.0.1:5000 connection=3 packet=12
inline std::string line_of(const cowire::LogRecord& record) {
  std::string line(record.message);
  if (record.connection_id != 0) {
    line +=
        " peer=" + std::string(record.peer) + " connection=" + std::to_string(record.connection_id);
  }
  if (record.packet_number != 0) {
    line += " packet=" + std::to_string(record.packet_number);
  }
  if (record.error) {
    std::string what = "an exception that is not a std::exception";
    try {
      std::rethrow_exception(record.error);
    } catch (const std::exception& error) {
      what = error.what();
    } catch (...) {
    }
    // Escaped, so that it stays on one line whatever it quotes.
    constexpr std::size_t most = 500;
    line += " error=\"" + cowire::printable(cowire::bytes_of(what), most) + '"';
  }
  return line;
}

/// cowire's log, printed by an spdlog logger. The logger's level is read here, once: what it does
/// not print is not even put together.
inline cowire::Logger spdlog_logger(std::shared_ptr<spdlog::logger> log) {
  const cowire::LogLevel level = from_spdlog(log->level());
  return {level, [log = std::move(log)](const cowire::LogRecord& record) {
            log->log(to_spdlog(record.level), line_of(record));
          }};
}

}  // namespace examples
