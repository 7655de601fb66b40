// SPDX-License-Identifier: BSL-1.0
// TLS on several threads.
#include "cowire/serializers/line.hpp"
#include "cowire/server_threads.hpp"
#include "cowire/sync_client.hpp"
#include "cowire/transports/start_tls.hpp"
#include "support/certificates.hpp"

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/stream.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using Lines = StreamProtocol<LineSerializer<>>;

struct WhoAmI {
  std::size_t shard;

  Generator<std::string> handle(Peer<std::string>& client) {
    co_yield {};
    client.send_packet(std::to_string(shard) + (client.tls() ? " in secret" : " in plain text"));
  }
};

// A port that others may listen on who share it, and nobody else.
class SharedPort {
 public:
  SharedPort() : socket_(io_, asio::ip::tcp::v4()) {
    socket_.set_option(detail::ReusePort());
    socket_.bind({asio::ip::address_v4::loopback(), 0});
  }
  std::uint16_t number() const { return socket_.local_endpoint().port(); }

 private:
  asio::io_context io_;
  asio::ip::tcp::socket socket_;
};

}  // namespace

TEST_CASE("SyncClient: a conversation begins in plain text and goes on under TLS") {
  struct Later {
    Generator<std::string> handle(Peer<std::string>& client) {
      const std::string line = co_yield {};
      client.send_packet((client.tls() ? "secret " : "plain ") + line);
      if (line == "STARTTLS") {
        co_await client.start_tls();
      }
    }
  };
  ServerThread server{Lines{}, Later{}};
  for (auto& listener :
       listen_start_tls(server.executor(), "127.0.0.1", 0, test_server_context())) {
    server.add_listener(std::move(listener));
  }
  server.start();
  SyncClient client(StartTlsConnector(TcpConnector("127.0.0.1", server.port()), "localhost",
                                      test_client_context()),
                    Lines{});
  CHECK(!client.tls());
  client.send_packet("STARTTLS");
  CHECK(client.recv_packet(30s) == "plain STARTTLS");
  client.start_tls();
  REQUIRE(client.tls());
  client.send_packet("one");
  CHECK(client.recv_packet(30s) == "secret one");
}

TEST_CASE("ServerThreads: TLS: certificates are replaced while others connect") {
  const auto make = [](std::size_t shard) { return WhoAmI{shard}; };
  ServerThreads server(threads(2).on_one_socket(), Lines{}, make);
  TlsServerContext context(test_authority().issue({.name = "first"}));
  server.listen([&](const auto& executor, const TcpListenOptions& options) {
    return listen_tls(executor, "127.0.0.1", 0, context, options);
  });
  server.start();
  std::vector<std::future<std::string>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::async(std::launch::async, [port = server.port()] {
      const TlsConnector connector(TcpConnector("127.0.0.1", port), "localhost",
                                   test_client_context());
      std::string last;
      while (last != "CN=second") {
        SyncClient client(connector, Lines{});
        client.send_packet("who?");
        CHECK(client.recv_packet(30s).ends_with("in secret"));
        last = client.tls()->peer_subject;
      }
      return last;
    }));
  }
  const auto other = test_authority().issue({.name = "other"});
  const auto second = test_authority().issue({.name = "second"});
  for (int i = 0; i < 20; ++i) {
    context.replace(other);
    context.replace(i == 19 ? second : test_authority().issue({.name = "first"}));
  }
  for (auto& client : clients) {
    CHECK(client.get() == "CN=second");
  }
}

TEST_CASE("C21: SyncClient: a close over TLS waits for the server's close_notify, for a time") {
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  const TlsIdentity identity = test_authority().issue();
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.use_certificate_chain(asio::buffer(identity.chain));
  context.use_private_key(asio::buffer(identity.key), asio::ssl::context::pem);
  ClientOptions options;
  SUBCASE("which it says") { options.limits.close_timeout = 30s; }
  SUBCASE("which it does not say") { options.limits.close_timeout = 50ms; }

  auto connecting = std::async(std::launch::async, [&] {
    const TcpConnector tcp("127.0.0.1", acceptor.local_endpoint().port());
    return std::make_unique<SyncClient<Lines>>(
        TlsConnector(tcp, "localhost", test_client_context()), Lines{}, options);
  });
  asio::ssl::stream<asio::ip::tcp::socket> server(acceptor.accept(), context);
  server.handshake(asio::ssl::stream_base::server);
  const auto client = connecting.get();
  const auto begin = std::chrono::steady_clock::now();
  auto closing = std::async(std::launch::async, [&] { client->close(); });
  std::error_code ec;
  char byte = 0;
  server.read_some(asio::buffer(&byte, 1), ec);
  CHECK(ec == asio::error::eof);  // The client has said so.
  if (options.limits.close_timeout == 30s) {
    CHECK(closing.wait_for(0s) == std::future_status::timeout);
    server.shutdown(ec);
    server.next_layer().close();
    closing.get();
    CHECK(std::chrono::steady_clock::now() - begin < 20s);
  } else {
    closing.get();
    CHECK(std::chrono::steady_clock::now() - begin >= 50ms);
  }
}

TEST_CASE("ServerThreads: TLS, whatever the threads share") {
  const SharedPort shared;
  Threads how = threads(2);
  std::uint16_t port = shared.number();
  SUBCASE("a port") {}
  SUBCASE("a socket") {
    how = how.on_one_socket();
    port = 0;
  }
  const auto make = [](std::size_t shard) { return WhoAmI{shard}; };
  ServerThreads server(how, Lines{}, make);
  CHECK(server.port() == 0);
  server.listen([&](const auto& executor, const TcpListenOptions& options) {
    return listen_tls(executor, "127.0.0.1", port, test_server_context(), options);
  });
  server.start();
  REQUIRE(server.local_endpoints().size() == 1);
  std::set<std::string> answers;
  for (int i = 0; i < 1000 && answers.size() < 2; ++i) {
    SyncClient client(
        TlsConnector(TcpConnector("127.0.0.1", server.port()), "localhost", test_client_context()),
        Lines{});
    client.send_packet("who?");
    answers.insert(client.recv_packet(30s));
  }
  CHECK(answers == std::set<std::string>{"0 in secret", "1 in secret"});
  server.shutdown();
}
