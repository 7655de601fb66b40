// expect: PeerState cannot be made for a new peer; write
// SPDX-License-Identifier: BSL-1.0
// The state is made before anything is known of the peer.
#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"

#include <asio/io_context.hpp>

using Client = cowire::Peer<std::string>;

struct Wrong {
  struct PeerState {
#ifndef CONTROL
    explicit PeerState(int given) : count(given) {}
#endif
    int count = 0;
  };

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
