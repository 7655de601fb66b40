// SPDX-License-Identifier: BSL-1.0
// The limits of time that every connection has: idle, packet, send, close.
#include "cowire/limits.hpp"

#include "integration/scene.hpp"

#include <chrono>
#include <string>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

Lines long_lines() { return Lines(LineSerializer(LineOptions{.limit = 64 << 20})); }

}  // namespace

CONTRACT_TEST("T5: a peer that is silent too long while it is waited for is closed") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Farewell farewell(journal, "destroyed ");
    while (true) {
      const Line line = co_yield {};
      client.send_packet(line);
    }
  };
  script.bye = [&](Client& client) {
    journal += client.is_closing() ? "closing " : "open ";
    client.send_packet("too long");
    return note(journal, "bye");
  };
  ServerOptions options;
  options.limits.idle_timeout = 1min;
  Scene<> scene(net, script, options);
  auto guest = scene.guest();
  for (int i = 0; i < 3; ++i) {  // Each packet begins the time anew.
    scene.pass(59s);
    guest.say("a\n");
    scene.settle();
  }
  CHECK(scene.until([&] { return guest.heard() == "a\na\na\n"; }));
  scene.pass(59s);
  CHECK(journal == "");
  scene.pass(1s);
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "a\na\na\ntoo long\n");
  guest.say("what?\n");  // It is not cut off, which might destroy what it was told.
  scene.settle();
  CHECK(guest.ended_cleanly());
  CHECK(scene.server.connections() == 1);
  guest.close();
  CHECK(scene.until_empty());
  CHECK(journal == "destroyed open bye");
  CHECK(scene.records.count("sent nothing within the time limit (time limit 60 s",
                            LogLevel::warning) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}

CONTRACT_TEST("T5: the idle time does not run while the handler works") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    const Line line = co_yield {};
    co_await wait_on(client.executor(), 1h);
    client.send_packet(line);
  };
  ServerOptions options;
  options.limits.idle_timeout = 1min;
  Scene<> scene(net, script, options);
  auto guest = scene.guest();
  guest.say("a\n");
  scene.settle();
  scene.pass(1h);
  CHECK(scene.until_heard(guest, "a\n"));
  scene.pass(59s);
  guest.say("b\n");
  scene.settle();
  scene.pass(1h);
  CHECK(scene.until_heard(guest, "b\n"));
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("T5: the idle time goes on when a yield gives up and another begins") {
  Script<> script;
  script.talk = [](Client&) -> Requests {
    while (true) {
      const Received line = co_yield as_result(1s);
      CHECK_FALSE(line);
    }
  };
  ServerOptions options;
  options.limits.idle_timeout = 1min;
  Scene<> scene(net, script, options);
  auto guest = scene.guest();
  scene.pass(61s);
  CHECK(scene.until_ended(guest));
}

CONTRACT_TEST("T5: 0 is no limit of the idle time") {
  ServerOptions options;
  options.limits.idle_timeout = 0s;
  Scene<> scene(net, {}, options);
  auto guest = scene.guest();
  scene.pass(24h);
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "a\n"));
}

CONTRACT_TEST("B1: an idle connection gives its memory back, and is served on") {
  Scene<> scene(net);
  auto guest = scene.guest();
  for (std::size_t i = 0; i < 3; ++i) {
    scene.pass(10s);
    guest.say("a\nb");
    scene.settle();
    scene.pass(10s);
    guest.say("\n");
    CHECK(scene.until([&] { return guest.heard().size() == 4 * (i + 1); }));
  }
  scene.pass(10s);
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "a\nb\na\nb\na\nb\n");
  CHECK(guest.ended_cleanly());
}

