// SPDX-License-Identifier: BSL-1.0
// The handler contract: one generator after another, one request at a time. (H2-H7)
#include "cowire/generator.hpp"
#include "integration/scene.hpp"

#include <asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

CONTRACT_TEST("H2: a generator that returns is followed by a new one, with new local variables") {
  int generators = 0;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    ++generators;
    int requests = 0;  // Kept within one generator.
    for (int i = 0; i < 2; ++i) {
      const Line line = co_yield {};
      ++requests;
      client.send_packet(line + std::to_string(requests));
    }
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  for (const auto* expected : {"a1\n", "b2\n", "c1\n", "d2\n", "e1\n"}) {
    guest.say(std::string(expected, 1) + "\n");
    CHECK(scene.until_heard(guest, expected));
  }
  CHECK(generators == 3);
  CHECK_FALSE(guest.has_ended());
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H3: returning before the first yield closes by force, without complaint") {
  std::string journal;
  int left = 0;
  SUBCASE("at once") { left = 0; }
  SUBCASE("after five requests") { left = 5; }
  const std::string expected = left == 0 ? "" : "x\nx\nx\nx\nx\n";
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    if (left-- == 0) {
      co_return;
    }
    const Line line = co_yield {};
    client.send_packet(line);
  };
  script.bye = [&](Client& client) { return note(journal, client.is_closing() ? "bye" : "open"); };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("x\nx\nx\nx\nx\nx\nx\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == expected);
  CHECK(guest.ended_cleanly() != has_reset(net));
  CHECK(scene.until_empty());
  CHECK(journal == "bye");
  CHECK(scene.records.complaints() == "");
  CHECK(scene.records.count("before its first yield", LogLevel::debug) == 1);
  CHECK(scene.records.count("before its first yield", LogLevel::info) == 0);
}

CONTRACT_TEST("H5: pipelined requests are answered in order, one at a time") {
  int under_way = 0;
  int most = 0;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Line line = co_yield {};
    most = std::max(most, ++under_way);
    co_await asio::post(client.executor(), deferred);
    client.send_packet("<" + line + ">");
    --under_way;
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  std::string said;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    said += std::to_string(i) + "\n";
    expected += "<" + std::to_string(i) + ">\n";
  }
  guest.say(said);
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == expected);
  CHECK(most == 1);
}

CONTRACT_TEST("H5: the next packet is decoded at the next yield only") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Line line = co_yield {};
    journal += line;
    co_await wait_on(client.executor(), 1s);
    journal += ".";
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\nb\n");
  CHECK(scene.until([&] { return !journal.empty(); }));
  scene.settle();
  CHECK(journal == "a");
  scene.pass(1s);
  CHECK(journal == "a.b");
}

CONTRACT_TEST("H6: a flooding peer does not starve another") {
  ServerOptions options;
  options.limits.packets_per_turn = 4;
  std::vector<std::string> order;
  Script<> script;
  SUBCASE("returning handler") {
    script.talk = [&](Client&) -> Requests {
      const Line line = co_yield {};
      order.push_back(line);
    };
  }
  SUBCASE("looping handler") {
    script.talk = [&](Client&) -> Requests {
      while (true) {
        const Line line = co_yield {};
        order.push_back(line);
      }
    };
  }
  Scene<> scene(net, script, options);
  auto greedy = scene.guest();
  auto modest = scene.guest();
  std::string flood;
  for (int i = 0; i < 1000; ++i) {
    flood += "flood\n";
  }
  greedy.say(flood);
  modest.say("please\n");
  CHECK(scene.until([&] { return order.size() == 1001; }));
  const auto at = std::find(order.begin(), order.end(), "please") - order.begin();
  CHECK(at < 100);
}

CONTRACT_TEST("H6: the packets of one turn are limited") {
  ServerOptions options;
  options.limits.packets_per_turn = 4;
  int handled = 0;
  Script<> script;
  script.talk = [&](Client&) -> Requests {
    while (true) {
      co_yield {};
      ++handled;
    }
  };
  Scene<> scene(net, script, options);
  auto guest = scene.guest();
  guest.say("1\n2\n3\n4\n5\n6\n7\n8\n9\n");
  int most_in_one_turn = 0;
  CHECK(scene.until([&, before = 0]() mutable {
    most_in_one_turn = std::max(most_in_one_turn, handled - before);
    before = handled;
    return handled == 9;
  }));
  CHECK(most_in_one_turn == 4);
}

CONTRACT_TEST("H7: a request may come in pieces") {
  Scene<> scene(net);
  auto guest = scene.guest();
  const std::string text = "hello\nworld\nand so on\n";
  for (const char byte : text) {
    guest.say(std::string(1, byte));
    CHECK(scene.until([&] { return guest.unsaid() == 0; }));
    scene.settle();
  }
  CHECK(scene.until_heard(guest, "and so on\n"));
  CHECK(guest.heard() == text);
}
