// SPDX-License-Identifier: BSL-1.0
// The handler contract: sends, from wherever. (H14)
#include "cowire/connection.hpp"
#include "integration/scene.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t many = 40'000'000;  // More than the kernel takes by itself.

// A handler that lends its peer to the test.
std::function<Requests(Client&)> lend_to(std::optional<Client>& peer) {
  return [&peer](Client& client) -> Requests {
    peer.emplace(client);
    while (true) {
      const Line line = co_yield {};
      client.send_packet(line);
    }
  };
}

}  // namespace

CONTRACT_TEST("sends: what was sent leaves when the handler waits, for whatever") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    client.send_packet("at the yield");
    co_yield {};
    client.send_packet("at an await");
    co_await wait_on(client.executor(), 1s);
    client.send_packet("at the end");
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until_heard(guest, "at the yield\n"));
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "at an await\n"));
  CHECK(guest.heard() == "at the yield\nat an await\n");
  scene.pass(1s);
  CHECK(scene.until_heard(guest, "at the end\nat the yield\n"));
}

CONTRACT_TEST("H14: sends of other tasks leave in the order in which they were made") {
  std::optional<Client> peer;
  Script<> script;
  script.talk = lend_to(peer);
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return peer.has_value(); }));
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    asio::co_spawn(
        scene.io,
        [](Client to, std::string text) -> Task<void> {
          to.send_packet(text + " first");
          co_await to.send_packet(text + " second")(asio::use_awaitable);
        }(*peer, std::to_string(i)),
        asio::detached);
    expected += std::to_string(i) + " first\n" + std::to_string(i) + " second\n";
  }
  CHECK(scene.until_heard(guest, "99 second\n"));
  CHECK(guest.heard() == expected);
}

CONTRACT_TEST("H14: a task talks to all peers while their handlers wait") {
  std::vector<Client> peers;
  Script<> script;
  script.hello = [&](Client& client) { peers.push_back(client); };
  Scene<> scene(net, script);
  auto first = scene.guest();
  auto second = scene.guest();
  CHECK(scene.until([&] { return peers.size() == 2; }));
  asio::co_spawn(
      scene.io,
      [&]() -> Task<void> {
        for (int i = 0; i < 3; ++i) {
          co_await wait_on(scene.io.get_executor(), 1s);
          for (Client& peer : peers) {
            peer.send_packet("tick");
          }
        }
      },
      asio::detached);
  scene.pass(2s);
  first.say("a\n");
  CHECK(scene.until_heard(first, "a\n"));
  scene.pass(1s);
  CHECK(scene.until_heard(first, "a\ntick\n"));
  CHECK(scene.until_heard(second, "tick\ntick\ntick\n"));
  CHECK(first.heard() == "tick\ntick\na\ntick\n");
}

CONTRACT_TEST("H14: a close by another task comes behind the sends before it") {
  std::optional<Client> peer;
  Script<> script;
  script.talk = lend_to(peer);
  ServerOptions options;
  options.limits.output_limit = 2 * many;
  Scene<> scene(net, script, options);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return peer.has_value(); }));
  std::size_t sent = 0;
  asio::post(scene.io, [&] {
    while (sent < many / 4) {
      peer->send_packet(std::string(60'000, 'x'));
      sent += 60'001;
    }
    peer->close();
    CHECK_THROWS_AS(peer->send_packet("more"), Error);
  });
  CHECK(scene.until_ended(guest));
  CHECK(guest.ended_cleanly());
  CHECK(guest.heard().size() == sent);
}

CONTRACT_TEST("H14: sends of other threads: each thread's in order, and none lost") {
  std::optional<Client> peer;
  Script<> script;
  script.talk = lend_to(peer);
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return peer.has_value(); }));
  constexpr int threads = 4;
  constexpr int packets = 1000;
  std::vector<std::thread> senders;
  for (int t = 0; t < threads; ++t) {
    senders.emplace_back([to = *peer, t]() mutable {
      for (int i = 0; i < packets; ++i) {
        to.send_packet(std::to_string(t) + " " + std::to_string(i));
      }
    });
  }
  guest.say("mine\n");
  const auto lines = [&] { return std::count(guest.heard().begin(), guest.heard().end(), '\n'); };
  CHECK(scene.until([&] { return lines() == threads * packets + 1; }));
  for (std::thread& sender : senders) {
    sender.join();
  }
  std::vector<int> next(threads, 0);
  bool mine = false;
  bool in_order = true;
  std::istringstream heard(guest.heard());
  for (std::string line; std::getline(heard, line);) {
    if (line == "mine") {
      mine = true;
      continue;
    }
    std::istringstream numbers(line);
    std::size_t thread = 0;
    int packet = 0;
    numbers >> thread >> packet;
    in_order = in_order && next.at(thread)++ == packet;
  }
  CHECK(in_order);
  CHECK(mine);
  CHECK(next == std::vector<int>(threads, packets));
}

CONTRACT_TEST("H14: threads that send while the peer leaves harm nobody") {
  std::optional<Client> peer;
  Script<> script;
  script.talk = lend_to(peer);
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return peer.has_value(); }));
  std::thread sender([to = *peer]() mutable {
    try {
      for (int i = 0; i < 3000 && !to.is_closing(); ++i) {
        to.send_packet("hello");
      }
      to.close();
    } catch (const Error& error) {
      if (error.code() != errc::closed) {
        throw;
      }
    }
  });
  CHECK(scene.until_heard(guest, "hello\n"));
  guest.reset();
  CHECK(scene.until_empty());
  sender.join();
  scene.settle();
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST(
    "H14: what other threads have sent is bounded, also while the executor does not run") {
  std::optional<Client> peer;
  Script<> script;
  script.talk = lend_to(peer);
  ServerOptions options;
  options.limits.output_limit = 1'000'000;
  Scene<> scene(net, script, options);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return peer.has_value(); }));
  std::size_t sent = 0;
  std::error_code refused;
  std::thread sender([&, to = *peer]() mutable {
    try {
      while (sent < 10'000'000) {
        to.send_packet(std::string(9'999, 'x'));
        sent += 10'000;
      }
    } catch (const Error& error) {
      refused = error.code();
    }
  });
  sender.join();
  CHECK(sent > 900'000);
  CHECK(sent <= 1'000'000);
  CHECK(refused == errc::output_limit);
  CHECK(scene.until_empty());
  CHECK(scene.records.count("the output queue is full", LogLevel::warning) == 1);
}

CONTRACT_TEST("sends: any completion token, also of another thread") {
  std::optional<Client> peer;
  Script<> script;
  script.talk = lend_to(peer);
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until([&] { return peer.has_value(); }));
  bool called = false;
  peer->send_packet("with a handler")([&](std::error_code ec) { called = !ec; });
  auto future = peer->flush()(asio::use_future);
  CHECK_FALSE(called);  // Never inside the call.
  CHECK(scene.until_heard(guest, "with a handler\n"));
  CHECK(scene.until([&] { return called; }));
  scene.settle();
  REQUIRE(future.wait_for(10s) == std::future_status::ready);  // By a thread of Asio's.
  CHECK_NOTHROW(future.get());
}
