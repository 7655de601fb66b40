// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/cowire.hpp"
#include "process.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace cowire::benchmark {

/// What everybody writes first with cowire: a new generator for each request.
template <class Packet>
struct ReturningEcho {
  Generator<Packet> handle(Peer<Packet>& client) {
    Packet line = co_yield {};
    client.send_packet(line);
  }
};

/// One generator for all requests of a peer.
template <class Packet>
struct LoopingEcho {
  Generator<Packet> handle(Peer<Packet>& client) {
    for (;;) {
      Packet line = co_yield {};
      client.send_packet(line);
    }
  }
};

template <template <class> class Echo, class Packet>
void serve_cowire(const Announce& announce) {
  asio::io_context context(1);
  ServerOptions options;
  options.max_connections = 100'000;
  Server server(context, "127.0.0.1", 0, StreamProtocol{LineSerializer<Packet>{}}, Echo<Packet>{},
                options);
  announce(server.port());
  asio::co_spawn(context, server.serve_forever(), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
  context.run();
}

}  // namespace cowire::benchmark
