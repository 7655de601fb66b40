// SPDX-License-Identifier: BSL-1.0
// A server that sends every JSON value back, and says what is wrong with what is none.
//
//     json_echo_server [host] [port]    defaults: 127.0.0.1 9000; port 0: any free one

#include "../arguments.hpp"
#include "cowire/cowire.hpp"
#include "cowire/serializers/json.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <exception>

using nlohmann::json;

// Each value on a line of its own: JSON written without spaces holds no line feed.
using JsonLines = cowire::StreamProtocol<cowire::Separated<cowire::Json<>>>;

struct JsonEcho {
  cowire::Generator<json> handle(cowire::Peer<json>& client) {
    const cowire::Result<json> request = co_yield cowire::as_result;
    if (!request) {
      client.send_packet(refusal(request.error()));
      co_return;  // A new generator waits for the next line.
    }
    try {
      client.send_packet(*request);
    } catch (const cowire::Error& error) {  // [1e9] is longer on its way back: [1000000000.0]
      client.send_packet(refusal(error));
    }
  }

  static json refusal(const cowire::Error& error) {
    return json::object({{"error", error.what()}});
  }
};

int main(int argc, char** argv) {
  try {
    const auto [host, port] = examples::host_and_port(argc, argv, "127.0.0.1", 9000);
    cowire::ServerOptions options;
    options.logger = cowire::Logger(cowire::LogLevel::info, &cowire::Logger::print_to_stderr);
    cowire::serve(host, port, JsonLines{}, JsonEcho{}, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "json_echo_server: %s\n", error.what());
    return 1;
  }
}
