// SPDX-License-Identifier: BSL-1.0
// Sends lines through TLS, and prints what comes back.
//
//     tls_echo_client HOST PORT [--ca FILE] [--identity CERTIFICATE KEY] [message...]
//
// The server's certificate must name the host, and come from an issuer that the system trusts, or
// the one of --ca. --identity shows the server a certificate of one's own.

#include "../arguments.hpp"
#include "cowire/cowire.hpp"
#include "cowire/transports/tls.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

cowire::Task<void> talk(std::string host, std::uint16_t port, cowire::TlsClientContext tls,
                        std::vector<std::string> messages) {
  cowire::Client client{co_await asio::this_coro::executor,
                        cowire::StreamProtocol{cowire::LineSerializer{}}};
  const cowire::TlsConnector server(host, port, tls);
  co_await client.connect(server);
  for (const std::string& message : messages) {
    std::printf("> %s\n", message.c_str());
    client.send_packet(message);
    std::string answer = co_await client.recv_packet(10s);
    std::printf("< %s\n", answer.c_str());
  }
}

int main(int argc, char** argv) {
  try {
    const auto [host, port] = examples::host_and_port(argc, argv, "localhost", 9443);
    cowire::TlsClientOptions options;
    std::vector<std::string> messages;
    for (int i = 3; i < argc; ++i) {
      const std::string_view argument = argv[i];
      if (argument == "--ca" && i + 1 < argc) {
        options.trusted_ca = cowire::read_pem(argv[++i]);
      } else if (argument == "--identity" && i + 2 < argc) {
        options.identity = cowire::TlsIdentity::from_files(argv[i + 1], argv[i + 2]);
        i += 2;
      } else {
        messages.emplace_back(argument);
      }
    }
    asio::io_context io(1);
    std::exception_ptr failure;
    asio::co_spawn(io, talk(host, port, cowire::TlsClientContext(options), messages),
                   [&failure](std::exception_ptr error) { failure = error; });
    io.run();
    if (failure) {
      std::rethrow_exception(failure);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tls_echo_client: %s\n", error.what());
    return 1;
  }
}
