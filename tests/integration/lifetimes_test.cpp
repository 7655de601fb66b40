// SPDX-License-Identifier: BSL-1.0
// Who may outlive whom: copies of peers, destroyed servers, tasks that nobody waits for any more.
// Run under the sanitizers, these tests show that nothing is leaked or used after its end.
#include "integration/scene.hpp"

#include <asio/cancellation_state.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

// Keeps copies of its peers, as a chat does, which keep their connections.
struct Chat {
  std::shared_ptr<int> life;
  std::vector<Client> peers = {};

  void on_connection(Client& client) { peers.push_back(client); }
  Requests handle(Client& client) {
    const Line line = co_yield {};
    if (line == "wait") {
      ManualClock::Timer<asio::any_io_executor> timer(client.executor());
      timer.expires_at(ManualClock::now(client.executor()) + 1h);
      co_await timer.async_wait(deferred);
    }
    for (Client& peer : peers) {
      peer.send_packet(line);
    }
  }
};

// Uses what belongs to its caller, and cannot be cancelled.
Task<void> append_later(asio::any_io_executor executor, std::string& text) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  ManualClock::Timer<asio::any_io_executor> timer(executor);
  timer.expires_at(ManualClock::now(executor) + 1h);
  co_await timer.async_wait(asio::use_awaitable);
  text.append(100, 'x');
}

}  // namespace

CONTRACT_TEST("lifetimes: a copy of a peer may outlive the server and the execution context") {
  std::optional<Client> kept;
  Endpoint remote;
  {
    Script<> script;
    script.hello = [&](Client& client) {
      kept.emplace(client);
      remote = client.remote_endpoint();
    };
    Scene<> scene(net, script);
    auto guest = scene.guest();
    CHECK(scene.until([&] { return kept.has_value(); }));
    SUBCASE("the peer left") {
      guest.close();
      CHECK(scene.until_empty());
    }
    SUBCASE("the server is destroyed with its peers") {}
  }
  CHECK(kept->is_closing());
  CHECK(kept->id() == 1);
  CHECK(kept->remote_endpoint() == remote);
  CHECK(kept->native_handle() == -1);
  CHECK_THROWS_AS(kept->send_packet("late"), Error);
  const Client another = *kept;
  kept->close();
  kept->abort();
}

CONTRACT_TEST("lifetimes: a handler that keeps copies of its peers goes with its server") {
  const auto life = std::make_shared<int>();
  {
    Scene<Chat> scene(net, Chat{life});
    auto one = scene.guest();
    auto two = scene.guest();
    one.say("hello\n");
    CHECK(scene.until_heard(two, "hello\n"));
    SUBCASE("with its peers") {}
    SUBCASE("when they have left") {
      one.close();
      two.reset();
      CHECK(scene.until_empty());
    }
  }
  CHECK(life.use_count() == 1);
}

CONTRACT_TEST("lifetimes: the same, while a peer's handler waits for something that never ends") {
  const auto life = std::make_shared<int>();
  {
    Scene<Chat> scene(net, Chat{life});
    auto guest = scene.guest();
    guest.say("wait\n");
    scene.settle();
    SUBCASE("the server goes first") { const auto gone = std::move(scene.server); }
    SUBCASE("they go together") {}
  }
  CHECK(life.use_count() == 1);
}

CONTRACT_TEST("lifetimes: a task that the handler awaits ends before the handler's variables") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Farewell farewell(journal, "destroyed");
    const Line line = co_yield {};
    std::string text = line;
    co_await append_later(client.executor(), text);
    journal += "went on";
  };
  std::optional<Scene<>> scene(std::in_place, net, script);
  std::optional<Guest> guest(scene->guest());
  guest->say("hello\n");
  scene->settle();
  SUBCASE("the server shuts down, and gives the handler up") {
    scene->server.request_shutdown();
    scene->pass(1min);
    CHECK(scene->serving->done);
    CHECK(journal.empty());  // The task uses the handler's frame.
    scene->pass(1h);
    CHECK(journal == "destroyed");
  }
  SUBCASE("the server is destroyed") {
    auto server = std::move(scene->server);
    {
      const auto gone = std::move(server);
    }
    scene->settle();
    CHECK(journal.empty());
    scene->pass(1h);
    CHECK(journal == "destroyed");
  }
  SUBCASE("the execution context is destroyed") {
    guest.reset();
    scene.reset();
    CHECK(journal == "destroyed");
  }
}

CONTRACT_TEST("lifetimes: a connection that was being accepted when its server went") {
  for (int turns = 0; turns < 6; ++turns) {
    CAPTURE(turns);
    std::string journal;
    Script<> script;
    script.hello = [&](Client&) { journal += "hello"; };
    Scene<> scene(net, script);
    auto end = scene.door.connect();
    for (int i = 0; i < turns; ++i) {
      scene.io.poll_one();
    }
    journal.clear();
    {
      const auto gone = std::move(scene.server);
    }
    scene.settle();
    CHECK(journal.empty());
    CHECK(scene.serving->done);
  }
}

TEST_CASE("lifetimes: a thread may go on sending while the server and its context go") {
  for (int i = 0; i < 10; ++i) {
    std::optional<Client> kept;
    std::thread sender;
    std::atomic<bool> sent = false;
    {
      Script<> script;
      script.hello = [&](Client& client) { kept.emplace(client); };
      Scene<> scene(Net::tcp, script);
      auto guest = scene.guest();
      REQUIRE(scene.until([&] { return kept.has_value(); }));
      sender = std::thread([&sent, peer = *kept]() mutable {
        const std::string packet(10'000, 'x');
        try {
          for (;;) {
            peer.send_packet(packet);
            sent = true;
          }
        } catch (const Error&) {  // The queue is full, or the connection is over.
        }
        peer.close();
        peer.abort();
      });
      CHECK(scene.until([&] { return sent.load(); }));
    }
    sender.join();
  }
}

TEST_CASE("lifetimes: the last copy of a peer may go in another thread") {
  std::optional<Client> kept;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    if (!kept) {
      kept.emplace(client);
    }
    const Line line = co_yield {};
    client.send_packet(line);
  };
  Scene<> scene(Net::tcp, script);
  for (int i = 0; i < 20; ++i) {
    auto guest = scene.guest();
    guest.say("one\ntwo\n");
    REQUIRE(scene.until_heard(guest, "two\n"));
    std::thread other([last = std::exchange(kept, std::nullopt)]() mutable {
      try {
        last->send_packet("of another thread");
      } catch (const Error&) {  // The guest may have left.
      }
      last.reset();
    });
    guest.close();
    REQUIRE(scene.until_empty());  // While blocks go back to the pool here.
    other.join();
    scene.settle();
  }
}
