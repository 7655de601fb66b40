// SPDX-License-Identifier: BSL-1.0
// The handler contract: one generator after another, one request at a time. (H2-H9, D5)
#include "cowire/generator.hpp"
#include "integration/scene.hpp"

#include <asio/post.hpp>

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

Task<void> note(std::string& journal, std::string word) {
  journal += word;
  co_return;
}

}  // namespace

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
  Scene<Net> scene(script);
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
  Scene<Net> scene(script);
  auto guest = scene.guest();
  guest.say("x\nx\nx\nx\nx\nx\nx\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == expected);
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
  Scene<Net> scene(script);
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
  std::optional<Peer<Line>> peer;
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Line line = co_yield {};
    journal += line;
    co_await wait_on(client.executor(), 1s);
    journal += ".";
  };
  Scene<Net> scene(script);
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
  Scene<Net> scene(script, options);
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
  Scene<Net> scene(script, options);
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
  Scene<Net> scene;
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

CONTRACT_TEST("H8: close() in the handler sends what is queued; later requests are not handled") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Line line = co_yield {};
    journal += line;
    client.send_packet("got " + line);
    if (line == "quit") {
      CHECK_FALSE(client.is_closing());
      client.close();
      CHECK(client.is_closing());
      client.close();  // May be repeated.
      try {
        client.send_packet("more");
        journal += " sent?";
      } catch (const Error& error) {
        journal += error.code() == errc::closed ? " closed" : error.what();
      }
    }
  };
  script.bye = [&](Client& client) { return note(journal, client.is_closing() ? " bye" : "open"); };
  Scene<Net> scene(script);
  auto guest = scene.guest();
  guest.say("a\nquit\nb\nc\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly());
  CHECK(guest.heard() == "got a\ngot quit\n");
  guest.half_close();
  CHECK(scene.until_empty());
  CHECK(journal == "aquit closed bye");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H8: a close right after a large answer loses nothing") {
  const std::string large(1000 * 1000, 'x');
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    co_yield {};
    for (int i = 0; i < 4; ++i) {
      client.send_packet(large);
    }
    client.close();
  };
  Scene<Net, Script<>, Lines> scene(script, {},
                                    Lines(LineSerializer(LineOptions{.limit = 1 << 20})));
  auto guest = scene.guest();
  guest.say("go\nand then some, which nobody reads\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly());
  CHECK(guest.heard().size() == 4 * (large.size() + 1));
}

CONTRACT_TEST("H8: abort() in the handler drops the connection at once") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    co_yield {};
    client.abort();
    CHECK(client.is_closing());
    client.abort();
    client.close();
    co_yield {};
    journal += "resumed ";
  };
  script.bye = [&](Client& client) { return note(journal, client.is_closing() ? "bye" : "open"); };
  Scene<Net> scene(script);
  auto guest = scene.guest();
  guest.say("a\nb\n");
  CHECK(scene.until_ended(guest));
  CHECK_FALSE(guest.ended_cleanly());
  CHECK(scene.until_empty());
  CHECK(journal == "bye");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H9: a yield after close() ends the generator") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Farewell farewell(journal, "destroyed ");
    const Line line = co_yield {};
    client.send_packet(line);
    client.close();
    try {
      co_yield {};
      journal += "resumed ";
    } catch (...) {
      journal += "thrown ";
    }
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  Scene<Net> scene(script);
  auto guest = scene.guest();
  guest.say("a\nb\n");
  CHECK(scene.until_ended(guest));
  guest.half_close();
  CHECK(scene.until_empty());
  CHECK(guest.heard() == "a\n");
  CHECK(journal == "destroyed bye");
}

CONTRACT_TEST("H9: another task's close() ends the generator at its yield") {
  std::string journal;
  std::optional<Client> peer;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Farewell farewell(journal, "destroyed ");
    peer.emplace(client);
    try {
      co_yield {};
      journal += "resumed ";
    } catch (...) {
      journal += "thrown ";
    }
  };
  script.bye = [&](Client& client) { return note(journal, client.is_closing() ? "bye" : "open"); };
  Scene<Net> scene(script);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return peer.has_value(); }));
  bool clean = true;
  SUBCASE("close, from a task") {
    asio::post(scene.io, [&] {
      peer->send_packet("good night");
      peer->close();
    });
  }
  SUBCASE("close, from a thread") {
    std::thread([&] {
      peer->send_packet("good night");
      peer->close();
    }).join();
  }
  SUBCASE("abort, from a task") {
    clean = false;
    asio::post(scene.io, [&] { peer->abort(); });
  }
  SUBCASE("abort, from a thread") {
    clean = false;
    std::thread([&] { peer->abort(); }).join();
  }
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly() == clean);
  CHECK(guest.heard() == (clean ? "good night\n" : ""));
  guest.close();
  CHECK(scene.until_empty());
  CHECK(journal == "destroyed bye");
  CHECK(scene.records.complaints() == "");
  CHECK_THROWS_AS(peer->send_packet("anybody there?"), Error);  // The copy outlives the peer.
}

CONTRACT_TEST("H9: a peer closed while its handler awaits something else ends at the next yield") {
  std::string journal;
  std::optional<Client> peer;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Farewell farewell(journal, "destroyed ");
    co_yield {};
    peer.emplace(client);
    co_await wait_on(client.executor(), 10s);
    journal += "waited ";
    co_yield {};
    journal += "resumed ";
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  Scene<Net> scene(script);
  auto guest = scene.guest();
  guest.say("a\nb\n");
  CHECK(scene.until([&] { return peer.has_value(); }));
  peer->close();
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(journal == "");
  scene.pass(10s);
  CHECK(scene.until_empty());
  CHECK(journal == "waited destroyed bye");
  CHECK(scene.records.complaints() == "");
}
