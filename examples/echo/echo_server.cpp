// SPDX-License-Identifier: BSL-1.0
// A server that sends every line back.
//
//     echo_server [host] [port]         defaults: 127.0.0.1 9000; port 0: any free one
//     echo_server unix:PATH             a Unix domain socket; unix:@NAME is an abstract one

#include "../arguments.hpp"
#include "cowire/cowire.hpp"
#include "cowire/transports/unix.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>

// [echo]
struct Echo {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    std::string line = co_yield {};  // wait for this peer's next request
    client.send_packet(line);        // answer it
  }  // returning keeps the connection: a new generator starts
};
// [/echo]

// What cowire::serve does for a host and a port.
void serve_unix(const std::string& path, const cowire::ServerOptions& options) {
  asio::io_context io(1);
  cowire::Server server{io.get_executor(), cowire::StreamProtocol{cowire::LineSerializer{}}, Echo{},
                        options};
  server.add_listener(cowire::UnixListener(io.get_executor(), path));
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](std::error_code failed, int) {
    if (!failed) {
      server.request_shutdown(options.shutdown_timeout);
    }
  });
  std::exception_ptr failure;
  asio::co_spawn(io, server.serve_forever(), [&](std::exception_ptr error) {
    failure = error;
    signals.cancel();
  });
  io.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
}

int main(int argc, char** argv) {
  try {
    cowire::ServerOptions options;
    options.logger = cowire::Logger(cowire::LogLevel::info, &cowire::Logger::print_to_stderr);
    if (const auto path = examples::unix_path(argc, argv)) {
      serve_unix(*path, options);
      return 0;
    }
    const auto [host, port] = examples::host_and_port(argc, argv, "127.0.0.1", 9000);
    cowire::serve(host, port, cowire::StreamProtocol{cowire::LineSerializer{}}, Echo{}, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "echo_server: %s\n", error.what());
    return 1;
  }
}
