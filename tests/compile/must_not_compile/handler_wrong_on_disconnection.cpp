// expect: on_disconnection has the wrong form; write
// SPDX-License-Identifier: BSL-1.0
// Nothing can be received any more: a generator makes no sense.
#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"

#include <asio/io_context.hpp>

using Client = cowire::Peer<std::string>;

struct Wrong {
  cowire::Generator<std::string> handle(Client&) { co_yield {}; }
#ifdef CONTROL
  cowire::Task<void> on_disconnection(Client&) { co_return; }
#else
  cowire::Generator<std::string> on_disconnection(Client&) { co_yield {}; }
#endif
};

int main() {
  asio::io_context io;
  cowire::Server server(io, "127.0.0.1", 0, cowire::StreamProtocol{cowire::LineSerializer{}},
                        Wrong{});
}
