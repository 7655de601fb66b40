// SPDX-License-Identifier: BSL-1.0
// The handler contract: how a connection ends. (D1-D10)
#include "cowire/connection.hpp"
#include "integration/scene.hpp"

#include <asio/post.hpp>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

using namespace cowire;
using namespace std::chrono_literals;

CONTRACT_TEST("D1, D2, D7: at the peer's end the generator is destroyed; nothing is thrown in it") {
  std::string journal;
  Records* records = nullptr;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Farewell farewell(journal, "destroyed ");
    try {
      const Line line = co_yield {};
      client.send_packet(line);
      co_yield {};
      journal += "resumed ";
    } catch (...) {
      journal += "thrown ";
    }
  };
  script.bye = [&](Client& client) {
    journal += records->count("disconnected") == 0 ? "" : "logged too early ";
    return note(journal, client.is_closing() ? "closing" : "bye");
  };
  Scene<> scene(net, script);
  records = &scene.records;
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "a\n"));
  bool clean = true;
  SUBCASE("end") { guest.half_close(); }
  SUBCASE("end in a packet") {
    guest.say("unfini");
    guest.half_close();
  }
  SUBCASE("close") {
    clean = false;
    guest.close();
  }
  SUBCASE("reset") {
    clean = false;
    guest.reset();
  }
  CHECK(scene.until_empty());
  CHECK(journal == "destroyed bye");
  CHECK(scene.records.count("disconnected (peer", LogLevel::info) == 1);
  CHECK(scene.records.complaints() == "");
  if (clean) {
    CHECK(scene.until_ended(guest));
    CHECK(guest.ended_cleanly());
  }
}

CONTRACT_TEST("D1: as_result gives the peer's end no other form") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client&) -> Requests {
    const Farewell farewell(journal, "destroyed");
    const Received line = co_yield as_result(1h);
    journal += line ? "packet " : "error ";
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  SUBCASE("end") { guest.half_close(); }
  SUBCASE("reset") { guest.reset(); }
  CHECK(scene.until_empty());
  CHECK(journal == "destroyed");
}

CONTRACT_TEST("D3, D4: after a half-close on_disconnection may send, and the peer hears it") {
  std::string journal;
  Script<> script;
  script.bye = [&](Client& client) { return say_good_bye(journal, client); };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("ABC\n");
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "ABC\nbye\n");
  CHECK(guest.ended_cleanly());
  CHECK(scene.until_empty());
  CHECK(journal == "said");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("D3, D4: after a reset on_disconnection finds it open, but cannot send") {
  std::string journal;
  Script<> script;
  script.bye = [&](Client& client) { return say_good_bye(journal, client); };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("ABC\n");
  CHECK(scene.until_heard(guest, "ABC\n"));
  guest.reset();
  CHECK(scene.until_empty());
  CHECK(journal == "gone");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("D5: the requests that came before the end are handled first") {
  int handled = 0;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Line line = co_yield {};
    co_await asio::post(client.executor(), deferred);
    ++handled;
    client.send_packet(line);
  };
  ServerOptions options;
  options.limits.packets_per_turn = 7;
  Scene<> scene(net, script, options);
  auto guest = scene.guest();
  std::string all;
  for (int i = 0; i < 500; ++i) {
    all += "request " + std::to_string(i) + "\n";
  }
  guest.say(all);
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == all);
  CHECK(guest.ended_cleanly());
  CHECK(handled == 500);
}

CONTRACT_TEST("B3: what was read before a reset is handed over first") {
  std::string journal;
  bool sends = false;
  SUBCASE("a read finds the reset") {}
  SUBCASE("a send finds it") { sends = true; }
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Line line = co_yield {};
    journal += line;
    if (line == "a") {
      co_await wait_on(client.executor(), 1s);
      try {
        if (sends) {
          client.send_packet("anybody there?");
          co_await client.flush();
        }
      } catch (const Error& error) {
        CHECK(error.code() == condition::disconnected);
      }
    }
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\nb\nc\n");
  CHECK(scene.until([&] { return journal == "a"; }));
  guest.reset();
  scene.settle();
  scene.pass(1s);
  CHECK(scene.until([&] { return journal == "abc"; }));
  // A system tells of a reset once. If the send was told, TLS sees a stream that ends, and waits
  // for the peer to close: close_timeout.
  CHECK(scene.until([&] {
    scene.pass(10ms);
    return scene.server.connections() == 0;
  }));
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("D6: a packet that the end cut short is logged at debug, and is no packet") {
  Scene<> scene(net);
  auto guest = scene.guest();
  guest.say("whole\ncut sho");
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "whole\n");
  CHECK(scene.until_empty());
  CHECK(scene.records.count("connection ended", LogLevel::debug) == 1);
  CHECK(scene.records.count("the stream ended before the separator", LogLevel::debug) == 1);
  CHECK(scene.records.count("connection ended", LogLevel::info) == 0);
}

