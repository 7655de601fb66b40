// SPDX-License-Identifier: BSL-1.0
// Step 3 of docs/tutorial.md.
#include "docs/in_memory.hpp"

#include <doctest/doctest.h>

#include <sstream>
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

// What is behind "> " is said, the other lines are heard.
const char* const dialogue = R"(
// [dialogue]
What is your name?
> Ann
Hello Ann. I count what you say, until you say bye.
> a
1: a
> bye
Bye Ann, you said 1 things.
// [/dialogue]
)";

}  // namespace tutorial

TEST_CASE("the greeter talks as the page says") {
  using namespace tutorial;
  Server server(Lines{}, Greeter{});
  Guest<Server> ann(server);
  std::string heard = ann.hear();
  std::string expected;
  std::istringstream lines(dialogue);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("> ")) {
      CHECK(heard == expected);
      heard = ann.say(line.substr(2) + "\n");
      expected.clear();
    } else if (!line.empty() && !line.starts_with("//")) {
      expected += line + "\n";
    }
  }
  CHECK(heard == expected);
  CHECK(ann.was_sent_away());
}

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
