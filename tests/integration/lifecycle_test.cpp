// SPDX-License-Identifier: BSL-1.0
// What real sockets show of a server's begin and end, and of accepting. (S4, S9, S10, A6, A7)
#include "integration/scene.hpp"
#include "support/stats.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

// Why nobody can connect; nothing if that works.
std::error_code refusal(Scene<>& scene) {
  try {
    const AnyTransport end = scene.door.connect_silently();
    return {};
  } catch (const std::system_error& error) {
    return error.code();
  }
}

bool is_served(Scene<>& scene) {
  auto guest = scene.guest();
  guest.say("served\n");
  const bool is_heard = scene.until_heard(guest, "served\n");
  guest.half_close();
  return is_heard && scene.until_ended(guest) && guest.ended_cleanly();
}

bool shuts_down(Scene<>& scene) {
  const auto stopping = spawn(scene.io, scene.server.shutdown());
  return scene.until([&] { return stopping->done && scene.serving->done; }) &&
         stopping->succeeded() && scene.serving->succeeded();
}

}  // namespace

CONTRACT_TEST("S1: the sockets that a server listens on can be asked for, for their options") {
  Scene<> scene(net);
  const std::vector<int> handles = scene.server.native_handles();
  REQUIRE(handles.size() == 1);
  if (net == Net::memory) {
    CHECK(handles.front() == -1);
  } else {
    int listens = 0;
    socklen_t size = sizeof(listens);
    CHECK(::getsockopt(handles.front(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0);
    CHECK(listens == 1);
  }
  scene.server.stop_listening();
  CHECK(scene.server.native_handles().empty());
}

CONTRACT_TEST("S9: between two runs the server listens at the same place, and who connects waits") {
  Scene<> scene(net);
  const std::vector<Endpoint> where = scene.server.local_endpoints();
  REQUIRE(where.size() == 1);
  for (int round = 0; round < 3; ++round) {
    CHECK(is_served(scene));
    CHECK(scene.until_empty());
    REQUIRE(shuts_down(scene));
    CHECK(!scene.server.is_serving());
    CHECK(scene.server.is_listening());
    CHECK(scene.server.local_endpoints() == where);
    const std::uint64_t accepted = scene.server.stats().accepted;
    Guest early(scene.door.connect_silently());
    early.listen();
    if (net != Net::tls) {
      early.say("early\n");
    }
    scene.settle();
    CHECK(scene.server.stats().accepted == accepted);
    CHECK(early.heard() == "");
    CHECK(!early.has_ended());
    scene.serving = spawn(scene.io, scene.server.serve_forever());
    CHECK(scene.until([&] { return scene.server.stats().accepted == accepted + 1; }));
    if (net != Net::tls) {
      CHECK(scene.until_heard(early, "early\n"));
    }
    early.close();
    CHECK(scene.until_empty());
  }
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("S10: after stop_listening nobody can connect, and who is connected is served on") {
  Scene<> scene(net);
  auto one = scene.guest();
  auto two = scene.guest();
  CHECK(scene.until([&] { return scene.records.count("Accepted new connection") == 2; }));
  for (int i = 0; i < 3; ++i) {
    scene.server.stop_listening();
  }
  scene.settle();
  CHECK(!scene.server.is_serving());
  CHECK(!scene.server.is_listening());
  CHECK(scene.server.local_endpoints().empty());
  CHECK(refusal(scene).value() == (net == Net::unix_path ? ENOENT : ECONNREFUSED));
  for (Guest* guest : {&one, &two}) {
    CHECK(!scene.serving->done);
    guest->say("still here\n");
    CHECK(scene.until_heard(*guest, "still here\n"));
    guest->half_close();
    CHECK(scene.until_ended(*guest));
    CHECK(guest->ended_cleanly());
  }
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(scene.serving->succeeded());
  CHECK(why_ended(scene.server.stats()) == "ended_by_peer 2");
  CHECK(scene.records.complaints() == "");
  const auto again = spawn(scene.io, scene.server.serve_forever());
  CHECK(scene.until([&] { return again->done; }));
  CHECK(again->code() == errc::server_closed);
}

CONTRACT_TEST("S10: who waits to be accepted when the listening ends is let go") {
  ServerOptions options;
  options.max_connections = 1;
  Scene<> scene(net, {}, options);
  auto first = scene.guest();
  first.say("first\n");
  CHECK(scene.until_heard(first, "first\n"));
  Guest second(scene.door.connect_silently());
  second.listen();
  scene.settle();
  CHECK(!second.has_ended());
  scene.server.stop_listening();
  CHECK(scene.until_ended(second));
  first.say("still here\n");
  CHECK(scene.until_heard(first, "still here\n"));
  first.half_close();
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(scene.serving->succeeded());
  CHECK(why_ended(scene.server.stats()) == "ended_by_peer");
}

CONTRACT_TEST("S10: close ends the listening, the peers, and the run") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    const Line line = co_yield {};
    co_await wait_on(client.executor(), 1h);
    client.send_packet(line);
  };
  Scene<> scene(net, script);
  auto idle = scene.guest();
  auto busy = scene.guest();
  busy.say("go\n");
  CHECK(scene.until([&] { return scene.server.stats().packets_received == 1; }));
  CHECK(scene.until([&] { return scene.records.count("Accepted new connection") == 2; }));
  scene.server.close();
  CHECK(refusal(scene));
  const auto closed = spawn(scene.io, scene.server.wait_closed());
  CHECK(scene.until_ended(idle));
  CHECK(scene.until_ended(busy));
  CHECK(idle.heard() + busy.heard() == "");
  idle.close();
  busy.close();
  CHECK(scene.until([&] { return closed->done && scene.serving->done; }));
  CHECK(closed->succeeded());
  CHECK(scene.server.connections() == 0);
  CHECK(why_ended(scene.server.stats()) == "shut_down 2");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("S4: the end of a run: its log, the peers, and what was to be done at the exit") {
  std::string journal;
  Script<> script;
  script.init = [&](Service& service) {
    service.at_exit([&] { journal += "exit 1 "; });
    service.at_exit([&] { journal += "exit 2 "; });
  };
  script.bye = [&](Client&) { return note(journal, "bye "); };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "a\n"));
  scene.server.request_shutdown();
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly());
  CHECK(!scene.serving->done);  // The peer has not closed yet.
  guest.close();
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(scene.serving->succeeded());
  CHECK(journal == "bye exit 2 exit 1 ");
  const std::size_t broke = scene.records.position("Server loop break");
  const std::size_t left = scene.records.position("disconnected (peer");
  const std::size_t stopped = scene.records.position("Server stopped");
  CHECK(broke < left);
  CHECK(left < stopped);
  CHECK(stopped + 1 == scene.records.all().size());
}

