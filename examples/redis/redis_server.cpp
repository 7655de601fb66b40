// SPDX-License-Identifier: BSL-1.0
// A small part of Redis, to which redis-cli and redis-benchmark can talk: a protocol of one's own,
// in resp.hpp, and a handler that serves all peers from one table.
//
//     redis_server [host] [port]        defaults: 127.0.0.1 6379; port 0: any free one

#include "../arguments.hpp"
#include "cowire/cowire.hpp"
#include "resp.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>

using resp::Command;
using resp::Reply;

class Store {
 public:
  cowire::Generator<Command> handle(cowire::Peer<Reply>& client) {
    const cowire::Result<Command> command = co_yield cowire::as_result;
    if (!command) {  // Nobody knows where the next command begins.
      client.send_packet(Reply::error("ERR Protocol error: " + command.error().context().detail));
      client.close();
      co_return;
    }
    const std::string name = upper(command->front());
    client.send_packet(answer(name, *command));
    if (name == "QUIT") {
      client.close();
    }
  }

 private:
  static std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
  }

  Reply answer(const std::string& name, const Command& command) {
    const std::size_t arguments = command.size() - 1;
    if (name == "PING" && arguments <= 1) {
      return arguments == 0 ? Reply::simple("PONG") : Reply::bulk(command[1]);
    }
    if (name == "ECHO" && arguments == 1) {
      return Reply::bulk(command[1]);
    }
    if (name == "SET" && arguments == 2) {
      values_[command[1]] = command[2];
      return Reply::simple("OK");
    }
    if (name == "GET" && arguments == 1) {
      const auto found = values_.find(command[1]);
      return found == values_.end() ? Reply::nil() : Reply::bulk(found->second);
    }
    if (name == "DEL" && arguments >= 1) {
      std::size_t count = 0;
      for (std::size_t i = 1; i <= arguments; ++i) {
        count += values_.erase(command[i]);
      }
      return Reply::integer(static_cast<std::int64_t>(count));
    }
    if (name == "INCR" && arguments == 1) {
      return increment(command[1]);
    }
    if (name == "COMMAND") {  // redis-cli asks for the commands when it starts. None is told.
      return Reply::empty_list();
    }
    if (name == "QUIT") {
      return Reply::simple("OK");
    }
    for (const char* const known : {"PING", "ECHO", "SET", "GET", "DEL", "INCR"}) {
      if (name == known) {
        return Reply::error("ERR wrong number of arguments for '" + name + "' command");
      }
    }
    return Reply::error("ERR unknown command '" +
                        cowire::printable(cowire::bytes_of(command.front())) + "'");
  }

  Reply increment(const std::string& key) {
    const auto found = values_.find(key);
    const std::optional<std::int64_t> old =
        found == values_.end() ? std::int64_t{0} : resp::number(found->second);
    if (!old) {
      return Reply::error("ERR value is not an integer or out of range");
    }
    if (*old == std::numeric_limits<std::int64_t>::max()) {
      return Reply::error("ERR increment or decrement would overflow");
    }
    values_[key] = std::to_string(*old + 1);
    return Reply::integer(*old + 1);
  }

  std::unordered_map<std::string, std::string> values_;
};

int main(int argc, char** argv) {
  try {
    const auto [host, port] = examples::host_and_port(argc, argv, "127.0.0.1", 6379);
    cowire::ServerOptions options;
    options.logger = cowire::Logger(cowire::LogLevel::info, &cowire::Logger::print_to_stderr);
    cowire::serve(host, port, cowire::StreamProtocol{resp::Resp{}}, Store{}, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "redis_server: %s\n", error.what());
    return 1;
  }
}
