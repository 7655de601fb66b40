// expect: the handler needs a function to talk to a peer; write.*PeerState& state
// SPDX-License-Identifier: BSL-1.0
// The server must be able to name the state.
#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"

#include <asio/io_context.hpp>

using Client = cowire::Peer<std::string>;

struct Wrong {
#ifndef CONTROL
 private:
#endif
  struct PeerState {
    int count = 0;
  };

 public:
  cowire::Generator<std::string> handle(Client&, PeerState& state) {
    ++state.count;
    co_yield {};
  }
};

int main() {
  asio::io_context io;
  cowire::Server server(io, "127.0.0.1", 0, cowire::StreamProtocol{cowire::LineSerializer{}},
                        Wrong{});
}
