// expect: service_init has the wrong form; write
// SPDX-License-Identifier: BSL-1.0
// service_init gets the service.
#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"

#include <asio/io_context.hpp>

using Client = cowire::Peer<std::string>;

struct Wrong {
  cowire::Generator<std::string> handle(Client&) { co_yield {}; }
#ifdef CONTROL
  void service_init(cowire::Service&) {}
#else
  void service_init() {}
#endif
};

int main() {
  asio::io_context io;
  cowire::Server server(io, "127.0.0.1", 0, cowire::StreamProtocol{cowire::LineSerializer{}},
                        Wrong{});
}
