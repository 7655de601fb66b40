// expect: on_connection has the wrong form; write
// SPDX-License-Identifier: BSL-1.0
// A hook with the right name and the wrong form is a mistake, not an absent hook.
#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"

#include <asio/io_context.hpp>

using Client = cowire::Peer<std::string>;

struct Wrong {
  cowire::Generator<std::string> handle(Client&) { co_yield {}; }
#ifdef CONTROL
  void on_connection(Client&) {}
#else
  bool on_connection(Client&) { return true; }
#endif
};

int main() {
  asio::io_context io;
  cowire::Server server(io, "127.0.0.1", 0, cowire::StreamProtocol{cowire::LineSerializer{}},
                        Wrong{});
}
