// SPDX-License-Identifier: BSL-1.0
// Step 3 of docs/tutorial.md.
#include "docs/in_memory.hpp"

#include <doctest/doctest.h>

#include <string>

namespace tutorial {

// [handler]
struct Greeter {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    client.send_packet("What is your name?");
    const std::string name = co_yield {};
    client.send_packet("Hello " + name + ". I count what you say, until you say bye.");
    int count = 0;
    std::string line = co_yield {};
    while (line != "bye") {
      ++count;
      client.send_packet(std::to_string(count) + ": " + line);
      line = co_yield {};
    }
    client.send_packet("Bye " + name + ", you said " + std::to_string(count) + " things.");
    client.close();
  }
};
// [/handler]

using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;
using Server = InMemory<Lines, Greeter>;

}  // namespace tutorial

TEST_CASE("the greeter knows each of its peers") {
  using namespace tutorial;
  Server server(Lines{}, Greeter{});
  Guest<Server> ann(server);
  Guest<Server> bob(server);
  CHECK(ann.hear() == "What is your name?\n");
  CHECK(ann.say("Ann\n") == "Hello Ann. I count what you say, until you say bye.\n");
  CHECK(bob.say("Bob\none\n") ==
        "What is your name?\nHello Bob. I count what you say, until you say bye.\n1: one\n");
  CHECK(ann.say("a\nb\n") == "1: a\n2: b\n");
  CHECK(ann.say("bye\nmore\n") == "Bye Ann, you said 2 things.\n");
  CHECK(ann.was_sent_away());
  CHECK(bob.say("two\n") == "2: two\n");
}
