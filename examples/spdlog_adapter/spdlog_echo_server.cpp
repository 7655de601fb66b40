// SPDX-License-Identifier: BSL-1.0
// An echo server whose log, and that of the library, is printed by spdlog.
//
//     spdlog_echo_server [host] [port] [level]    defaults: 127.0.0.1 9000 info; port 0: any free
//     one

#include "../arguments.hpp"
#include "cowire/cowire.hpp"
#include "spdlog_logger.hpp"

#include <spdlog/sinks/stdout_sinks.h>

#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

class LoggedEcho {
 public:
  explicit LoggedEcho(cowire::Logger logger) : logger_(std::move(logger)) {}

  void service_init(cowire::Service& service) {
    service.at_exit([this] { std::printf("%zu debug texts were made.\n", made_); });
  }

  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string line = co_yield {};
    if (logger_.enabled(cowire::LogLevel::debug)) {  // If not, the text costs nothing.
      log_line(client, line);
    }
    if (line == "crash") {
      throw std::runtime_error("a \"crash\"\nwas asked for");
    }
    client.send_packet(line);
  }

 private:
  void log_line(const cowire::Peer<std::string>& client, const std::string& line) {
    const std::string text = "echo \"" + cowire::printable(cowire::bytes_of(line)) + '"';
    const std::string peer = to_string(client.remote_endpoint());
    cowire::LogRecord record;
    record.level = cowire::LogLevel::debug;
    record.message = text;
    record.peer = peer;
    record.connection_id = client.id();
    logger_.log(record);
    ++made_;
  }

  cowire::Logger logger_;
  std::size_t made_ = 0;
};

int main(int argc, char** argv) {
  try {
    const auto [host, port] = examples::host_and_port(argc, argv, "127.0.0.1", 9000);
    const auto log = spdlog::stderr_logger_mt("server");
    log->set_pattern("%Y-%m-%d %H:%M:%S.%e [%n] [%l] %v");
    log->set_level(spdlog::level::from_str(argc > 3 ? argv[3] : "info"));

    cowire::ServerOptions options;
    options.logger = examples::spdlog_logger(log);
    const LoggedEcho handler(options.logger);
    cowire::serve(host, port, cowire::StreamProtocol{cowire::LineSerializer{}}, handler, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "spdlog_echo_server: %s\n", error.what());
    return 1;
  }
}
