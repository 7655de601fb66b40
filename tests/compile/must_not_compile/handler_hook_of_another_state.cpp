// expect: on_disconnection has the wrong form; write.*PeerState& state
// SPDX-License-Identifier: BSL-1.0
// A hook is given the declared state and nothing else.
#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"

#include <asio/io_context.hpp>

using Client = cowire::Peer<std::string>;

struct Wrong {
  struct PeerState {
    int count = 0;
  };

  cowire::Generator<std::string> handle(Client&, PeerState&) { co_yield {}; }
#ifdef CONTROL
  void on_disconnection(Client&, PeerState&) {}
#else
  void on_disconnection(Client&, std::string&) {}
#endif
};

int main() {
  asio::io_context io;
  cowire::Server server(io, "127.0.0.1", 0, cowire::StreamProtocol{cowire::LineSerializer{}},
                        Wrong{});
}
