// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace examples {

/// A port number from text. @throws std::invalid_argument It is none.
inline std::uint16_t parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument("\"" + std::string(text) +
                                "\" is no port: give a number from 0 to 65535");
  }
  return port;
}

/// The arguments `[host] [port]` of a program, with their defaults.
inline std::pair<std::string, std::uint16_t> host_and_port(int argc, char** argv,
                                                           std::string_view host,
                                                           std::uint16_t port) {
  return {argc > 1 ? argv[1] : std::string(host), argc > 2 ? parse_port(argv[2]) : port};
}

/// The path of an argument `unix:PATH` in their place, as cowire takes it; `unix:@NAME` is
/// abstract.
inline std::optional<std::string> unix_path(int argc, char** argv) {
  constexpr std::string_view scheme = "unix:";
  const std::string_view argument = argc > 1 ? argv[1] : "";
  if (!argument.starts_with(scheme)) {
    return std::nullopt;
  }
  std::string path(argument.substr(scheme.size()));
  if (path.starts_with('@')) {
    path.front() = '\0';
  }
  return path;
}

}  // namespace examples
