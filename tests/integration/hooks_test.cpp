// SPDX-License-Identifier: BSL-1.0
// The handler contract: the hooks around handle, as plain functions. (H1, H10, H12)
#include "cowire/handler.hpp"
#include "integration/scene.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using namespace cowire;

namespace {

Requests note_and_echo(std::string& journal, Client& client) {
  journal += "handle ";
  const Line line = co_yield {};
  journal += line + " ";
  client.send_packet(line);
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
  Scene<> scene(net, script);
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

TEST_CASE("H1: a peer's descriptor is free when \"disconnected\" is logged") {
  for (const Net net : {Net::tcp, Net::unix_path, Net::tls}) {
    asio::io_context io{1};
    const ManualClock clock(io);
    int descriptor = -1;
    std::optional<bool> was_free;
    ServerOptions options;
    options.logger = Logger(LogLevel::info, [&](const LogRecord& record) {
      if (record.message == "disconnected") {
        was_free = ::fcntl(descriptor, F_GETFD) == -1;
      }
    });
    Script<> script;
    script.hello = [&](Client& client) { descriptor = client.native_handle(); };
    Scene<>::Server server(io.get_executor(), Lines(), script, options);
    OverAny door(io, net);
    door.listen(server);
    const auto serving = spawn(io, server.serve_forever());
    Guest guest(door.connect());
    guest.listen();
    REQUIRE(run_until(io, [&] { return descriptor != -1; }));
    CHECK(::fcntl(descriptor, F_GETFD) != -1);
    guest.half_close();
    REQUIRE(run_until(io, [&] { return was_free.has_value(); }));
    CHECK(*was_free);
  }
}

CONTRACT_TEST("H10: on_connection may send before anything is read") {
  Script<> script;
  script.hello = [](Client& client) { client.send_packet("welcome"); };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until_heard(guest, "welcome\n"));
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "a\n"));
  CHECK(guest.heard() == "welcome\na\n");
}

CONTRACT_TEST("H10: a peer that on_connection closes is not handled; on_disconnection is called") {
  std::string journal;
  Script<> script;
  script.hello = [](Client& client) {
    client.send_packet("full");
    client.close();
  };
  script.talk = [&](Client& client) { return note_and_echo(journal, client); };
  script.bye = [&](Client& client) { return note(journal, client.is_closing() ? "bye" : "open"); };
  Scene<> scene(net, script);
  auto guest = scene.silent_guest();
  guest.say("a\n");
  guest.listen();
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly());
  CHECK(guest.heard() == "full\n");
  guest.half_close();
  CHECK(scene.until_empty());
  CHECK(journal == "bye");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H10: a peer that on_connection aborts is not handled; on_disconnection is called") {
  std::string journal;
  Script<> script;
  script.hello = [](Client& client) { client.abort(); };
  script.talk = [&](Client& client) { return note_and_echo(journal, client); };
  script.bye = [&](Client& client) { return note(journal, client.is_closing() ? "bye" : "open"); };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  CHECK(journal == "bye");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H12, E3: no on_disconnection for a peer whose on_connection throws") {
  std::string journal;
  int peers = 0;
  Script<> script;
  script.hello = [&](Client&) {
    if (++peers == 1) {
      throw std::runtime_error("the first is not welcome");
    }
  };
  script.bye = [&](Client&) { return note(journal, "bye"); };
  Scene<> scene(net, script);
  auto first = scene.guest();
  CHECK(scene.until_ended(first));
  CHECK(scene.until_empty());
  CHECK(journal == "");
  CHECK(scene.records.count("the first is not welcome", LogLevel::error) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);

  auto second = scene.guest();
  second.say("a\n");
  CHECK(scene.until_heard(second, "a\n"));
  second.half_close();
  CHECK(scene.until_ended(second));
  CHECK(scene.until_empty());
  CHECK(journal == "bye");
}

TEST_CASE("A1: accepted sockets have the options of the server") {
  ServerOptions options;
  SUBCASE("as they are by default") {}
  SUBCASE("both off") { options.socket = {.no_delay = false, .keep_alive = false}; }
  const std::pair expected(options.socket.no_delay, options.socket.keep_alive);
  std::optional<std::pair<bool, bool>> found;
  Script<> script;
  script.hello = [&](Client& client) {
    const auto option = [&client](int level, int name) {
      int value = 0;
      socklen_t size = sizeof(value);
      CHECK(::getsockopt(client.native_handle(), level, name, &value, &size) == 0);
      return value != 0;
    };
    found.emplace(option(IPPROTO_TCP, TCP_NODELAY), option(SOL_SOCKET, SO_KEEPALIVE));
  };
  Scene<> scene(Net::tcp, script, options);
  const auto guest = scene.guest();
  CHECK(scene.until([&] { return found.has_value(); }));
  CHECK(found == expected);
}
