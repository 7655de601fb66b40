// SPDX-License-Identifier: BSL-1.0
// Step 1 of docs/tutorial.md, and the quick start of docs/index.md.

// [program]
#include "cowire/cowire.hpp"

#include <string>

struct Echo {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    std::string line = co_yield {};  // wait for this peer's next line
    client.send_packet(line);        // answer it
  }  // done: a new generator is made for the next line
};

int main() {
  cowire::serve("127.0.0.1", 9000, cowire::StreamProtocol{cowire::LineSerializer{}}, Echo{});
}
// [/program]
