// SPDX-License-Identifier: BSL-1.0
// The code of docs/transports.md.
#include "cowire/cowire.hpp"
#include "cowire/transports/unix.hpp"
#include "support/run.hpp"

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <unistd.h>

#include <string>

namespace transports_page {

// [credentials]
struct OnlyMe {
  void on_connection(cowire::Peer<std::string>& client) {
    if (cowire::unix_peer_credentials(client.native_handle()).uid != ::geteuid()) {
      client.close();
    }
  }

  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string line = co_yield {};
    client.send_packet(line);
  }
};
// [/credentials]

struct Echo {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string line = co_yield {};
    client.send_packet(line);
  }
};

// [client]
cowire::Task<std::string> ask(std::string path, std::string question) {
  cowire::Client client{co_await asio::this_coro::executor,
                        cowire::StreamProtocol{cowire::LineSerializer{}}};
  const cowire::UnixConnector server(path);
  co_await client.connect(server);
  client.send_packet(question);
  co_return co_await client.recv_packet();
}
// [/client]

template <class Handler>
std::string serve_and_ask(Handler handler, const std::string& path, bool with_tcp) {
  asio::io_context io;
  std::string answer;
  // [server]
  const asio::any_io_executor executor = io.get_executor();
  cowire::Server server{executor, cowire::StreamProtocol{cowire::LineSerializer{}}, handler};
  server.add_listener(cowire::UnixListener(executor, path));
  if (with_tcp) {
    for (auto& listener : cowire::listen_tcp(executor, "localhost", 0)) {
      server.add_listener(std::move(listener));
    }
  }
  // [/server]
  const auto serving = spawn(io, server.serve_forever());
  const auto asking = spawn(io, [](std::string to, std::string& into) -> cowire::Task<void> {
    into = co_await ask(to, "hello");
  }(path, answer));
  CHECK(run_until(io, [&] { return asking->done; }));
  CHECK(asking->succeeded());
  server.close();
  CHECK(run_until(io, [&] { return serving->done; }));
  return answer;
}

TEST_CASE("a server on a Unix socket and on TCP, and a client") {
  const std::string path = "docs-" + std::to_string(::getpid()) + ".sock";
  CHECK(serve_and_ask(OnlyMe(), path, false) == "hello");
  CHECK(serve_and_ask(Echo(), cowire::abstract_name(path), true) == "hello");
}

}  // namespace transports_page
