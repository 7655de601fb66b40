// SPDX-License-Identifier: BSL-1.0
// Whose handler runs: asked by code that is not told. (S16)
#include "cowire/current_peer.hpp"

#include "integration/scene.hpp"

#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

// What code sees that is not told of the peer.
std::string who() {
  const PeerContext* const peer = current_peer();
  return peer == nullptr ? "-" : std::to_string(peer->id());
}
bool is(const Client& client) {
  const PeerContext* const peer = current_peer();
  return peer != nullptr && peer->id() == client.id() &&
         peer->remote_endpoint() == client.remote_endpoint();
}

Task<std::string> inner(std::chrono::nanoseconds time) {
  std::string seen = who();
  co_await wait_on(co_await asio::this_coro::executor, time);
  seen += who();
  co_await asio::post(asio::use_awaitable);
  co_return seen + who();
}

// Waits in every way, with others in between.
Task<std::string> outer(std::chrono::nanoseconds time) {
  std::string seen = who();
  seen += co_await inner(time);
  seen += who();
  const auto executor = co_await asio::this_coro::executor;
  seen += co_await asio::co_spawn(executor, inner(time), asio::use_awaitable);
  co_return seen + who();
}

// Looks around whenever it runs.
struct Looking {
  std::string* journal;

  Task<void> on_connection(Client& client) {
    const std::string seen = co_await outer(1s);
    client.send_packet(seen + who());
  }
  Requests handle(Client& client) {
    std::string seen = who();
    const Line line = co_yield {};
    seen += who();
    if (line == "task") {
      seen += co_await outer(1s);
    } else if (line == "operation") {
      ManualClock::Timer<asio::any_io_executor> timer(client.executor());
      timer.expires_at(ManualClock::now(client.executor()) + 1s);
      co_await timer.async_wait(deferred);
    } else if (line == "flush") {
      co_await client.flush();
    } else if (line == "throw") {
      throw std::runtime_error("as told");
    }
    client.send_packet(seen + who());
  }
  Task<void> on_disconnection(Client& client) {
    const std::string seen = co_await outer(1s);
    *journal += is(client) ? seen : "wrong";
  }
};

// What a handler keeps of a peer, and how other code sees it.
struct Visit {
  std::string user;
  ~Visit() {
    const PeerContext* const peer = current_peer();
    const bool knows = peer != nullptr && peer->id() == 1 && peer->state<Visit>() == nullptr;
    destroyed += knows ? user : "wrong";
  }

  static inline std::string destroyed;
};
std::string user() {
  const PeerContext* const peer = current_peer();
  const Visit* const visit = peer == nullptr ? nullptr : peer->state<Visit>();
  return visit == nullptr ? "nobody" : visit->user;
}
Task<void> greet_later(std::string& journal) {
  co_await wait_on(co_await asio::this_coro::executor, 1s);
  journal += user() + " ";
}

struct Visited {
  using PeerState = Visit;
  std::string* journal;

  void on_connection(Client&, Visit& visit) { visit.user = "guest"; }
  Task<void> on_disconnection(Client&) {
    CHECK(current_peer()->state<const Visit>() != nullptr);
    co_await greet_later(*journal);
    const auto executor = co_await asio::this_coro::executor;
    auto later = greet_later(*journal);
    asio::co_spawn(executor, std::move(later), asio::detached);
  }
  Requests handle(Client&) {
    *journal += user() + " ";
    current_peer()->state<Visit>()->user = co_yield {};
    *journal += user() + " ";
    CHECK(current_peer()->state<std::string>() == nullptr);
    co_await greet_later(*journal);
    const auto executor = co_await asio::this_coro::executor;
    auto later = greet_later(*journal);
    asio::co_spawn(executor, std::move(later), asio::detached);
  }
};

// Refers to what it is destroyed with.
struct Leaving {
  std::string* journal;
  ~Leaving() { *journal += who(); }
};

}  // namespace

