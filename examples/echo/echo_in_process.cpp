// SPDX-License-Identifier: BSL-1.0
// Servers and clients in one process: first two servers and six clients that run concurrently on
// one thread, without a lock; then one server on this thread and blocking clients on others.

#include "cowire/cowire.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Echo {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    std::string line = co_yield {};
    client.send_packet(line);
  }
};

using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;
using EchoServer = cowire::Server<Lines, Echo>;

// One client's conversation, line by line.
cowire::Task<std::string> converse(std::string name, std::uint16_t port) {
  cowire::Client client{co_await asio::this_coro::executor, Lines{}};
  co_await client.connect("127.0.0.1", port);
  std::string report;
  for (const char* word : {"one", "two", "three"}) {
    client.send_packet(name + " says " + word);
    const std::string answer = co_await client.recv_packet();
    report += answer + "\n";
  }
  co_return report;
}

void on_one_thread() {
  asio::io_context io(1);
  EchoServer first(io, "127.0.0.1", 0, Lines{}, Echo{});
  EchoServer second(io, "127.0.0.1", 0, Lines{}, Echo{});
  for (EchoServer* server : {&first, &second}) {
    asio::co_spawn(io, server->serve_forever(), [](std::exception_ptr) {});
  }

  constexpr std::size_t clients = 6;
  std::vector<std::string> reports(clients);
  std::size_t running = clients;
  std::exception_ptr failure;
  for (std::size_t i = 0; i < clients; ++i) {
    const std::uint16_t port = i % 2 == 0 ? first.port() : second.port();
    asio::co_spawn(io, converse("client " + std::to_string(i + 1), port),
                   [&, i](std::exception_ptr error, std::string report) {
                     failure = error ? error : failure;
                     reports[i] = std::move(report);
                     if (--running == 0) {
                       first.request_shutdown();
                       second.request_shutdown();
                     }
                   });
  }
  io.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
  std::printf("Two servers and %zu clients on one thread:\n", clients);
  for (const std::string& report : reports) {  // They ran at once; they report in order.
    std::printf("%s", report.c_str());
  }
}

void with_blocking_clients() {
  asio::io_context io(1);
  EchoServer server(io, "127.0.0.1", 0, Lines{}, Echo{});
  asio::co_spawn(io, server.serve_forever(), [](std::exception_ptr) {});

  constexpr int clients = 4;
  std::atomic<int> answered = 0;
  std::atomic<int> running = clients;
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&, i, port = server.port()] {
      asio::ip::tcp::iostream stream;
      stream.expires_after(std::chrono::seconds(10));
      stream.connect("127.0.0.1", std::to_string(port));
      const std::string message = "hello from thread " + std::to_string(i + 1);
      stream << message << std::endl;
      std::string answer;
      if (std::getline(stream, answer) && answer == message) {
        ++answered;
      }
      stream.close();
      if (--running == 0) {
        asio::post(io, [&server] { server.request_shutdown(); });
      }
    });
  }
  io.run();
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::printf("Blocking clients in other threads: %d of %d were answered.\n", answered.load(),
              clients);
  if (answered != clients) {
    throw std::runtime_error("a blocking client got no answer, or a wrong one");
  }
}

int main() {
  try {
    on_one_thread();
    with_blocking_clients();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "echo_in_process: %s\n", error.what());
    return 1;
  }
}
