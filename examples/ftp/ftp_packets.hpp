// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/error.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace ftp {

/// Whether a command is followed by something.
enum class Parameter { none, optional, required };

/// A command, and what may follow it.
struct Command {
  std::string_view name;
  Parameter parameter;
};

/// All the commands of RFC 959.
inline constexpr Command commands[] = {
    {"ABOR", Parameter::none},     {"ACCT", Parameter::required}, {"ALLO", Parameter::required},
    {"APPE", Parameter::required}, {"CDUP", Parameter::none},     {"CWD", Parameter::required},
    {"DELE", Parameter::required}, {"HELP", Parameter::optional}, {"LIST", Parameter::optional},
    {"MKD", Parameter::required},  {"MODE", Parameter::required}, {"NLST", Parameter::optional},
    {"NOOP", Parameter::none},     {"PASS", Parameter::required}, {"PASV", Parameter::none},
    {"PORT", Parameter::required}, {"PWD", Parameter::none},      {"QUIT", Parameter::none},
    {"REIN", Parameter::none},     {"REST", Parameter::required}, {"RETR", Parameter::required},
    {"RMD", Parameter::required},  {"RNFR", Parameter::required}, {"RNTO", Parameter::required},
    {"SITE", Parameter::required}, {"SMNT", Parameter::required}, {"STAT", Parameter::optional},
    {"STOR", Parameter::required}, {"STOU", Parameter::none},     {"STRU", Parameter::required},
    {"SYST", Parameter::none},     {"TYPE", Parameter::required}, {"USER", Parameter::required},
};

/// What a client asks for: one of the commands, and what it wrote behind it.
struct FtpRequest {
  Command command;
  std::string parameter;

  bool is_complete() const {
    return command.parameter == Parameter::optional ||
           parameter.empty() == (command.parameter == Parameter::none);
  }
};

/// What it is answered.
struct FtpReply {
  int code = 0;
  std::string text;
};

/// A request from a line: `stor a file` is STOR with "a file".
/// @throws cowire::Error malformed: there is no such command.
inline FtpRequest request_from_line(std::string_view line) {
  const std::size_t space = std::min(line.find(' '), line.size());
  std::string name(line.substr(0, space));
  for (char& letter : name) {
    letter = letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
  }
  const auto* const command = std::ranges::find(commands, name, &Command::name);
  if (command == std::end(commands)) {
    throw cowire::Error(
        cowire::errc::malformed,
        "command unrecognized: \"" + cowire::printable(cowire::bytes_of(name)) + '"');
  }
  return {*command, std::string(line.substr(std::min(space + 1, line.size())))};
}

/// A reply as a line: `200 Command okay.`
inline std::string line_from_reply(const FtpReply& reply) {
  const std::string digits = std::to_string(reply.code);
  return std::string(3 - std::min<std::size_t>(digits.size(), 3), '0') + digits + ' ' + reply.text;
}

}  // namespace ftp
