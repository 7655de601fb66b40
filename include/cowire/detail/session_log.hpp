// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/channel.hpp"
#include "cowire/detail/exception_code.hpp"
#include "cowire/error.hpp"
#include "cowire/logger.hpp"

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cowire::detail {

// What is logged of one peer, with which level.
class SessionLog {
 public:
  SessionLog(const Logger& logger, const Channel& channel, std::uint64_t packets) noexcept
      : logger_(&logger), channel_(&channel), packets_(packets) {}

  void write(LogLevel level, std::string_view message, std::exception_ptr error = nullptr) const {
    if (!logger_->enabled(level)) {
      return;
    }
    const std::string peer = to_string(channel_->remote_endpoint());
    LogRecord record;
    record.level = level;
    record.message = message;
    record.peer = peer;
    record.connection_id = channel_->id();
    record.packet_number = packets_;
    record.error = std::move(error);
    logger_->log(record);
  }

  // An exception left the handler: a mistake, unless it only says that the peer has gone, or that
  // the handler was cancelled.
  void handler_failed(const std::exception_ptr& error, bool was_cancelled) const {
    const std::error_code code = code_of(error);
    if (code == errc::closed) {
      write(LogLevel::warning, "There have been attempts to do operation on closed client", error);
    } else if (was_cancelled || (code == condition::disconnected && code != errc::output_limit)) {
      write(was_cancelled ? LogLevel::debug : level_of_end(code), "the handler was ended by",
            error);
    } else if (code == errc::handshake_failed) {
      write(LogLevel::warning, during_handshake, error);
    } else {
      write(LogLevel::error, "Exception occurred during processing of request", error);
    }
  }

  // Peers that leave or dawdle come and go; one that does not agree is worth a look.
  void handshake_failed(const Error& error) const {
    const LogLevel level =
        error.code() == condition::disconnected ? LogLevel::debug : LogLevel::warning;
    write(level, during_handshake, std::make_exception_ptr(error));
  }

  void farewell_failed(const std::exception_ptr& error, bool was_cancelled) const {
    const std::error_code code = code_of(error);
    if (code == condition::disconnected && code != errc::closed) {
      write(LogLevel::warning, "Connection error raised in on_disconnection()", error);
    } else {
      handler_failed(error, was_cancelled);
    }
  }

  // The peer's input ended while the handler waited for it. `why()` makes the Error, if it is
  // worth a line.
  template <class Why>
  void input_ended(std::error_code code, Why why) const {
    if (code == errc::end_of_stream || code == errc::closed) {
      return;
    }
    const LogLevel level = level_of_end(code);
    if (logger_->enabled(level)) {
      write(level, "connection ended", std::make_exception_ptr(why()));
    }
  }

 private:
  // Peers come and go; one that had to be given up is worth a look.
  static LogLevel level_of_end(std::error_code code) noexcept {
    const bool has_left =
        code == condition::disconnected && code != errc::peer_timeout && code != errc::output_limit;
    return has_left ? LogLevel::debug : LogLevel::warning;
  }

  static constexpr std::string_view during_handshake =
      "Error in client task (during TLS handshake)";

  const Logger* logger_;
  const Channel* channel_;
  std::uint64_t packets_;
};

}  // namespace cowire::detail
