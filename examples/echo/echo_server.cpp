// SPDX-License-Identifier: BSL-1.0
// A server that sends every line back.
//
//     echo_server [host] [port]         defaults: 127.0.0.1 9000; port 0: any free one
//     echo_server unix:PATH             a Unix domain socket; unix:@NAME is an abstract one

#include "../arguments.hpp"
#include "cowire/cowire.hpp"
#include "cowire/transports/unix.hpp"

#include <asio/io_context.hpp>

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
    cowire::ServerOptions options;
    options.logger = cowire::Logger(cowire::LogLevel::info, &cowire::Logger::print_to_stderr);
    if (const auto path = examples::unix_path(argc, argv)) {
      asio::io_context io(1);
      cowire::Server server{io.get_executor(), cowire::StreamProtocol{cowire::LineSerializer{}},
                            Echo{}, options};
      server.add_listener(cowire::UnixListener(io.get_executor(), *path));
      cowire::serve(io, server);
      return 0;
    }
    const auto [host, port] = examples::host_and_port(argc, argv, "127.0.0.1", 9000);
    cowire::serve(host, port, cowire::StreamProtocol{cowire::LineSerializer{}}, Echo{}, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "echo_server: %s\n", error.what());
    return 1;
  }
}
