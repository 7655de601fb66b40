// SPDX-License-Identifier: BSL-1.0
// [server]
#include "cowire/cowire.hpp"

struct Echo {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    std::string line = co_yield {};  // wait for this peer's next request
    client.send_packet(line);        // answer it
  }  // returning keeps the connection: a new generator starts
};

int main() {
  cowire::serve("127.0.0.1", 9000, cowire::StreamProtocol{cowire::LineSerializer{}}, Echo{});
}
// [/server]
