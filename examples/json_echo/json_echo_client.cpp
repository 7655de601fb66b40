// SPDX-License-Identifier: BSL-1.0
// Sends JSON values, and prints what comes back.
//
//     json_echo_client [host] [port] [value...]   defaults: 127.0.0.1 9000 '{"hello":"world"}'

#include "../arguments.hpp"
#include "cowire/cowire.hpp"
#include "cowire/serializers/json.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using nlohmann::json;
using JsonLines = cowire::StreamProtocol<cowire::Separated<cowire::Json<>>>;

cowire::Task<void> talk(std::string host, std::uint16_t port, std::vector<json> values) {
  cowire::Client client{co_await asio::this_coro::executor, JsonLines{}};
  co_await client.connect(host, port);
  for (const json& value : values) {
    std::printf("> %s\n", value.dump().c_str());
    client.send_packet(value);
    const json answer = co_await client.recv_packet(10s);
    std::printf("< %s\n", answer.dump().c_str());
  }
}

int main(int argc, char** argv) {
  try {
    const auto [host, port] = examples::host_and_port(argc, argv, "127.0.0.1", 9000);
    std::vector<json> values;
    for (int i = 3; i < argc; ++i) {
      values.push_back(json::parse(argv[i]));
    }
    if (values.empty()) {
      values.push_back(json::object({{"hello", "world"}}));
    }
    asio::io_context io(1);
    std::exception_ptr failure;
    asio::co_spawn(io, talk(host, port, values),
                   [&failure](std::exception_ptr error) { failure = error; });
    io.run();
    if (failure) {
      std::rethrow_exception(failure);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "json_echo_client: %s\n", error.what());
    return 1;
  }
}
