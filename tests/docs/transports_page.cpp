// SPDX-License-Identifier: BSL-1.0
// The code of docs/transports.md.
#include "cowire/cowire.hpp"
#include "cowire/transports/unix.hpp"
#include "support/run.hpp"

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

namespace transports_page {

using namespace std::chrono_literals;

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

// [descriptors]
struct Sizes {  // Tells how large the files are that come.
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    cowire::Ancillary came;
    co_yield cowire::RecvParams(30s).with_ancillary(came);
    std::string answer;
    for (const cowire::Descriptor& file : came.descriptors()) {
      struct stat status = {};
      ::fstat(file.get(), &status);
      answer += std::to_string(status.st_size) + " bytes";
    }
    client.send_packet(answer);
  }
};
// [/descriptors]

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

// [send_descriptors]
cowire::Task<std::string> ask_size(std::string path, int file) {
  cowire::Client client{co_await asio::this_coro::executor,
                        cowire::StreamProtocol{cowire::LineSerializer{}}};
  const cowire::UnixConnector server(path);
  co_await client.connect(server);
  cowire::Ancillary with(cowire::Descriptor::duplicate(file));
  client.send_packet_with_ancillary("size", std::move(with));
  co_return co_await client.recv_packet();
}
// [/send_descriptors]

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

TEST_CASE("a file goes to a server") {
  asio::io_context io;
  const std::string path = cowire::abstract_name("sizes-" + std::to_string(::getpid()));
  // [receive_descriptors]
  cowire::UnixListenOptions options;
  options.receive_descriptors = 4;
  cowire::Server server{io.get_executor(), cowire::StreamProtocol{cowire::LineSerializer{}},
                        Sizes()};
  server.add_listener(cowire::UnixListener(io.get_executor(), path, options));
  // [/receive_descriptors]
  const auto serving = spawn(io, server.serve_forever());
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  std::fputs("hello", file);
  std::fflush(file);
  std::string answer;
  const auto asking =
      spawn(io, [](std::string to, int with, std::string& into) -> cowire::Task<void> {
        into = co_await ask_size(to, with);
      }(path, ::fileno(file), answer));
  CHECK(run_until(io, [&] { return asking->done; }));
  CHECK(answer == "5 bytes");
  std::fclose(file);
  server.close();
  CHECK(run_until(io, [&] { return serving->done; }));
}

}  // namespace transports_page
