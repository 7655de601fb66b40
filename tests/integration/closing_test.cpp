// SPDX-License-Identifier: BSL-1.0
// The handler contract: connections that this side closes. (H8, H9)
#include "cowire/peer.hpp"
#include "integration/scene.hpp"

#include <asio/post.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

using namespace cowire;
using namespace std::chrono_literals;

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
  Scene<> scene(net, script);
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
  Scene<Script<>, Lines> scene(net, script, {},
                               Lines(LineSerializer(LineOptions{.limit = 1 << 20})));
  auto guest = scene.guest();
  guest.say("go\nand then some, which nobody reads\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly());
  CHECK(guest.heard().size() == 4 * (large.size() + 1));
}

CONTRACT_TEST("H8: a close does not wait for a peer that wants to be rid of something first") {
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    co_yield {};
    for (int i = 0; i < 100; ++i) {
      client.send_packet(std::string(60'000, 'x'));
    }
    client.close();
  };
  Scene<> scene(net, script);
  auto guest = scene.silent_guest();
  // More than the system keeps on the way.
  guest.say("go\n" + std::string(net == Net::memory ? 1'000'000 : 8'000'000, 'y'));
  CHECK(scene.until([&] { return guest.unsaid() == 0; }));
  guest.listen();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard().size() == 100 * 60'001);
  CHECK(guest.ended_cleanly());
}

CONTRACT_TEST("H8, U8: abort() in the handler drops the connection at once") {
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
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\nb\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly() != has_reset(net));
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
  Scene<> scene(net, script);
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
  Scene<> scene(net, script);
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
  CHECK(guest.ended_cleanly() == (clean || !has_reset(net)));
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
  Scene<> scene(net, script);
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