CONTRACT_TEST("D6: a serializer may hand over the last line without an ending") {
  Scene<> scene(net, {}, {}, Lines(LineSerializer(LineOptions{.last_line = LastLine::deliver})));
  auto guest = scene.guest();
  guest.say("whole\nlast");
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "whole\nlast\n");
  CHECK(scene.until_empty());
  CHECK(scene.records.count("connection ended") == 0);
}

CONTRACT_TEST("D9: a crash closes by force, after what was sent") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Line line = co_yield {};
    client.send_packet("got " + line);
    throw std::runtime_error("crash on " + line);
  };
  script.bye = [&](Client& client) {
    journal += client.is_closing() ? "closing" : "open";
    client.send_packet("sorry");  // The connection is open: D10.
    return note(journal, " bye");
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\nb\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "got a\nsorry\n");
  CHECK(guest.ended_cleanly() != has_reset(net));
  CHECK(scene.until_empty());
  CHECK(journal == "open bye");
  CHECK(scene.records.count("crash on a", LogLevel::error) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}

CONTRACT_TEST("D10, E12: on_disconnection runs once, whatever the end") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    while (true) {
      const Line line = co_yield 1h;
      if (line == "close") {
        client.close();
      } else if (line == "abort") {
        client.abort();
      } else if (line == "crash") {
        throw std::runtime_error("crash");
      } else if (line == "throw 42") {
        throw 42;
      } else if (line == "flood") {
        client.send_packet(std::string(60'000, 'x'));
        client.send_packet(std::string(60'000, 'x'));
      }
    }
  };
  script.bye = [&](Client& client) {
    return note(journal, client.is_closing() ? "closed" : "open");
  };
  ServerOptions options;
  options.limits.output_high = 10'000;
  options.limits.output_low = 5'000;
  options.limits.idle_timeout = 1min;
  std::string expected = "open";
  const char* complaint = nullptr;
  std::function<void(Scene<>&, Guest&)> end;
  SUBCASE("end") {
    end = [](auto&, auto& guest) { guest.half_close(); };
  }
  SUBCASE("reset") {
    end = [](auto&, auto& guest) { guest.reset(); };
  }
  SUBCASE("close") {
    expected = "closed";
    end = [](auto&, auto& guest) {
      guest.say("close\n");
      guest.half_close();
    };
  }
  SUBCASE("abort") {
    expected = "closed";
    end = [](auto&, auto& guest) { guest.say("abort\n"); };
  }
  SUBCASE("crash") {
    complaint = "crash";
    end = [](auto&, auto& guest) { guest.say("crash\n"); };
  }
  SUBCASE("a crash with what is no std::exception") {
    complaint = "not a std::exception";
    end = [](auto&, auto& guest) { guest.say("throw 42\n"); };
  }
  SUBCASE("shutdown") {
    end = [](auto& scene, auto& guest) {
      scene.server.request_shutdown();
      scene.settle();
      guest.close();
    };
  }
  SUBCASE("idle too long") {
    complaint = "sent nothing within the time limit";
    end = [](auto& scene, auto& guest) {
      scene.pass(1min);
      guest.close();
    };
  }
  SUBCASE("reset while an answer waits for it") {
    end = [](auto& scene, auto& guest) {
      guest.say("flood\n");
      scene.settle();
      guest.reset();
    };
  }
  Scene<> scene(net, script, options);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return scene.server.connections() == 1; }));
  end(scene, guest);
  CHECK(scene.until_empty());
  CHECK(journal == expected);
  CHECK(scene.records.count("disconnected (peer", LogLevel::info) == 1);
  if (complaint == nullptr) {
    CHECK(scene.records.complaints() == "");
  } else {
    CHECK(scene.records.count(complaint, LogLevel::warning) == 1);
    CHECK(scene.records.count("", LogLevel::warning) == 1);
    CHECK_FALSE(scene.serving->done);
  }
}
