// SPDX-License-Identifier: BSL-1.0
// Every shape of handler that EasyNetwork's how-to shows. (semantics, section 4, points 12-17, 19)
#include "cowire/server.hpp"
#include "integration/scene.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

// 12. The minimum.
struct Minimum {
  Requests handle(Client& client) {
    const Line request = co_yield {};
    client.send_packet("got " + request);
  }
};

// 13. Closes explicitly.
struct OneRequest {
  Requests handle(Client& client) {
    const Line request = co_yield {};
    client.send_packet("got " + request);
    client.close();
  }
};

// 14. Refuses by returning before the first yield.
struct Bouncer {
  std::set<Line> banned;
  std::map<std::uint64_t, Line> names;

  Requests handle(Client& client) {
    if (banned.contains(names[client.id()])) {
      co_return;
    }
    const Line name = co_yield {};
    names[client.id()] = name;
    client.send_packet("hello " + name);
  }
};

// 15. The skeleton of error handling.
struct Careful {
  Requests handle(Client& client) {
    Result<Line> request = co_yield as_result(10s);
    if (!request) {
      const Error& error = request.error();
      client.send_packet(error.code() == errc::timeout         ? "too slow"
                         : error.code() == condition::bad_peer ? "bad request"
                                                               : "internal error");
      co_await client.flush();
      co_return;
    }
    client.send_packet("got " + *request);
  }
};

// 16. Several yields: several requests make one piece of work.
struct Adder {
  Requests handle(Client& client) {
    const Line first = co_yield {};
    client.send_packet("and?");
    const Line second = co_yield 10s;
    client.send_packet(std::to_string(std::stoi(first) + std::stoi(second)));
  }
};

// 17. Its own loop inside one generator: log in, then requests, what is known of the peer in local
// variables.
struct Session {
  Requests handle(Client& client) {
    client.send_packet("name?");
    const Line name = co_yield 1min;
    int requests = 0;
    while (!client.is_closing()) {
      const Line request = co_yield {};
      ++requests;
      if (request == "quit") {
        client.send_packet("bye " + name + " after " + std::to_string(requests));
        client.close();
      } else {
        client.send_packet(name + ": " + request);
      }
    }
  }
};

// 19. All hooks, on_connection as a generator that logs in.
struct Hooked {
  std::map<std::uint64_t, Line> names;  // Per-client data, keyed by id.
  std::string journal;

  Requests on_connection(Client& client) {
    client.send_packet("name?");
    const Line name = co_yield 1min;
    names.emplace(client.id(), name);
  }
  Task<void> on_disconnection(Client& client) {
    journal += names.at(client.id()) + " left. ";
    names.erase(client.id());
    co_return;
  }
  Requests handle(Client& client) {
    const Line request = co_yield {};
    client.send_packet(names.at(client.id()) + ": " + request);
  }
};

// What one guest hears who says some text and ends.
template <class Scene>
std::string conversation(Scene& scene, const std::string& text) {
  auto guest = scene.guest();
  guest.say(text);
  guest.half_close();
  CHECK(scene.until_ended(guest));
  return guest.heard();
}

}  // namespace

TEST_CASE("shape 12: the minimum") {
  Scene<Minimum, Lines, OverTcp> scene(Net::tcp);
  CHECK(conversation(scene, "a\nb\n") == "got a\ngot b\n");
}

TEST_CASE("shape 13: closes explicitly") {
  Scene<OneRequest, Lines, OverTcp> scene(Net::tcp);
  CHECK(conversation(scene, "a\nb\n") == "got a\n");
}

TEST_CASE("shape 14: returns before the first yield to refuse") {
  Bouncer bouncer;
  bouncer.banned = {"eve"};
  Scene<Bouncer, Lines, OverTcp> scene(Net::tcp, bouncer);
  CHECK(conversation(scene, "ada\nbob\n") == "hello ada\nhello bob\n");
  auto guest = scene.guest();
  guest.say("eve\nlet me in\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "hello eve\n");
  CHECK(scene.records.complaints() == "");
}

TEST_CASE("shape 15: the skeleton of error handling") {
  Scene<Careful, Lines, OverTcp> scene(Net::tcp, {}, {},
                                       Lines(LineSerializer(LineOptions{.limit = 20})));
  auto guest = scene.guest();
  guest.say("a\nmuch too long for this server\nb\n");
  CHECK(scene.until_heard(guest, "got b\n"));
  scene.pass(10s);
  CHECK(scene.until_heard(guest, "too slow\n"));
  guest.say("c\n");
  CHECK(scene.until_heard(guest, "got c\n"));
  CHECK(guest.heard() == "got a\nbad request\ngot b\ntoo slow\ngot c\n");
  CHECK(scene.records.complaints() == "");
}

TEST_CASE("shape 16: several yields") {
  Scene<Adder, Lines, OverTcp> scene(Net::tcp);
  CHECK(conversation(scene, "1\n2\n30\n4\n5\n") == "and?\n3\nand?\n34\nand?\n");
}

TEST_CASE("shape 17: its own loop inside one generator") {
  Scene<Session, Lines, OverTcp> scene(Net::tcp);
  CHECK(conversation(scene, "ada\nx\ny\nquit\nz\n") == "name?\nada: x\nada: y\nbye ada after 3\n");
}

TEST_CASE("shape 19, 22: hooks, and per-client data keyed by id") {
  Scene<Hooked, Lines, OverTcp> scene(Net::tcp);
  auto ada = scene.guest();
  auto bob = scene.guest();
  ada.say("ada\n");
  bob.say("bob\nx\n");
  CHECK(scene.until_heard(bob, "bob: x\n"));
  ada.say("y\n");
  CHECK(scene.until_heard(ada, "ada: y\n"));
  bob.half_close();
  CHECK(scene.until_ended(bob));
  ada.half_close();
  CHECK(scene.until_ended(ada));
  CHECK(scene.until_empty());
  CHECK(scene.server.handler().journal == "bob left. ada left. ");
  CHECK(scene.server.handler().names.empty());
}
