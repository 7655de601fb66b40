// SPDX-License-Identifier: BSL-1.0
// The handler contract: what a shutdown is to a handler. (D11)
#include "cowire/server.hpp"
#include "integration/scene.hpp"

#include <chrono>
#include <string>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

std::string journal_of_nobody;

}  // namespace

CONTRACT_TEST("D11: a shutdown is thrown at the yield, in both forms; on_disconnection may send") {
  std::string journal;
  bool result_form = false;
  SUBCASE("thrown") { result_form = false; }
  SUBCASE("as_result") { result_form = true; }
  Script<> script;
  script.talk = [&](Client&) -> Requests {
    const Farewell farewell(journal, "destroyed ");
    try {
      if (result_form) {
        const Received line = co_yield as_result(1h);
        journal += line ? "packet " : "error ";
      } else {
        co_yield {};
        journal += "packet ";
      }
    } catch (const Error& error) {
      journal += error.code() == errc::cancelled ? "cancelled " : error.what();
      throw;
    }
  };
  script.bye = [&](Client& client) -> Task<void> {
    co_await wait_on(client.executor(), 1s);
    co_await say_good_bye(journal, client);
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return scene.server.connections() == 1; }));
  scene.server.request_shutdown();
  scene.settle();
  CHECK(journal == "cancelled destroyed ");
  scene.pass(1s);
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "bye\n");
  CHECK(guest.ended_cleanly());
  guest.close();
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(scene.serving->succeeded());
  CHECK(journal == "cancelled destroyed said");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("D11: a shutdown is thrown at what the handler awaits") {
  std::string journal;
  enum class Form { task, operation, drain } form = Form::task;
  SUBCASE("a task") { form = Form::task; }
  SUBCASE("an operation") { form = Form::operation; }
  SUBCASE("a drain") { form = Form::drain; }
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    co_yield {};
    journal += "working ";
    try {
      if (form == Form::task) {
        co_await wait_on(client.executor(), 1h);
      } else if (form == Form::operation) {
        ManualClock::Timer<asio::any_io_executor> timer(client.executor());
        timer.expires_at(ManualClock::now(client.executor()) + 1h);
        co_await timer.async_wait(deferred);
      } else {
        for (int i = 0; i < 1000; ++i) {
          co_await client.send_packet(std::string(60'000, 'x'));
        }
      }
      journal += "done ";
    } catch (const Error& error) {
      journal += error.code() == errc::cancelled ? "cancelled " : error.what();
      throw;
    }
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  ServerOptions options;
  options.limits.send_timeout = 0s;
  Scene<> scene(net, script, options);
  auto guest = scene.silent_guest();
  guest.say("go\n");
  CHECK(scene.until([&] { return journal == "working "; }));
  scene.settle();
  scene.server.request_shutdown();
  CHECK(scene.until([&] { return journal.find("bye") != std::string::npos; }));
  guest.close();
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(journal == "working cancelled bye");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST(
    "D11, D12: a handler that goes on after the cancellation is ended at its next yield") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Farewell farewell(journal, "destroyed ");
    while (true) {
      try {
        co_yield {};
      } catch (const Error& error) {
        journal += error.code() == errc::cancelled ? "cancelled " : error.what();
        client.send_packet("one moment");
      }
    }
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return scene.server.connections() == 1; }));
  scene.server.request_shutdown();
  CHECK(scene.until_ended(guest));
  guest.close();
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(guest.heard() == "one moment\n");
  CHECK(journal == "cancelled destroyed bye");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("D11: a handler that returns after the cancellation is not called again") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client&) -> Requests {
    try {
      co_yield {};
    } catch (const Error&) {
      journal += "cancelled ";
    }
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return scene.server.connections() == 1; }));
  scene.server.request_shutdown();
  CHECK(scene.until_ended(guest));
  guest.close();
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(journal == "cancelled bye");
}

CONTRACT_TEST("D11: a drain does not wait for a peer that was only sent something") {
  std::vector<Client> peers;
  Script<> script;
  script.hello = [&](Client& client) { peers.push_back(client); };
  script.bye = [&](Client& client) {
    std::erase_if(peers, [&](const Client& peer) { return peer.id() == client.id(); });
    for (Client& peer : peers) {
      peer.send_packet("somebody left");
    }
    return note(journal_of_nobody, "");
  };
  Scene<> scene(net, script);
  auto first = scene.guest();
  auto second = scene.guest();
  auto third = scene.guest();
  CHECK(scene.until([&] { return scene.server.connections() == 3; }));
  scene.server.request_shutdown(10s);
  for (auto* guest : {&first, &second, &third}) {
    CHECK(scene.until_ended(*guest));
    guest->close();
  }
  CHECK(scene.until([&] { return scene.serving->done; }));  // No time has passed.
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("D11: a busy peer may finish its request before the deadline of a shutdown") {
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Line line = co_yield {};
    co_await wait_on(client.executor(), 5s);
    client.send_packet(line);
  };
  Scene<> scene(net, script);
  auto idle = scene.guest();
  auto busy = scene.guest();
  busy.say("work\n");
  scene.settle();
  scene.server.request_shutdown(10s);
  CHECK(scene.until_ended(idle));
  idle.close();
  scene.settle();
  CHECK_FALSE(busy.has_ended());
  scene.pass(5s);
  CHECK(scene.until_ended(busy));
  CHECK(busy.heard() == "work\n");
  busy.close();
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(scene.records.complaints() == "");
}
