// SPDX-License-Identifier: BSL-1.0
// Step 5 of docs/tutorial.md.
#include "docs/in_memory.hpp"

#include <asio/steady_timer.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>

namespace tutorial {

using namespace std::chrono_literals;

// [handler]
class Chat {
 public:
  void service_init(cowire::Service& service) {
    for (const cowire::Endpoint& endpoint : service.local_endpoints()) {
      std::printf("listening on %s\n", to_string(endpoint).c_str());
    }
    service.spawn(count_guests(service.executor()));           // cancelled at the end
    service.at_exit([] { std::puts("the chat is closed"); });  // called at the end
  }

  void on_connection(cowire::Peer<std::string>& client) {
    tell_all("guest " + std::to_string(client.id()) + " came in");
    guests_.emplace(client.id(), client);
  }

  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string line = co_yield {};
    tell_all("guest " + std::to_string(client.id()) + ": " + line);
  }

  void on_disconnection(cowire::Peer<std::string>& client) {
    guests_.erase(client.id());
    tell_all("guest " + std::to_string(client.id()) + " left");
  }

 private:
  void tell_all(const std::string& line) {
    for (auto& [id, guest] : guests_) {
      try {
        guest.send_packet(line);
      } catch (const cowire::Error&) {
        // This guest's connection is closed, broken or full: its on_disconnection is on its way.
      }
    }
  }

  cowire::Task<void> count_guests(asio::any_io_executor executor) {
    asio::steady_timer timer(executor);
    for (;;) {
      timer.expires_after(1min);
      co_await timer.async_wait(asio::use_awaitable);
      tell_all(std::to_string(guests_.size()) + " guests are here");
    }
  }

  std::map<std::uint64_t, cowire::Peer<std::string>> guests_;
};
// [/handler]

using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;
using Server = InMemory<Lines, Chat>;

}  // namespace tutorial

TEST_CASE("what one guest says, all hear") {
  using namespace tutorial;
  Server server(Lines{}, Chat{});
  Guest<Server> ann(server);
  Guest<Server> bob(server);
  CHECK(ann.hear() == "guest 2 came in\n");
  CHECK(bob.hear().empty());
  CHECK(ann.say("hi\n") == "guest 1: hi\n");
  CHECK(bob.hear() == "guest 1: hi\n");
  bob.leave();
  CHECK(ann.hear() == "guest 2 left\n");
}

TEST_CASE("a guest who does not listen does not harm the others") {
  using namespace tutorial;
  cowire::ServerOptions options;
  options.logger = cowire::Logger::silent();
  options.limits.output_high = 2000;
  options.limits.output_low = 1000;
  options.limits.output_limit = 8000;
  Server server(Lines{}, Chat{}, options);
  Guest<Server> ann(server);
  Guest<Server> deaf(server);
  ann.hear();
  const std::string line(500, 'x');
  bool left = false;
  for (int i = 0; i < 1000 && !left; ++i) {
    const std::string heard = ann.say(line + "\n");
    CHECK(heard.find("guest 1: " + line) == 0);
    left = heard.find("guest 2 left") != std::string::npos;
  }
  CHECK(left);
  CHECK(ann.say("alone\n") == "guest 1: alone\n");
}
