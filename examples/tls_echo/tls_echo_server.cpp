// SPDX-License-Identifier: BSL-1.0
// The echo server behind TLS.
//
//     tls_echo_server CERTIFICATE KEY [host] [port] [client-ca]
//
// The first two are PEM files; defaults: 127.0.0.1 9443. With a client-ca, a PEM file too, clients
// must show a certificate that it issued.

#include "../arguments.hpp"
#include "cowire/cowire.hpp"
#include "cowire/transports/tls.hpp"

#include <asio/io_context.hpp>

#include <cstdio>
#include <exception>
#include <string>

struct Echo {
  void on_connection(cowire::Peer<std::string>& client) {
    const cowire::TlsInfo tls = client.tls().value();
    std::printf("%s %s %s\n", tls.version.c_str(), tls.cipher.c_str(), tls.peer_subject.c_str());
    std::fflush(stdout);
  }

  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    std::string line = co_yield {};
    client.send_packet(line);
  }
};

int main(int argc, char** argv) {
  try {
    if (argc < 3) {
      std::fprintf(stderr, "usage: tls_echo_server CERTIFICATE KEY [host] [port] [client-ca]\n");
      return 2;
    }
    const auto [host, port] = examples::host_and_port(argc - 2, argv + 2, "127.0.0.1", 9443);
    cowire::TlsServerOptions tls_options;
    if (argc > 5) {
      tls_options.client_certificates = cowire::ClientCertificates::required;
      tls_options.client_ca = cowire::read_pem(argv[5]);
    }
    const cowire::TlsServerContext tls(cowire::TlsIdentity::from_files(argv[1], argv[2]),
                                       tls_options);

    asio::io_context io(1);
    cowire::ServerOptions options;
    options.logger = cowire::Logger(cowire::LogLevel::info, &cowire::Logger::print_to_stderr);
    cowire::Server server{io.get_executor(), cowire::StreamProtocol{cowire::LineSerializer{}},
                          Echo{}, options};
    for (auto& listener : cowire::listen_tls(io.get_executor(), host, port, tls)) {
      server.add_listener(std::move(listener));
    }
    cowire::serve(io, server);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tls_echo_server: %s\n", error.what());
    return 1;
  }
}
