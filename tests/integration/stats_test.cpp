// SPDX-License-Identifier: BSL-1.0
// What the server counts.
#include "integration/scene.hpp"

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

Requests obey(Client& client) {
  const Received line = co_yield as_result;
  if (!line) {
    client.send_packet("bad");
  } else if (*line == "close") {
    client.close();
  } else if (*line == "fail") {
    throw std::runtime_error("failed");
  } else if (*line == "flood") {
    for (;;) {
      client.send_packet(std::string(60'000, 'x'));
    }
  } else {
    client.send_packet(*line);
  }
}

std::uint64_t ended(const ServerStats& stats) {
  return stats.refused + stats.ended_by_peer + stats.ended_by_handler + stats.broken +
         stats.timed_out + stats.overflowed + stats.failed + stats.handshakes_failed +
         stats.shut_down;
}

Script<> obeying() {
  Script<> script;
  script.talk = obey;
  return script;
}

}  // namespace

CONTRACT_TEST("stats: packets and bytes, in and out, good and bad") {
  Scene<> scene(net, obeying(), {}, Lines(LineSerializer(LineOptions{.limit = 10})));
  auto guest = scene.guest();
  guest.say("one\nmuch too long\ntwo\n");
  CHECK(scene.until_heard(guest, "one\nbad\ntwo\n"));
  scene.settle();
  const ServerStats stats = scene.server.stats();
  CHECK(stats.accepted == 1);
  CHECK(stats.active == 1);
  CHECK(stats.packets_received == 2);
  CHECK(stats.bad_packets == 1);
  CHECK(stats.packets_sent == 3);
  CHECK(stats.bytes_received == 22);
  CHECK(stats.bytes_sent == 12);
  CHECK(ended(stats) == 0);
}

CONTRACT_TEST("stats: each connection is counted once, by what ended it") {
  ServerOptions options;
  options.limits.output_limit = 1'000'000;
  options.limits.idle_timeout = 1min;
  Scene<> scene(net, obeying(), options);
  auto guest = scene.guest();
  const auto& stats = [&] { return scene.server.stats(); };
  SUBCASE("the peer") {
    guest.say("one\n");
    guest.half_close();
    CHECK(scene.until_empty());
    CHECK(stats().ended_by_peer == 1);
  }
  SUBCASE("the peer, inside a packet") {
    guest.say("on");
    guest.half_close();
    CHECK(scene.until_empty());
    CHECK(stats().broken == 1);
  }
  SUBCASE("the handler") {
    guest.say("one\nclose\n");
    CHECK(scene.until_ended(guest));
    guest.close();
    CHECK(scene.until_empty());
    CHECK(stats().ended_by_handler == 1);
  }
  SUBCASE("the handler, after the first packet") {
    guest.say("close\n");
    CHECK(scene.until_ended(guest));
    guest.close();
    CHECK(scene.until_empty());
    CHECK(stats().ended_by_handler == 1);
  }
  SUBCASE("an exception") {
    guest.say("fail\n");
    CHECK(scene.until_empty());
    CHECK(stats().failed == 1);
  }
  SUBCASE("too much output") {
    guest.say("flood\n");
    CHECK(scene.until_empty());
    CHECK(stats().overflowed == 1);
  }
  SUBCASE("a time limit") {
    scene.settle();
    scene.pass(1min);
    guest.close();
    CHECK(scene.until_empty());
    CHECK(stats().timed_out == 1);
  }
  SUBCASE("a shutdown") {
    CHECK(scene.until([&] { return scene.server.connections() == 1; }));
    scene.server.request_shutdown();
    CHECK(scene.until_ended(guest));
    guest.close();
    CHECK(scene.until_empty());
    CHECK(stats().shut_down == 1);
  }
  CHECK(stats().accepted == 1);
  CHECK(stats().active == 0);
  CHECK(ended(stats()) == 1);
}

CONTRACT_TEST("stats: a peer is refused by on_connection, or by a handle that returns at once") {
  Script<> script;
  SUBCASE("by a return before the first yield") {
    script.talk = [](Client& client) -> Requests {
      client.send_packet("full");
      co_return;
      co_yield {};
    };
  }
  SUBCASE("by on_connection") {
    script.hello = [](Client& client) {
      client.send_packet("full");
      client.close();
    };
  }
  SUBCASE("by abort") {
    script.hello = [](Client& client) { client.abort(); };
  }
  bool is_refused = true;
  SUBCASE("not by a handler that waited for him") {
    script.talk = [](Client& client) -> Requests {
      const Received line = co_yield as_result(0s);
      client.close();
    };
    is_refused = false;
  }
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until_ended(guest));
  guest.close();
  CHECK(scene.until_empty());
  CHECK(scene.server.stats().refused == (is_refused ? 1 : 0));
  CHECK(scene.server.stats().ended_by_handler == (is_refused ? 0 : 1));
  CHECK(scene.server.stats().accepted == 1);
  CHECK(ended(scene.server.stats()) == 1);
}

TEST_CASE("stats: the numbers of several servers add up") {
  static_assert(sizeof(ServerStats) == 17 * sizeof(std::uint64_t), "a new one is to be added up");
  std::uint64_t numbers[17];
  std::iota(std::begin(numbers), std::end(numbers), 1);
  const ServerStats once = std::bit_cast<ServerStats>(numbers);
  const auto twice = std::bit_cast<std::array<std::uint64_t, 17>>(once + once);
  for (std::size_t i = 0; i < 17; ++i) {
    CHECK(twice[i] == 2 * (i + 1));
  }
}

TEST_CASE("stats: pauses of accepting") {
  asio::io_context io;
  ManualClock clock(io);
  BasicMemoryListener<ManualClock> door(io.get_executor());
  ServerOptions options;
  options.logger = Logger::silent();
  Server<Lines, Script<>, ManualClock> server(io.get_executor(), Lines(), {}, options);
  server.add_listener(door);
  const auto serving = spawn(io, server.serve_forever());
  settle(io);
  door.fail_next(std::make_error_code(std::errc::too_many_files_open));
  door.fail_next(std::make_error_code(std::errc::too_many_files_open));
  settle(io);
  pass_time(io, clock, 1s);
  const Guest guest(AnyTransport(door.connect()));
  settle(io);
  CHECK(server.stats().accept_back_offs == 2);
  CHECK(server.stats().accepted == 1);
}