CONTRACT_TEST("A6: a shutdown right after a connect ends, be the peer accepted or not") {
  Scene<> scene(net);
  Guest guest(scene.door.connect_silently());
  guest.listen();
  bool is_seen = true;
  SUBCASE("it was accepted") {
    CHECK(scene.until([&] { return scene.server.stats().accepted == 1; }));
  }
  SUBCASE("perhaps not yet") { is_seen = false; }
  const auto stopping = spawn(scene.io, scene.server.shutdown());
  scene.settle();
  bool leaves = false;
  SUBCASE("it leaves") { leaves = true; }
  SUBCASE("it stays") {}
  if (leaves) {
    guest.close();
  } else {
    CHECK((!is_seen || scene.until_ended(guest)));
    scene.pass(3s);  // Limits::close_timeout
  }
  CHECK(scene.until([&] { return stopping->done && scene.serving->done; }));
  CHECK(stopping->succeeded());
  CHECK(scene.serving->succeeded());
  CHECK(scene.server.connections() == 0);
  CHECK(why_ended(scene.server.stats()).find(" of ") == std::string::npos);
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("A7: the log has addresses in the forms of their families") {
  Scene<> scene(net);
  const std::string place = to_string(scene.server.local_endpoints().at(0));
  AnyTransport end = scene.door.connect();
  const std::string peer = net == Net::memory ? "memory-a" : to_string(end.local_endpoint());
  CHECK(scene.until([&] { return scene.records.count("Accepted new connection") == 1; }));
  const std::string address = peer.substr(0, peer.rfind(':'));
  switch (net) {
    case Net::memory: CHECK(place == "memory"); break;
    case Net::tcp:
    case Net::tls:
      CHECK(place.find("127.0.0.1:") == 0);
      CHECK(address == "127.0.0.1");
      break;
    case Net::tcp6:
      CHECK(place.find("[::1]:") == 0);
      CHECK(address == "[::1]");
      break;
    case Net::unix_path:
      CHECK(place.find(".sock") == place.size() - 5);
      CHECK(peer == "(unnamed)");
      break;
    case Net::unix_abstract:
      CHECK(place.find("@test-") == 0);
      CHECK(peer == "(unnamed)");
      break;
  }
  end.close();
  CHECK(scene.until_empty());
  CHECK(scene.records.count("Start serving at " + place, LogLevel::info) == 1);
  CHECK(scene.records.count("Accepted new connection (peer " + peer + ", connection 1",
                            LogLevel::info) == 1);
  CHECK(scene.records.count("disconnected (peer " + peer + ", connection 1", LogLevel::info) == 1);
}
