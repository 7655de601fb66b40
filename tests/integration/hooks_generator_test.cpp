// SPDX-License-Identifier: BSL-1.0
// The handler contract: on_connection as a generator. (H4, H11-H13)
#include "cowire/handler.hpp"
#include "integration/scene.hpp"

#include <chrono>
#include <stdexcept>
#include <string>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using GeneratorScene = Scene<Script<Requests>>;

// Asks for a name and a password before the peer may talk.
Requests log_in(std::string& journal, Client& client) {
  client.send_packet("name?");
  const Line name = co_yield {};
  client.send_packet("password?");
  const Line password = co_yield 10s;
  journal += name + "/" + password + " ";
  if (password != "secret") {
    client.send_packet("refused");
    client.close();
    co_return;
  }
  client.send_packet("welcome " + name);
}

}  // namespace

CONTRACT_TEST("H4, H13: an on_connection generator need not yield; the peer is handled") {
  std::string journal;
  int peers = 0;
  Script<Requests> script;
  script.hello = [&](Client& client) -> Requests {
    if (++peers == 2) {  // Of another kind at run time.
      const Line line = co_yield {};
      client.send_packet("opening " + line);
    }
  };
  script.bye = [&](Client&) { return note(journal, "bye "); };
  GeneratorScene scene(net, script);
  for (const auto* expected : {"a\nb\n", "opening a\nb\n"}) {
    auto guest = scene.guest();
    guest.say("a\nb\n");
    guest.half_close();
    CHECK(scene.until_ended(guest));
    CHECK(guest.heard() == expected);
    CHECK(guest.ended_cleanly());
  }
  CHECK(scene.until_empty());
  CHECK(journal == "bye bye ");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H11: on_connection's generator yields several times; the rest goes to handle") {
  std::string journal;
  Script<Requests> script;
  script.hello = [&](Client& client) { return log_in(journal, client); };
  GeneratorScene scene(net, script);
  auto guest = scene.guest();
  SUBCASE("said at once") { guest.say("ada\nsecret\nfirst\nsecond\n"); }
  SUBCASE("said in pieces, a request begun in on_connection") {
    guest.say("ada\nsec");
    CHECK(scene.until_heard(guest, "password?\n"));
    guest.say("ret\nfi");
    CHECK(scene.until_heard(guest, "welcome ada\n"));
    guest.say("rst\nsecond\n");
  }
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "name?\npassword?\nwelcome ada\nfirst\nsecond\n");
  CHECK(journal == "ada/secret ");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H11: on_connection's generator may refuse the peer, which gets the reason") {
  std::string journal;
  Script<Requests> script;
  script.hello = [&](Client& client) { return log_in(journal, client); };
  script.talk = [&](Client& client) {
    journal += "handled ";
    return Script<>::echo(client);
  };
  script.bye = [&](Client& client) { return note(journal, client.is_closing() ? "bye" : "open"); };
  GeneratorScene scene(net, script);
  auto guest = scene.guest();
  guest.say("eve\nguess\nfirst\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly());
  CHECK(guest.heard() == "name?\npassword?\nrefused\n");
  guest.half_close();
  CHECK(scene.until_empty());
  CHECK(journal == "eve/guess bye");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H11: a time limit in on_connection's generator") {
  std::string journal;
  Script<Requests> script;
  script.hello = [&](Client& client) -> Requests {
    const Received line = co_yield as_result(10s);
    client.send_packet(line ? *line : "too late");
  };
  GeneratorScene scene(net, script);
  auto guest = scene.guest();
  guest.say("half a li");
  scene.pass(10s);
  CHECK(scene.until_heard(guest, "too late\n"));
  guest.say("ne\n");
  CHECK(scene.until_heard(guest, "half a line\n"));
  CHECK(guest.heard() == "too late\nhalf a line\n");
}

CONTRACT_TEST("H12: a disconnect destroys on_connection's generator; no on_disconnection") {
  std::string journal;
  Script<Requests> script;
  script.hello = [&](Client&) -> Requests {
    const Farewell farewell(journal, "destroyed");
    try {
      co_yield {};
      journal += "resumed ";
    } catch (...) {
      journal += "thrown ";
    }
  };
  script.talk = [&](Client& client) {
    journal += "handled ";
    return Script<>::echo(client);
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  GeneratorScene scene(net, script);
  auto guest = scene.guest();
  SUBCASE("end") { guest.half_close(); }
  SUBCASE("end in a packet") {
    guest.say("na");
    guest.half_close();
  }
  SUBCASE("reset") { guest.reset(); }
  CHECK(scene.until_empty());
  CHECK(journal == "destroyed");
  CHECK(scene.records.count("disconnected (peer", LogLevel::info) == 1);
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H12: no on_disconnection for a peer whose on_connection generator throws") {
  std::string journal;
  Script<Requests> script;
  script.hello = [&](Client&) -> Requests {
    const Line line = co_yield {};
    throw std::runtime_error("cannot bear " + line);
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  GeneratorScene scene(net, script);
  auto guest = scene.guest();
  guest.say("this\n");
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  CHECK(journal == "");
  CHECK(scene.records.count("cannot bear this", LogLevel::error) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}

CONTRACT_TEST("D11: a shutdown is thrown in on_connection's generator") {
  std::string journal;
  Script<Requests> script;
  script.hello = [&](Client&) -> Requests {
    try {
      co_yield {};
    } catch (const Error& error) {
      journal += error.code() == errc::cancelled ? "cancelled" : error.what();
      throw;
    }
  };
  script.bye = [&](Client&) { return note(journal, " bye"); };
  GeneratorScene scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return scene.server.connections() == 1; }));
  scene.server.request_shutdown();
  CHECK(scene.until_ended(guest));
  guest.close();
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(journal == "cancelled");
  CHECK(scene.records.complaints() == "");
}
