// SPDX-License-Identifier: BSL-1.0
// Step 6 of docs/tutorial.md.
#include "docs/in_memory.hpp"

#include <doctest/doctest.h>

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

namespace tutorial {

// [handler]
class Counter {
 public:
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string request = co_yield {};
    int last = 0;
    std::from_chars(request.data(), request.data() + request.size(), last);
    for (int number = 1; number <= last; ++number) {
      co_await client.send_packet(std::to_string(number));  // waits while the queue is long
      ++sent;
    }
  }

  int sent = 0;  // by all generators: for the test
};
// [/handler]

using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;
using Server = InMemory<Lines, Counter>;

}  // namespace tutorial

TEST_CASE("an answer is made as fast as it is read") {
  using namespace tutorial;
  Server server(Lines{}, Counter{});
  Guest<Server> guest(server);
  const std::string first = guest.say("1000000\n");
  CHECK(server.server.handler().sent < 100'000);  // What the peer has not read is not made yet.
  std::size_t heard = first.size();
  std::string last;
  for (std::string more = guest.hear(); !more.empty(); more = guest.hear()) {
    heard += more.size();
    last = more;
  }
  CHECK(server.server.handler().sent == 1'000'000);
  CHECK(heard == 6'888'896);
  CHECK(last.ends_with("\n1000000\n"));
}
