// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/error.hpp"

#include <algorithm>
#include <cstddef>
#include <system_error>

#if __has_include(<sys/resource.h>)
#include <sys/resource.h>
#endif

namespace cowire::detail {

// What an error of accept() means for the listener. (EasyNetwork has the same classes.)
enum class AcceptError {
  ignorable,  // This connection died before it was accepted: go on.
  capacity,   // The system has no room: wait, and try again.
  fatal,      // The listener is of no use any more.
};

inline AcceptError classify_accept_error(std::error_code ec) noexcept {
  using std::errc;
  ec = as_system_error(ec);
  for (errc code : {errc::too_many_files_open, errc::too_many_files_open_in_system,
                    errc::no_buffer_space, errc::not_enough_memory}) {
    if (ec == code) {
      return AcceptError::capacity;
    }
  }
  for (errc code : {errc::connection_aborted, errc::connection_reset, errc::interrupted,
                    errc::operation_not_permitted, errc::protocol_error, errc::network_down,
                    errc::no_protocol_option, errc::host_unreachable, errc::operation_not_supported,
                    errc::network_unreachable, errc::protocol_not_supported, errc::timed_out,
                    errc::no_stream_resources, errc::resource_unavailable_try_again}) {
    if (ec == code) {
      return AcceptError::ignorable;
    }
  }
#ifdef EHOSTDOWN
  if (ec == std::error_code(EHOSTDOWN, std::system_category())) {
    return AcceptError::ignorable;
  }
#endif
#ifdef ENONET
  if (ec == std::error_code(ENONET, std::system_category())) {
    return AcceptError::ignorable;
  }
#endif
#ifdef ESOCKTNOSUPPORT
  if (ec == std::error_code(ESOCKTNOSUPPORT, std::system_category())) {
    return AcceptError::ignorable;
  }
#endif
  return AcceptError::fatal;
}

// As many connections as the process can have sockets for, leaving some descriptors to others.
inline std::size_t default_max_connections() noexcept {
  constexpr std::size_t most = 10'000;
#if __has_include(<sys/resource.h>)
  constexpr std::size_t for_others = 64;
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
    const auto open_files = static_cast<std::size_t>(files.rlim_cur);
    return std::min(most, open_files > 2 * for_others ? open_files - for_others : for_others);
  }
#endif
  return most;
}

}  // namespace cowire::detail
