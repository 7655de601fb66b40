// SPDX-License-Identifier: BSL-1.0
// What docs/handlers.md says of g++ 12: the forms that are right with every compiler.
#include "docs/in_memory.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace faq {

// [aggregate_packet]
struct Reply {  // An aggregate.
  int code = 0;
  std::string text;
};
// [/aggregate_packet]

struct Replies {
  using sent_packet = Reply;
  using received_packet = std::string;
  std::string to_wire(const Reply& reply) const {
    return std::to_string(reply.code) + " " + reply.text;
  }
  std::string from_wire(std::string_view line) const { return std::string(line); }
};

cowire::Task<int> count(std::vector<std::string> words) {
  co_return static_cast<int>(words.size());
}

cowire::Task<bool> is_allowed(std::string line) { co_return line != "no"; }

struct Handler {
  // [named]
  cowire::Generator<std::string> handle(cowire::Peer<Reply>& client) {
    const std::string line = co_yield {};
    const bool allowed = co_await is_allowed(line);  // The result has a name ...
    if (!allowed) {
      Reply refusal{403, "not allowed"};  // ... and so has each aggregate ...
      co_await client.send_packet(refusal);
      co_return;
    }
    const std::vector<std::string> words{line, "and", "more"};  // ... and each braced list.
    const int number = co_await count(words);
    Reply reply{200, std::to_string(number)};
    co_await client.send_packet(reply);
  }
  // [/named]
};

using Protocol = cowire::StreamProtocol<cowire::LineSerializer<>, Replies>;
using Server = InMemory<Protocol, Handler>;

}  // namespace faq

TEST_CASE("named, everything is right") {
  using namespace faq;
  Server server(Protocol{cowire::LineSerializer<>{}, Replies{}}, Handler{});
  Guest<Server> guest(server);
  CHECK(guest.say("no\n") == "403 not allowed\n");
  CHECK(guest.say("one\n") == "200 3\n");
}
