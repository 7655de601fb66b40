// SPDX-License-Identifier: BSL-1.0
// The handler contract: the hooks around handle. (H1, H4, H10-H13)
#include "cowire/handler.hpp"

#include "integration/scene.hpp"

#include <asio/post.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

Requests note_and_echo(std::string& journal, Client& client) {
  journal += "handle ";
  const Line line = co_yield {};
  journal += line + " ";
  client.send_packet(line);
}

Task<void> note(std::string& journal, std::string word) {
  journal += word;
  co_return;
}

}  // namespace

CONTRACT_TEST("H1: accepted, on_connection, handle at once, on_disconnection, disconnected") {
  std::string journal;
  Records* records = nullptr;
  Script<> script;
  script.hello = [&](Client& client) {
    journal += records->count("Accepted new connection", LogLevel::info) == 1 ? "accepted " : "";
    journal += client.is_closing() ? "closing? " : "hello ";
  };
  script.talk = [&](Client& client) { return note_and_echo(journal, client); };
  script.bye = [&](Client&) {
    journal += records->count("disconnected") == 0 ? "" : "logged too early ";
    return note(journal, "bye");
  };
  Scene<Net> scene(script);
  records = &scene.records;
  auto guest = scene.guest();
  CHECK(scene.until([&] { return journal.find("handle") != std::string::npos; }));
  CHECK(journal == "accepted hello handle ");
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "a\n"));
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly());
  CHECK(scene.until_empty());
  CHECK(journal == "accepted hello handle a handle bye");
  CHECK(scene.records.count("disconnected (peer", LogLevel::info) == 1);
  CHECK(scene.records.complaints() == "");
}
