// SPDX-License-Identifier: BSL-1.0
// The handler contract: on_connection as a task. (H10, H12)
#include "cowire/handler.hpp"
#include "integration/scene.hpp"

#include <chrono>
#include <stdexcept>
#include <string>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using Opening = Task<void>;

using TaskScene = Scene<Script<Opening>>;

}  // namespace

CONTRACT_TEST("H10: a task on_connection may wait and send before anything is handled") {
  Script<Opening> script;
  script.hello = [](Client& client) -> Opening {
    client.send_packet("wait");
    co_await wait_on(client.executor(), 1s);
    co_await client.send_packet("welcome")(asio::use_awaitable);
  };
  TaskScene scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "wait\n"));
  scene.settle();
  CHECK(guest.heard() == "wait\n");
  scene.pass(1s);
  CHECK(scene.until_heard(guest, "a\n"));
  CHECK(guest.heard() == "wait\nwelcome\na\n");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H10: a peer closed by a task on_connection is not handled, but said good-bye to") {
  std::string journal;
  Script<Opening> script;
  script.hello = [](Client& client) -> Opening {
    co_await wait_on(client.executor(), 1s);
    client.send_packet("full");
    client.close();
  };
  script.talk = [&](Client& client) {
    journal += "handled ";
    return Script<>::echo(client);
  };
  script.bye = [&](Client& client) { return note(journal, client.is_closing() ? "bye" : "open"); };
  TaskScene scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  scene.pass(1s);
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly());
  CHECK(guest.heard() == "full\n");
  guest.half_close();
  CHECK(scene.until_empty());
  CHECK(journal == "bye");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H12: no on_disconnection for a peer whose on_connection task throws") {
  std::string journal;
  Script<Opening> script;
  script.hello = [](Client& client) -> Opening {
    co_await wait_on(client.executor(), 1s);
    throw std::runtime_error("no database");
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  TaskScene scene(net, script);
  auto guest = scene.guest();
  scene.pass(1s);
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  CHECK(journal == "");
  CHECK(scene.records.count("no database", LogLevel::error) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}

CONTRACT_TEST("H10: a peer that leaves during the on_connection task is met by handle's yield") {
  std::string journal;
  Script<Opening> script;
  script.hello = [](Client& client) -> Opening { co_await wait_on(client.executor(), 1s); };
  script.talk = [&](Client& client) -> Requests {
    const Farewell farewell(journal, "destroyed ");
    const Line line = co_yield {};
    client.send_packet(line);
    journal += line + " ";
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  TaskScene scene(net, script);
  auto guest = scene.guest();
  guest.say("last\n");
  guest.half_close();
  scene.pass(1s);
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  CHECK(guest.heard() == "last\n");
  CHECK(journal == "last destroyed destroyed bye");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("D11: a shutdown cancels the on_connection task; no on_disconnection") {
  std::string journal;
  Script<Opening> script;
  script.hello = [&](Client& client) -> Opening {
    try {
      co_await wait_on(client.executor(), 1h);
    } catch (const std::system_error& error) {
      journal += error.code() == asio::error::operation_aborted ? "cancelled" : "?";
      throw;
    }
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  TaskScene scene(net, script);
  auto guest = scene.guest();
  scene.server.request_shutdown();
  CHECK(scene.until_ended(guest));
  guest.close();
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(scene.serving->succeeded());
  CHECK(journal == "cancelled");
  CHECK(scene.records.complaints() == "");
}

TEST_CASE("a server that is destroyed ends the on_connection task that it leaves") {
  std::string journal;
  asio::io_context io;
  const ManualClock clock(io);
  OverMemory door(io);
  Script<Opening> script;
  script.hello = [&](Client& client) -> Opening {
    const Farewell farewell(journal, "destroyed ");
    co_await wait_on(client.executor(), 1h);
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  {
    Server<Lines, Script<Opening>, ManualClock> server(io.get_executor(), Lines(), script);
    door.listen(server);
    const auto serving = spawn(io, server.serve_forever());
    settle(io);
    const Guest guest(door.connect());
    settle(io);
    CHECK(server.connections() == 1);
    CHECK(journal == "");
  }
  settle(io);
  CHECK(journal == "destroyed ");
}
