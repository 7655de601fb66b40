// SPDX-License-Identifier: BSL-1.0
// Sends each message as a line, and prints what comes back.
//
//     echo_client [host] [port] [message...]    defaults: 127.0.0.1 9000 hello

#include "../arguments.hpp"
#include "cowire/cowire.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

using namespace std::chrono_literals;

// [client]
cowire::Task<void> talk(std::string host, std::uint16_t port, std::vector<std::string> messages) {
  cowire::Client client{co_await asio::this_coro::executor,
                        cowire::StreamProtocol{cowire::LineSerializer{}}};
  co_await client.connect(host, port);
  for (const std::string& message : messages) {
    std::printf("> %s\n", message.c_str());
    client.send_packet(message);
    std::string answer = co_await client.recv_packet(10s);
    std::printf("< %s\n", answer.c_str());
  }
}
// [/client]

int main(int argc, char** argv) {
  try {
    const auto [host, port] = examples::host_and_port(argc, argv, "127.0.0.1", 9000);
    std::vector<std::string> messages(argv + (argc > 3 ? 3 : argc), argv + argc);
    if (messages.empty()) {
      messages.emplace_back("hello");
    }
    asio::io_context io(1);
    std::exception_ptr failure;
    asio::co_spawn(io, talk(host, port, messages),
                   [&failure](std::exception_ptr error) { failure = error; });
    io.run();
    if (failure) {
      std::rethrow_exception(failure);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "echo_client: %s\n", error.what());
    return 1;
  }
}
