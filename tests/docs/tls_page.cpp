// SPDX-License-Identifier: BSL-1.0
// The code of docs/transports.md that needs TLS.
#include "cowire/cowire.hpp"
#include "cowire/transports/tls.hpp"
#include "support/certificates.hpp"
#include "support/run.hpp"

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

namespace tls_page {

struct Echo {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string line = co_yield {};
    client.send_packet(line);
  }
};

// [client]
cowire::Task<std::string> ask(std::string host, std::uint16_t port, std::string question,
                              cowire::TlsClientContext tls) {
  cowire::Client client{co_await asio::this_coro::executor,
                        cowire::StreamProtocol{cowire::LineSerializer{}}};
  const cowire::TlsConnector server(host, port, tls);  // TlsConnector(host, port): the system's
  co_await client.connect(server);
  client.send_packet(question);
  co_return co_await client.recv_packet();
}
// [/client]

// [mutual]
struct OnlyAlice {
  void on_connection(cowire::Peer<std::string>& client) {
    if (client.tls()->peer_subject != "CN=alice") {
      client.close();
    }
  }

  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string line = co_yield {};
    client.send_packet(line);
  }
};

cowire::TlsServerContext with_client_certificates(const std::string& issuers_file) {
  cowire::TlsServerOptions options;
  options.client_certificates = cowire::ClientCertificates::required;
  options.client_ca = cowire::read_pem(issuers_file);
  return cowire::TlsServerContext(cowire::TlsIdentity::from_files("server.crt", "server.key"),
                                  options);
}
// [/mutual]

// [replace]
void renew(cowire::TlsServerContext& tls) {
  tls.replace(cowire::TlsIdentity::from_files("server.crt", "server.key"));
}
// [/replace]

// [threads]
void run_the_program(const cowire::TlsServerContext& tls) {
  cowire::ServerThreads server{cowire::threads(4), cowire::StreamProtocol{cowire::LineSerializer{}},
                               Echo{}};
  server.listen([&](const auto& executor, const cowire::TcpListenOptions& options) {
    return cowire::listen_tls(executor, "", 9443, tls, options);
  });
  cowire::serve(server);
}
// [/threads]

// The files that the examples name, in a directory that is the current one meanwhile.
class Files {
 public:
  Files() {
    REQUIRE(::mkdir(name_.c_str(), 0700) == 0);
    REQUIRE(::chdir(name_.c_str()) == 0);
    const cowire::TlsIdentity identity = test_authority().issue();
    std::ofstream("server.crt") << identity.chain;
    std::ofstream("server.key") << identity.key;
    std::ofstream("ca.crt") << test_authority().pem();
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  ~Files() {
    for (const char* file : {"server.crt", "server.key", "ca.crt"}) {
      std::remove(file);
    }
    CHECK(::chdir("..") == 0);
    CHECK(::rmdir(name_.c_str()) == 0);
  }

 private:
  std::string name_ = "docs-tls-" + std::to_string(::getpid());
};

// Asks a server, and ends it. @returns What went wrong.
template <class Server>
std::error_code ask_and_end(asio::io_context& io, Server& server,
                            const cowire::TlsClientContext& tls) {
  const auto serving = spawn(io, server.serve_forever());
  std::string answer;
  const auto asking = spawn(io,
                            [](std::uint16_t port, cowire::TlsClientContext with,
                               std::string& into) -> cowire::Task<void> {
                              into = co_await ask("localhost", port, "hello", with);
                            }(server.port(), tls, answer));
  CHECK(run_until(io, [&] { return asking->done; }));
  CHECK((asking->error || answer == "hello"));
  server.close();
  CHECK(run_until(io, [&] { return serving->done; }));
  return asking->code();
}

TEST_CASE("a server behind TLS, and a client") {
  const Files files;
  asio::io_context io;
  Echo handler;
  // [server]
  cowire::TlsServerContext tls(cowire::TlsIdentity::from_files("server.crt", "server.key"));
  cowire::Server server{io.get_executor(), cowire::StreamProtocol{cowire::LineSerializer{}},
                        handler};
  for (auto& listener : cowire::listen_tls(io.get_executor(), "localhost", 0, tls)) {
    server.add_listener(std::move(listener));
  }
  // [/server]
  renew(tls);
  CHECK(ask_and_end(io, server, test_client_context()) == std::error_code());
}

TEST_CASE("a server behind TLS that knows its clients") {
  const Files files;
  asio::io_context io;
  const auto tls = with_client_certificates("ca.crt");
  for (const char* name : {"alice", "bob", "nobody"}) {
    CAPTURE(name);
    cowire::Server server{io.get_executor(), cowire::StreamProtocol{cowire::LineSerializer{}},
                          OnlyAlice{}};
    for (auto& listener : cowire::listen_tls(io.get_executor(), "localhost", 0, tls)) {
      server.add_listener(std::move(listener));
    }
    cowire::TlsClientOptions options;
    options.trusted_ca = test_authority().pem();
    CertificateRequest request;
    request.name = name;
    if (request.name != "nobody") {
      options.identity = test_authority().issue(request);
    }
    const std::error_code failed = ask_and_end(io, server, cowire::TlsClientContext(options));
    CHECK((failed == std::error_code()) == (request.name == "alice"));
  }
}

}  // namespace tls_page