CONTRACT_TEST("T5: a peer that does not finish a packet is closed, however busy it looks") {
  std::string journal;
  Script<> script;
  script.bye = [&](Client&) { return note(journal, "bye"); };
  ServerOptions options;
  options.limits.frame_timeout = 30s;
  Scene<> scene(net, script, options);
  auto guest = scene.guest();
  scene.pass(1min);  // The time begins with the first byte.
  for (int i = 0; i < 29; ++i) {
    guest.say("x");
    scene.settle();
    scene.pass(1s);
  }
  CHECK(journal == "");
  guest.say("x");
  scene.settle();
  scene.pass(2s);
  CHECK(scene.until_ended(guest));
  guest.close();
  CHECK(scene.until_empty());
  CHECK(journal == "bye");
  CHECK(scene.records.count("did not finish a packet within the time limit (time limit 30 s",
                            LogLevel::warning) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}

CONTRACT_TEST("T5: the time of a packet begins anew with each packet") {
  ServerOptions options;
  options.limits.frame_timeout = 30s;
  Scene<> scene(net, {}, options);
  auto guest = scene.guest();
  for (int i = 0; i < 10; ++i) {
    guest.say("b");
    scene.settle();
    scene.pass(20s);
    guest.say("\na");
    scene.settle();
    guest.say("\n");
    scene.settle();
  }
  CHECK(scene.until([&] { return guest.heard().size() == 40; }));
  CHECK_FALSE(guest.has_ended());
}

CONTRACT_TEST("T5: the time of a packet does not run while the handler works") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    const Line line = co_yield {};
    co_await wait_on(client.executor(), 1h);
    client.send_packet(line);
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\nb");
  scene.settle();
  scene.pass(1h);
  CHECK(scene.until_heard(guest, "a\n"));
  scene.pass(20s);
  guest.say("\n");
  scene.settle();
  scene.pass(1h);
  CHECK(scene.until_heard(guest, "b\n"));
  CHECK(scene.records.complaints() == "");
}

TEST_CASE("T5: what the peer has no chance to send does not count against it") {
  // The peer has begun a packet, but reads its answers so slowly that nothing is read from it.
  ServerOptions options;
  options.limits.output_high = 2000;
  options.limits.output_low = 1000;
  options.limits.frame_timeout = 30s;
  options.limits.idle_timeout = 1min;
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    const Line line = co_yield {};
    client.send_packet(line + std::string(20'000, 'x'));
  };
  asio::io_context io;
  ManualClock clock(io);
  BasicMemoryListener<ManualClock> door(io.get_executor());
  const Records records;
  options.logger = records.logger();
  Server<Lines, Script<>, ManualClock> server(io.get_executor(), Lines(), script, options);
  server.add_listener(door);
  const auto serving = spawn(io, server.serve_forever());
  MemoryOptions from_server;
  from_server.capacity = 1000;
  auto end = door.connect({}, from_server);
  settle(io);
  std::string said;
  SUBCASE("in a packet") { said = "a\nhalf"; }
  SUBCASE("between two packets") { said = "a\n"; }
  end.async_write_some(asio::buffer(said), [](std::error_code, std::size_t) {});
  settle(io);
  std::string heard;
  char buffer[1000];
  for (int i = 0; i < 21; ++i) {  // 1000 bytes in 29 seconds: within Limits::send_timeout.
    end.async_read_some(asio::buffer(buffer),
                        [&](std::error_code, std::size_t n) { heard.append(buffer, n); });
    settle(io);
    clock.advance(i < 18 ? 29s : 1s);
    settle(io);
  }
  CHECK(heard.size() == 20'002);
  CHECK(server.connections() == 1);
  CHECK(records.complaints() == "");
}

CONTRACT_TEST("T5: a peer that takes nothing of its answer is dropped, and the log says so") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Farewell farewell(journal, "destroyed ");
    const Line line = co_yield {};
    client.send_packet(std::string(30'000'000, 'x'));  // NOLINT(bugprone-string-constructor)
    co_yield {};
    journal += "resumed ";
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  ServerOptions options;
  options.limits.output_limit = 64 << 20;
  options.limits.send_timeout = 30s;
  Scene<> scene(net, script, options, long_lines());
  auto guest = scene.silent_guest();
  guest.say("go\nmore\n");
  scene.settle();
  scene.pass(29s);
  CHECK(scene.server.connections() == 1);
  scene.pass(2s);
  CHECK(scene.until_empty());
  CHECK(journal == "destroyed bye");
  CHECK(scene.records.count("took nothing of what is queued", LogLevel::warning) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
  guest.listen();
  CHECK(scene.until_ended(guest));
}

CONTRACT_TEST("D9, L3: a closed peer has some time to close its side; what it sends is dropped") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Line line = co_yield {};
    journal += line + " ";
    client.send_packet("bye");
    client.close();
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("quit\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly());
  CHECK(guest.heard() == "bye\n");
  guest.say("still here\n");
  scene.settle();
  CHECK(scene.server.connections() == 1);
  CHECK(scene.records.count("disconnected (peer") == 0);
  SUBCASE("it does") { guest.half_close(); }
  SUBCASE("it does not") {
    scene.pass(2900ms);
    guest.say("still here\n");
    scene.settle();
    CHECK(scene.server.connections() == 1);
    scene.pass(100ms);
  }
  CHECK(scene.until_empty());
  CHECK(journal == "quit bye");
  CHECK(scene.records.count("disconnected (peer") == 1);
  CHECK(scene.records.complaints() == "");
}
