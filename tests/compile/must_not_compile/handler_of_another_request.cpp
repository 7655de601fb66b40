// expect: the handler needs a function to talk to a peer; write
// SPDX-License-Identifier: BSL-1.0
// The generator's requests must be the packets that the protocol receives.
#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"

#include <asio/io_context.hpp>

using Client = cowire::Peer<std::string>;

struct Wrong {
#ifdef CONTROL
  cowire::Generator<std::string> handle(Client&) { co_yield {}; }
#else
  cowire::Generator<int> handle(Client&) { co_yield {}; }
#endif
};

int main() {
  asio::io_context io;
  cowire::Server server(io, "127.0.0.1", 0, cowire::StreamProtocol{cowire::LineSerializer{}},
                        Wrong{});
}
