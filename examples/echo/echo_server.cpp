// SPDX-License-Identifier: BSL-1.0
// A server that sends every line back.
//
//     echo_server [host] [port]         defaults: 127.0.0.1 9000; port 0: any free one

#include "../arguments.hpp"
#include "cowire/cowire.hpp"

#include <cstdio>
#include <exception>
#include <string>

// [echo]
struct Echo {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    std::string line = co_yield {};  // wait for this peer's next request
    client.send_packet(line);        // answer it
  }  // returning keeps the connection: a new generator starts
};
// [/echo]

int main(int argc, char** argv) {
  try {
    const auto [host, port] = examples::host_and_port(argc, argv, "127.0.0.1", 9000);
    cowire::ServerOptions options;
    options.logger = cowire::Logger(cowire::LogLevel::info, &cowire::Logger::print_to_stderr);
    cowire::serve(host, port, cowire::StreamProtocol{cowire::LineSerializer{}}, Echo{}, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "echo_server: %s\n", error.what());
    return 1;
  }
}
