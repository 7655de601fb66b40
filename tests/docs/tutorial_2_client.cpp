// SPDX-License-Identifier: BSL-1.0
// Step 2 of docs/tutorial.md.

// [program]
#include "cowire/cowire.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

using namespace std::chrono_literals;

cowire::Task<void> talk() {
  cowire::Client client{co_await asio::this_coro::executor,
                        cowire::StreamProtocol{cowire::LineSerializer{}}};
  co_await client.connect("127.0.0.1", 9000);
  client.send_packet("hello");
  client.send_packet("world");
  for (int i = 0; i < 2; ++i) {
    const std::string answer = co_await client.recv_packet(10s);
    std::printf("%s\n", answer.c_str());
  }
}

int main() {
  asio::io_context io(1);
  std::exception_ptr failure;
  asio::co_spawn(io, talk(), [&](std::exception_ptr error) { failure = error; });
  io.run();
  if (failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 1;
    }
  }
}
// [/program]