CONTRACT_TEST("S16: plain hooks, generators and destructors see their peer, others nobody") {
  std::string journal;
  Script<> script;
  script.init = [&](Service& service) {
    journal += who();
    service.spawn([&]() -> Task<void> {
      journal += who();
      co_return;
    });
  };
  script.hello = [&](Client& client) { journal += is(client) ? who() : "wrong"; };
  script.talk = [&](Client& client) -> Requests {
    journal += who();
    const Leaving leaving{&journal};
    const Line line = co_yield {};
    journal += is(client) ? who() : "wrong";
    client.send_packet(line);
    co_yield {};
    journal += "not reached";
  };
  Scene<> scene(net, script);
  CHECK(journal == "--");
  journal.clear();
  {
    auto guest = scene.guest();
    guest.say("a\n");
    CHECK(scene.until_heard(guest, "a\n"));
    CHECK(who() == "-");
    CHECK(journal == "111");
    guest.half_close();
    CHECK(scene.until_empty());
    CHECK(journal == "1111");
  }
  auto guest = scene.guest();
  CHECK(scene.until([&] { return journal == "111122"; }));
  CHECK(who() == "-");
}

CONTRACT_TEST("S16: tasks that are awaited see it, after each suspension, whoever runs meanwhile") {
  std::string journal;
  Scene<Looking> scene(net, Looking{&journal});
  auto one = scene.guest();
  auto two = scene.guest();
  CHECK(scene.until([&] { return scene.server.connections() == 2; }));
  scene.settle();
  scene.pass(1s);
  CHECK(one.heard().empty());
  scene.pass(1s);
  CHECK(scene.until_heard(one, "1111111111\n"));
  CHECK(scene.until_heard(two, "2222222222\n"));
  one.say("task\noperation\nflush\n");
  two.say("task\n");
  scene.settle();
  scene.pass(3s);
  CHECK(scene.until_heard(one, "\n111111111111\n111\n111\n"));
  CHECK(scene.until_heard(two, "\n222222222222\n"));
  one.half_close();
  scene.settle();
  CHECK_FALSE(one.has_ended());
  scene.pass(2s);
  CHECK(scene.until([&] { return journal == "111111111"; }));
  CHECK(who() == "-");
}

CONTRACT_TEST("S16: what the handler keeps of its peer is seen by all that it calls") {
  std::string journal;
  Visit::destroyed.clear();
  Scene<Visited> scene(net, Visited{&journal});
  CHECK(user() == "nobody");
  auto guest = scene.guest();
  CHECK(scene.until([&] { return journal == "guest "; }));
  guest.say("Ann\n");
  CHECK(scene.until([&] { return journal == "guest Ann "; }));
  scene.pass(1s);
  CHECK(journal == "guest Ann Ann Ann ");
  guest.close();
  CHECK(scene.until([&] {
    scene.pass(1s);
    return scene.server.connections() == 0;
  }));
  CHECK(Visit::destroyed == "Ann");
  scene.pass(1s);
  CHECK(journal == "guest Ann Ann Ann Ann Ann nobody ");  // The last one outlives the peer.
}

CONTRACT_TEST("S16: nobody is left behind by an exception") {
  std::string journal;
  Scene<Looking> scene(net, Looking{&journal});
  auto guest = scene.guest();
  scene.pass(2s);
  guest.say("throw\n");
  CHECK(scene.until([&] { return scene.records.count("as told") == 1; }));
  CHECK(who() == "-");
  scene.pass(2s);
  CHECK(scene.until([&] { return journal == "111111111"; }));
  CHECK(who() == "-");
}

CONTRACT_TEST("S16: what a handler spawns has its peer, or nobody, by its executor") {
  std::string child;
  std::string background;
  Service* kept = nullptr;
  const auto note_later = [](std::string& seen) -> Task<void> {
    seen += who();
    co_await wait_on(co_await asio::this_coro::executor, 1s);
    seen += who();
  };
  Script<> script;
  script.init = [&](Service& service) { kept = &service; };
  script.talk = [&](Client& client) -> Requests {
    co_yield {};
    const auto executor = co_await asio::this_coro::executor;
    auto work = note_later(child);
    asio::co_spawn(executor, std::move(work), asio::detached);
    kept->spawn(note_later(background));
    client.send_packet(who());
    client.abort();  // They go on longer than the connection.
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  scene.pass(1s);
  CHECK(child == "11");
  CHECK(background == "--");
}

CONTRACT_TEST("S16: work in a thread pool has nobody, what waits for it has its peer") {
  asio::thread_pool pool(1);
  std::atomic<int> in_pool = 0;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    co_yield {};
    const auto ask = [](asio::thread_pool& to, std::atomic<int>& count) -> Task<std::string> {
      const auto work = [](std::atomic<int>& counted) -> Task<std::string> {
        ++counted;
        co_return who();
      };
      const std::string there = co_await asio::co_spawn(to, work(count), asio::use_awaitable);
      co_return there + who();
    };
    const std::string seen = co_await ask(pool, in_pool);
    client.send_packet(seen + who());
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "-11\n"));
  CHECK(in_pool == 1);
  pool.join();
}

