// SPDX-License-Identifier: BSL-1.0
// Peers that reset or vanish at every point of a conversation, or read very slowly: the server says
// why they have gone, keeps nothing of them, and serves the next one.
#include "integration/scene.hpp"
#include "support/counted.hpp"
#include "support/stats.hpp"

#include <asio/buffer.hpp>

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t much = 60'000;  // More than the little room on both sides.

enum class Way { reset, close };
constexpr Way ways[] = {Way::reset, Way::close};

ServerOptions little_output() {
  ServerOptions options;
  options.limits.output_high = 2'000;
  options.limits.output_low = 1'000;
  return options;
}

void vanish(Guest& guest, Way way) { way == Way::reset ? guest.reset() : guest.close(); }

// What narrow() is for the peer. (A connection in memory has no socket, and needs none.)
void leave_little_room(Client& client) {
  const int size = little_room;
  ::setsockopt(client.native_handle(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

// A server whose peers vanish, one after the other.
template <class Opening = void>
struct Stage {
  using World = Scene<Script<Opening>>;

  explicit Stage(Net given, const ServerOptions& options = {})
      : net(given), scene(given, script(), options) {
    scene.door.narrow();
  }

  Script<Opening> script() {
    Script<Opening> script;
    script.talk = [this](Client& client) { return talk ? talk(client) : Script<>::echo(client); };
    script.hello = [this](Client& client) { return greet(client); };
    script.bye = [this](Client& client) -> Task<void> {
      ++byes;
      if (bye) {
        co_await bye(client);
      }
    };
    return script;
  }
  Opening greet(Client& client) {
    ++hellos;
    leave_little_room(client);
    if constexpr (!std::is_void_v<Opening>) {
      return hello(client);
    }
  }

  ServerStats stats() const { return scene.server.stats(); }

  // Somebody comes in, whose end is to be explained.
  Guest guest(bool hears = true) {
    before = stats();
    const std::size_t came = hellos + 1;
    Guest guest = hears ? scene.guest() : scene.silent_guest();
    REQUIRE(scene.until([&] { return hellos == came; }));
    return guest;
  }
  bool until_received(std::size_t bytes) {
    return scene.until([&] { return stats().bytes_received == before.bytes_received + bytes; });
  }
  // Some of the answer cannot be sent.
  bool until_stuck() {
    const bool has_begun = scene.until([&] { return stats().packets_sent > before.packets_sent; });
    scene.settle();
    return has_begun && stats().bytes_sent < before.bytes_sent + much;
  }

  std::string why() {
    CHECK(scene.until_empty());
    CHECK(scene.server.stats().active == 0);
    return why_ended(stats(), before);
  }
  // Of one who left between two packets and had read everything. Only TLS tells an end from a cut.
  std::string why_left(Way way) const {
    const bool is_seen = net == Net::tls || (way == Way::reset && has_reset(net));
    return is_seen ? "broken" : "ended_by_peer";
  }
  // Nothing was worth a warning, and the next one is served.
  void check_goes_on() {
    CHECK(scene.records.complaints() == "");
    const auto is_slow = std::exchange(talk, nullptr);
    const auto says_good_bye = std::exchange(bye, nullptr);
    Guest next = guest();
    next.say("served\n");
    CHECK(scene.until_heard(next, "served\n"));
    next.half_close();
    CHECK(scene.until_ended(next));
    CHECK(next.ended_cleanly());
    CHECK(why() == "ended_by_peer");
    talk = is_slow;
    bye = says_good_bye;
  }

  Net net;
  std::function<Requests(Client&)> talk = nullptr;
  std::function<Opening(Client&)> hello = nullptr;
  std::function<Task<void>(Client&)> bye = nullptr;
  std::size_t hellos = 0;
  std::size_t byes = 0;
  ServerStats before;
  World scene;
};

}  // namespace

CONTRACT_TEST("D1: a peer vanishes before its first byte, or after any byte of its requests") {
  const std::string said = "one\ntwo words\n\n";
  int alive = 0;
  int thrown = 0;
  Stage<> stage(net);
  stage.talk = [&](Client& client) -> Requests {
    const Counted counted(alive);
    try {
      const Line line = co_yield {};
      client.send_packet(line);
    } catch (...) {
      ++thrown;
    }
  };
  for (const Way way : ways) {
    for (std::size_t count = 0; count <= said.size(); ++count) {
      CAPTURE(count);
      const std::size_t whole = count == 0 ? 0 : said.rfind('\n', count - 1) + 1;
      Guest guest = stage.guest();
      guest.say(said.substr(0, count));
      REQUIRE(stage.until_received(count));
      REQUIRE(stage.scene.until([&] { return guest.heard().size() == whole; }));
      vanish(guest, way);
      CHECK(stage.why() == (whole == count ? stage.why_left(way) : "broken"));
      CHECK(alive == 0);
      stage.check_goes_on();
    }
  }
  CHECK(thrown == 0);
}

CONTRACT_TEST("A5: a peer vanishes before it is accepted") {
  Stage<> stage(net);
  for (const Way way : ways) {
    stage.before = stage.stats();
    Guest guest(stage.scene.door.connect_silently());
    vanish(guest, way);
    CHECK(stage.scene.until([&] { return stage.stats().accepted > stage.before.accepted; }));
    CHECK(stage.why() == (net == Net::tls ? "handshakes_failed" : stage.why_left(way)));
    stage.check_goes_on();
  }
}

CONTRACT_TEST("D4: a peer vanishes while its answer waits to be read") {
  int alive = 0;
  std::string expected = "broken";
  Stage<> stage(net, little_output());
  SUBCASE("the handler is at its next yield") {
    stage.talk = [&](Client& client) -> Requests {
      const Counted counted(alive);
      co_yield {};
      client.send_packet(std::string(much, 'x'));
      co_yield {};
    };
  }
  SUBCASE("the handler waits for room") {
    stage.talk = [&](Client& client) -> Requests {
      const Counted counted(alive);
      co_yield {};
      for (;;) {
        co_await client.send_packet(std::string(999, 'x'));
      }
    };
  }
  SUBCASE("the handler waits for all to be sent") {
    stage.talk = [&](Client& client) -> Requests {
      const Counted counted(alive);
      co_yield {};
      client.send_packet(std::string(much, 'x'));
      co_await client.flush();
    };
  }
  SUBCASE("the handler has closed") {
    stage.talk = [&](Client& client) -> Requests {
      const Counted counted(alive);
      co_yield {};
      client.send_packet(std::string(much, 'x'));
      client.close();
    };
    expected = "ended_by_handler";  // The first reason counts.
  }
  SUBCASE("the handler waits for something else") {
    stage.talk = [&](Client& client) -> Requests {
      const Counted counted(alive);
      co_yield {};
      client.send_packet(std::string(much, 'x'));
      co_await wait_on(client.executor(), 1s);
    };
  }
  for (const Way way : ways) {
    Guest guest = stage.guest(false);
    guest.say("go\nand on\n");
    REQUIRE(stage.until_stuck());
    CHECK(stage.scene.server.connections() == 1);
    vanish(guest, way);
    stage.scene.settle();
    stage.scene.pass(1s);
    CHECK(stage.why() == expected);
    CHECK(alive == 0);
    stage.check_goes_on();
  }
}

CONTRACT_TEST("D3, D4: a peer vanishes after its half-close") {
  Stage<> stage(net);
  std::string journal;
  stage.bye = [&](Client& client) -> Task<void> {
    co_await wait_on(client.executor(), 1s);
    try {
      client.send_packet(std::string(much, 'x'));
      co_await client.flush()(asio::use_awaitable);
      journal += "said ";
    } catch (const std::system_error& error) {
      journal += error.code() == condition::disconnected ? "gone " : error.what();
    }
  };
  bool is_early = false;
  SUBCASE("before on_disconnection sends") { is_early = true; }
  SUBCASE("while on_disconnection sends") {}
  for (const Way way : ways) {
    journal.clear();
    Guest guest = stage.guest(false);
    guest.half_close();
    REQUIRE(stage.scene.until(
        [&] { return stage.stats().ended_by_peer > stage.before.ended_by_peer; }));
    if (is_early) {
      vanish(guest, way);
    }
    stage.scene.settle();
    stage.scene.pass(1s);
    if (!is_early) {
      REQUIRE(stage.until_stuck());
      vanish(guest, way);
    }
    CHECK(stage.why() == "ended_by_peer");
    CHECK(journal == "gone ");
    stage.check_goes_on();
  }
}

CONTRACT_TEST("D4: a peer vanishes after its half-close, while the handler is busy with it") {
  Stage<> stage(net);
  stage.talk = [&](Client& client) -> Requests {
    co_yield {};
    co_await wait_on(client.executor(), 1s);
    client.send_packet(std::string(much, 'x'));
  };
  for (const Way way : ways) {
    Guest guest = stage.guest(false);
    guest.say("go\n");
    guest.half_close();
    REQUIRE(stage.until_received(3));
    vanish(guest, way);
    stage.scene.settle();
    stage.scene.pass(1s);
    CHECK(stage.why() == "broken");
    stage.check_goes_on();
  }
}

CONTRACT_TEST("D1: a peer vanishes while on_connection waits, which goes on; then it is seen") {
  Stage<Task<void>> stage(net);
  for (const Way way : ways) {
    stage.byes = 0;
    stage.hello = [](Client& client) { return wait_on(client.executor(), 1s); };
    Guest guest = stage.guest();
    vanish(guest, way);
    stage.scene.settle();
    CHECK(stage.scene.server.connections() == 1);
    stage.scene.pass(1s);
    CHECK(stage.why() == stage.why_left(way));
    CHECK(stage.byes == 1);
    stage.hello = [](Client&) -> Task<void> { co_return; };
    stage.check_goes_on();
  }
}

CONTRACT_TEST("H12: a peer vanishes while on_connection sends: no on_disconnection") {
  Stage<Task<void>> stage(net);
  for (const Way way : ways) {
    stage.byes = 0;
    stage.hello = [](Client& client) -> Task<void> {
      client.send_packet(std::string(much, 'x'));
      co_await client.flush()(asio::use_awaitable);
    };
    Guest guest = stage.guest(false);
    REQUIRE(stage.until_stuck());
    vanish(guest, way);
    CHECK(stage.why() == "broken");
    CHECK(stage.byes == 0);
    stage.hello = [](Client&) -> Task<void> { co_return; };
    stage.check_goes_on();
  }
}

CONTRACT_TEST("limits: who reads slowly is served to the end; who stops is given up") {
  constexpr std::size_t line = 1'000;
  constexpr std::size_t lines = 60;
  ServerOptions options = little_output();
  options.limits.send_timeout = 20min;
  Stage<> stage(net, options);
  stage.talk = [&](Client& client) -> Requests {
    co_yield {};
    for (std::size_t i = 0; i < lines; ++i) {
      co_await client.send_packet(std::string(line - 1, 'x'));
    }
    client.close();
  };
  stage.before = stage.stats();
  AnyTransport end = stage.scene.door.connect();
  const std::string request = "go\n";
  end.async_write_some(asio::buffer(request), [](std::error_code, std::size_t) {});
  std::array<char, 16> buffer{};
  std::size_t heard = 0;
  std::error_code ended;
  const auto read = [&] {
    std::optional<std::size_t> got;
    end.async_read_some(asio::buffer(buffer), [&](std::error_code ec, std::size_t n) {
      ended = ec;
      got = n;
    });
    REQUIRE(stage.scene.until([&] { return got.has_value(); }));
    heard += *got;
  };
  bool is_patient = true;
  SUBCASE("to the end") {}
  SUBCASE("not to the end") { is_patient = false; }
  const auto begin = stage.scene.clock.now();
  while (!ended && (is_patient || heard < lines * line / 4)) {
    read();
    stage.scene.pass(1s);
  }
  if (is_patient) {
    CHECK(stage.scene.clock.now() - begin > 2 * options.limits.send_timeout);
    CHECK(heard == lines * line);
    CHECK(ended == asio::error::eof);
    end.close();
    CHECK(stage.why() == "ended_by_handler");
  } else {
    REQUIRE(stage.until_stuck());
    CHECK(stage.scene.server.connections() == 1);
    stage.scene.pass(options.limits.send_timeout);
    CHECK(stage.why() == "timed_out");
    CHECK(stage.scene.records.count("took nothing of what is queued for it", LogLevel::warning) ==
          1);
    CHECK(stage.scene.records.count("", LogLevel::warning) == 1);
  }
}
