// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace cowire::benchmark {

/// A command line that cannot be understood; the text says what would be right.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What the command line asks for.
struct Options {
  /// Length of one timed run of one server, 0.001 to 3600.
  double seconds = 2;
  /// How often each server runs in each scenario; medians are printed.
  int rounds = 5;
  /// Connections of the idle scenario; capped by the limit of open files.
  std::size_t connections = 10'000;
  /// How long they idle before the memory is read.
  double idle_seconds = 1;
  /// Requests that are counted, after half as many that are not.
  std::uint64_t counted_requests = 10'000;
  /// Keys of the scenarios to run; empty means all.
  std::vector<std::string> scenarios;
  /// Keys of the servers to run beside the reference; empty means all.
  std::vector<std::string> servers;
  bool help = false;
};

inline constexpr std::string_view usage =
    R"(Usage: echo_benchmark [options]

Runs echo servers in turn under the same load and prints them as a ratio to raw epoll.

  --seconds S      length of one timed run (default 2)
  --rounds N       timed runs of each server, of which the medians are printed (default 5)
  --scenario A,B   only these scenarios
  --server A,B     only these servers, and the reference
  --connections N  connections of the idle scenario (default 10000)
  --quick          a smoke test: very short runs; later options still apply
  --help           this text
)";

namespace detail {

template <class Number>
Number parse_number(std::string_view option, std::string_view text, Number least, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool in_range = value >= least && value <= most;
  if (error == std::errc{} && end == text.data() + text.size() && in_range) return value;
  std::string message(option);
  message += ": '" + std::string(text) + "' is not a number from ";
  message += std::to_string(least) + " to " + std::to_string(most);
  throw UsageError(message);
}

inline std::vector<std::string> parse_keys(std::string_view option, std::string_view text,
                                           std::span<const std::string_view> known) {
  std::vector<std::string> keys;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    keys.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
    if (std::find(known.begin(), known.end(), keys.back()) != known.end()) continue;
    std::string message(option);
    message += ": '" + keys.back() + "' is none of";
    for (const std::string_view key : known) message += " " + std::string(key);
    throw UsageError(message);
  }
  return keys;
}

}  // namespace detail

/// Reads the arguments after the program's name; `--option value` and `--option=value` are the
/// same.
/// @throws UsageError on anything that is not in `usage`.
inline Options parse_options(std::span<const char* const> arguments,
                             std::span<const std::string_view> known_scenarios,
                             std::span<const std::string_view> known_servers) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const std::size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const auto value = [&]() -> std::string_view {
      if (equals != std::string_view::npos) return argument.substr(equals + 1);
      if (++i < arguments.size()) return arguments[i];
      throw UsageError(std::string(name) + " needs a value");
    };
    if (name == "--seconds") {
      options.seconds = detail::parse_number(name, value(), 0.001, 3600.0);
    } else if (name == "--rounds") {
      options.rounds = detail::parse_number(name, value(), 1, 1000);
    } else if (name == "--connections") {
      options.connections = detail::parse_number<std::size_t>(name, value(), 1, 1'000'000);
    } else if (name == "--scenario") {
      options.scenarios = detail::parse_keys(name, value(), known_scenarios);
    } else if (name == "--server") {
      options.servers = detail::parse_keys(name, value(), known_servers);
    } else if (argument == "--quick") {
      options.seconds = 0.02;
      options.rounds = 1;
      options.connections = 200;
      options.idle_seconds = 0.02;
      options.counted_requests = 500;
    } else if (argument == "--help") {
      options.help = true;
    } else {
      throw UsageError("unknown argument '" + std::string(argument) + "'");
    }
  }
  return options;
}

}  // namespace cowire::benchmark
