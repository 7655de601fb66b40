// SPDX-License-Identifier: BSL-1.0
// The handler contract: the time limit of a yield. (T1-T4)
#include "cowire/recv_params.hpp"
#include "integration/scene.hpp"

#include <chrono>
#include <limits>
#include <string>

using namespace cowire;
using namespace std::chrono_literals;

CONTRACT_TEST("T1: a yield may give up; what came so far is kept for the next") {
  Script<> script;
  bool as_value = false;
  SUBCASE("thrown") { as_value = false; }
  SUBCASE("as_result") { as_value = true; }
  script.talk = [&](Client& client) -> Requests {
    client.send_packet("generator");
    Line answer;
    do {
      try {
        if (as_value) {
          const Received line = co_yield as_result(10s);
          answer = line ? *line : line.error().code() == errc::timeout ? "timeout" : "?";
        } else {
          const Line line = co_yield 10s;
          answer = line;
        }
      } catch (const Error& error) {
        CHECK(error.code() == errc::timeout);
        CHECK(error.code() == condition::usable);
        answer = "timeout";
      }
      client.send_packet(answer);
    } while (answer == "timeout");
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  scene.pass(9s);
  scene.settle();
  CHECK(guest.heard() == "generator\n");
  scene.pass(1s);
  CHECK(scene.until_heard(guest, "timeout\n"));
  guest.say("slow");
  scene.settle();
  scene.pass(10s);
  CHECK(scene.until_heard(guest, "timeout\ntimeout\n"));
  guest.say("ly\n");
  CHECK(scene.until_heard(guest, "slowly\n"));
  CHECK(scene.until_heard(guest, "slowly\ngenerator\n"));
  CHECK(guest.heard() == "generator\ntimeout\ntimeout\nslowly\ngenerator\n");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("T1: the limit is for the whole packet: a trickle does not extend it") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    const Received line = co_yield as_result(10s);
    client.send_packet(line ? *line : "timeout");
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  for (int i = 0; i < 9; ++i) {
    guest.say("x");
    scene.settle();
    scene.pass(1s);
  }
  CHECK(guest.heard() == "");
  guest.say("x");
  scene.settle();
  scene.pass(1s);
  CHECK(scene.until_heard(guest, "timeout\n"));
}

CONTRACT_TEST("T1: an uncaught timeout costs the connection") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    const Line line = co_yield 10s;
    client.send_packet(line);
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  scene.pass(10s);
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  CHECK(scene.records.count("no packet came within the time limit", LogLevel::error) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}

CONTRACT_TEST("T2: a limit of 0 takes what has been received, or times out") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Line first = co_yield {};
    journal += first;
    while (true) {
      const Received line = co_yield as_result(0s);
      if (!line) {
        journal += line.error().code() == errc::timeout ? " timeout" : "?";
        break;
      }
      journal += " " + *line;
    }
    const Line last = co_yield {};
    journal += " " + last;
    client.send_packet("done");
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\nb\nc\n");
  CHECK(scene.until([&] { return journal.find("timeout") != std::string::npos; }));
  guest.say("d\n");
  CHECK(scene.until_heard(guest, "done\n"));
  CHECK(journal == "a b c timeout d");
}

CONTRACT_TEST("T3: a limit that is negative or no number is thrown where the wait would begin") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    using Seconds = std::chrono::duration<double>;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const RecvParams& wait : {RecvParams(-1ns), RecvParams(Seconds(nan))}) {
      const Received line = co_yield as_result(wait);
      journal += !line && line.error().code() == errc::invalid_argument ? "invalid " : "? ";
      try {
        co_yield wait;
        journal += "? ";
      } catch (const Error& error) {
        journal += error.code() == errc::invalid_argument ? "invalid " : error.what();
      }
    }
    const double infinity = std::numeric_limits<double>::infinity();
    const Line line = co_yield Seconds(infinity);
    client.send_packet(line);
  };
  ServerOptions options;
  options.limits.idle_timeout = 0s;
  Scene<> scene(net, script, options);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return journal == "invalid invalid invalid invalid "; }));
  scene.pass(24h * 365);
  guest.say("at last\n");
  CHECK(scene.until_heard(guest, "at last\n"));
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("T4: the clock runs while the handler waits at the yield only") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    co_yield 10s;
    co_await wait_on(client.executor(), 1h);
    const Received line = co_yield as_result(10s);
    client.send_packet(line ? *line : "timeout");
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  scene.settle();
  scene.pass(1h);
  scene.pass(9s);
  guest.say("b\n");
  CHECK(scene.until_heard(guest, "b\n"));
  CHECK(guest.heard() == "b\n");
}
