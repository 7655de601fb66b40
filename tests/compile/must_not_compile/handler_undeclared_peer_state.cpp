// expect: on_connection has the wrong form; write.*a second parameter may be PeerState& state
// SPDX-License-Identifier: BSL-1.0
// The state must be declared under its name, in the handler.
#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"

#include <asio/io_context.hpp>

using Client = cowire::Peer<std::string>;

struct Wrong {
  struct State {
    int count = 0;
  };
#ifdef CONTROL
  using PeerState = State;
#endif

  cowire::Generator<std::string> handle(Client&) { co_yield {}; }
  void on_connection(Client&, State& state) { ++state.count; }
};

int main() {
  asio::io_context io;
  cowire::Server server(io, "127.0.0.1", 0, cowire::StreamProtocol{cowire::LineSerializer{}},
                        Wrong{});
}
