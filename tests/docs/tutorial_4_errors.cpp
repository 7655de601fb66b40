// SPDX-License-Identifier: BSL-1.0
// Step 4 of docs/tutorial.md.
#include "docs/in_memory.hpp"

#include <doctest/doctest.h>

#include <charconv>
#include <chrono>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace tutorial {

using namespace std::chrono_literals;

// [converter]
struct Numbers {
  using sent_packet = std::string;
  using received_packet = int;

  std::string_view to_wire(std::string_view answer) const { return answer; }

  int from_wire(std::string_view line) const {
    const char* const end = line.data() + line.size();
    int number = 0;
    const auto [stop, code] = std::from_chars(line.data(), end, number);
    if (stop != end || code != std::errc()) {
      throw cowire::Error(cowire::errc::malformed, "not a number");
    }
    return number;
  }
};

const cowire::StreamProtocol numbers{cowire::LineSerializer<std::string_view>{}, Numbers{}};
// [/converter]

// [handler]
struct Adder {
  cowire::Generator<int> handle(cowire::Peer<std::string>& client) {
    long long sum = 0;
    for (;;) {
      const cowire::Result<int> number = co_yield cowire::as_result(30s);
      if (number) {
        sum += *number;
        client.send_packet(std::to_string(sum));
      } else if (number.error().code() == cowire::condition::bad_peer) {
        client.send_packet("a number, please");
      } else {
        client.send_packet("good bye");
        client.close();
        co_return;
      }
    }
  }
};
// [/handler]

using Server = InMemory<std::remove_const_t<decltype(numbers)>, Adder>;

}  // namespace tutorial

// [test]
TEST_CASE("the adder answers what is wrong") {
  using namespace tutorial;
  Server server(numbers, Adder{});
  Guest<Server> guest(server);
  CHECK(guest.say("1\n2\n") == "1\n3\n");
  CHECK(guest.say("two\n2\n") == "a number, please\n5\n");
  CHECK(guest.say(std::string(70'000, '1') + "\n").find("a number, please") == 0);
  server.pass(29s);
  CHECK(guest.say("1\n") == "6\n");
  server.pass(31s);
  CHECK(guest.hear() == "good bye\n");
  CHECK(guest.was_sent_away());
}
// [/test]