CONTRACT_TEST("S16: destroying others' generators does not change whose turn it is") {
  std::string journal;
  std::vector<Client> all;
  Script<> script;
  script.hello = [&](Client& client) { all.push_back(client); };
  script.talk = [&](Client& client) -> Requests {
    const Leaving leaving{&journal};
    co_yield {};
    for (Client& other : all) {
      if (other.id() != client.id()) {
        other.abort();
      }
    }
    client.send_packet(who());
    co_yield {};
  };
  Scene<> scene(net, script);
  auto one = scene.guest();
  auto two = scene.guest();
  CHECK(scene.until([&] { return all.size() == 2; }));
  two.say("a\n");
  CHECK(scene.until_heard(two, "2\n"));
  CHECK(scene.until([&] { return journal == "1"; }));
  all.clear();
}

CONTRACT_TEST("S16: a send inside an awaited task is direct, on any executor of the connection") {
  // A send that was posted could not throw.
  bool has_thrown = false;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    co_yield {};
    const auto send = [](Client& to, bool& thrown) -> Task<void> {
      const auto executor = co_await asio::this_coro::executor;
      CHECK(detail::runs_here(executor));
      CHECK(executor != to.executor());
      co_await asio::post(asio::use_awaitable);
      CHECK(detail::runs_here(executor));
      try {
        to.send_packet("a\nb");
      } catch (const Error& error) {
        thrown = error.code() == errc::not_sendable;
      }
    };
    co_await send(client, has_thrown);
    const auto executor = co_await asio::this_coro::executor;
    CHECK(detail::runs_here(executor));
    client.send_packet("done");
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "done\n"));
  CHECK(has_thrown);
}

TEST_CASE("S16: several servers, each on its thread, and a server on a strand of many threads") {
  // For ThreadSanitizer too.
  struct Telling {
    Requests handle(Client& client) {
      const Line line = co_yield {};
      std::string seen = is(client) ? "" : "wrong ";
      const auto ask = [](const Client& to) -> Task<std::string> {
        std::string found;
        for (int i = 0; i < 20; ++i) {
          co_await asio::post(asio::use_awaitable);
          found += is(to) ? "" : "wrong ";
        }
        co_return found;
      };
      seen += co_await ask(client);
      seen += is(client) ? "" : "wrong ";
      client.send_packet(seen + line);
    }
  };
  asio::thread_pool pool(3);
  ServerOptions options;
  options.logger = Logger::silent();
  using Strand = asio::strand<asio::thread_pool::executor_type>;
  std::vector<std::unique_ptr<Server<Lines, Telling>>> servers;
  std::vector<Strand> strands;
  for (int i = 0; i < 3; ++i) {
    strands.push_back(asio::make_strand(pool));
    servers.push_back(std::make_unique<Server<Lines, Telling>>(strands.back(), "127.0.0.1", 0,
                                                               Lines{}, Telling{}, options));
    asio::co_spawn(strands.back(), servers.back()->serve_forever(), asio::detached);
  }
  asio::io_context io;
  std::vector<Guest> guests;
  for (int i = 0; i < 30; ++i) {
    const asio::ip::tcp::endpoint to(asio::ip::address_v4::loopback(),
                                     servers[static_cast<std::size_t>(i % 3)]->port());
    asio::ip::tcp::socket socket(io);
    socket.connect(to);
    guests.emplace_back(AnyTransport(TcpTransport(std::move(socket), to)));
    guests.back().listen();
    guests.back().say("a\nb\nc\nd\n");
  }
  for (const Guest& guest : guests) {
    CHECK(run_until(io, [&] { return guest.has_heard("d\n"); }));
    CHECK(guest.heard() == "a\nb\nc\nd\n");
  }
  for (std::size_t i = 0; i < servers.size(); ++i) {
    asio::post(strands[i], [&server = *servers[i]] { server.close(); });
  }
  for (Guest& guest : guests) {
    guest.close();
  }
  pool.join();
}
