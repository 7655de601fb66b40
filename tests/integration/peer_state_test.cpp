// SPDX-License-Identifier: BSL-1.0
// The state of a peer, which its handler declares: how long it lives, and who is given it.
#include "cowire/handler.hpp"
#include "integration/scene.hpp"

#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

std::string journal;  // of the running test; the states write into it when they are destroyed
bool made_by_throwing = false;

struct Noted {
  Noted() {
    if (made_by_throwing) {
      throw std::runtime_error("no state");
    }
    journal += "made ";
  }
  Noted(const Noted&) = delete;
  Noted& operator=(const Noted&) = delete;
  ~Noted() { journal += "gone:" + name + " "; }

  std::string name = "?";
  int requests = 0;
};

// Waits for what does not come, and cannot be cancelled.
Task<void> wait_stubbornly(asio::any_io_executor executor) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await wait_on(executor, 1h);
}

// Each hook takes the state.
struct Counting {
  using PeerState = Noted;

  void on_connection(Client&, PeerState& state) {
    journal += "hello ";
    state.name = "peer";
  }
  Requests handle(Client& client, PeerState& state) {
    const Line line = co_yield {};
    client.send_packet(line + std::to_string(++state.requests));
    if (line == "throw") {
      throw std::runtime_error("as told");
    }
    if (line == "close") {
      client.close();
    }
    if (line == "wait") {
      co_await wait_stubbornly(client.executor());
    }
  }
  Task<void> on_disconnection(Client& client, PeerState& state) {
    journal += "bye:" + std::to_string(state.requests) + " ";
    if (!client.is_closing()) {
      client.send_packet("bye");
    }
    co_await wait_on(client.executor(), 1s);
    journal += "said:" + state.name + " ";
  }
};

// Only some take it; on_connection is a generator.
struct Login {
  struct PeerState {
    std::string name;
    std::string said = {};
  };

  Requests on_connection(Client& client, PeerState& state) {
    client.send_packet("name?");
    state.name = co_yield {};
  }
  Requests handle(Client& client, PeerState& state) {
    const Line line = co_yield {};
    state.said += line;
    client.send_packet(state.name + ": " + state.said);
  }
  void on_disconnection(Client&) { journal += "bye "; }
};

// handle does not take it.
struct OnlyInHooks {
  using PeerState = Noted;

  Task<void> on_connection(Client& client, PeerState& state) {
    state.name = "set";
    if (stubborn) {
      co_await wait_stubbornly(client.executor());
    }
    journal += "after:" + state.name + " ";
  }
  Requests handle(Client& client) {
    const Line line = co_yield {};
    client.send_packet(line);
  }
  void on_disconnection(Client&, const PeerState& state) { journal += "bye:" + state.name + " "; }

  bool stubborn = false;
};

// A function object.
struct Adding {
  struct PeerState {
    int sum = 0;
  };
  Requests operator()(Client& client, PeerState& state) const {
    const Line line = co_yield {};
    state.sum += std::stoi(line);
    client.send_packet(std::to_string(state.sum));
  }
};

struct Stateless {
  Requests handle(Client&) { co_yield {}; }
};
struct Big {
  struct PeerState {
    char bytes[4096] = {};
  };
  Requests handle(Client&, PeerState&) { co_yield {}; }
};

template <class H>
using SessionOf = detail::Session<Lines, H, TcpTransport, ManualClock>;
static_assert(std::is_empty_v<detail::PeerStateOf<Stateless>>);
static_assert(sizeof(SessionOf<Big>) >= sizeof(SessionOf<Stateless>) + sizeof(Big::PeerState));

void begin_test() {
  journal.clear();
  made_by_throwing = false;
}

}  // namespace

CONTRACT_TEST("state: made before on_connection, kept from generator to generator") {
  begin_test();
  Scene<Counting> scene(net);
  auto one = scene.guest();
  CHECK(scene.until([] { return journal == "made hello "; }));
  auto two = scene.guest();
  CHECK(scene.until([] { return journal == "made hello made hello "; }));
  one.say("a\nb\n");
  CHECK(scene.until_heard(one, "a1\nb2\n"));
  two.say("c\n");
  CHECK(scene.until_heard(two, "c1\n"));
  one.say("d\n");
  CHECK(scene.until_heard(one, "d3\n"));
}

CONTRACT_TEST("state: destroyed when on_disconnection has ended, whatever ends the connection") {
  begin_test();
  Scene<Counting> scene(net);
  std::optional<Client> kept;
  auto guest = scene.guest();
  CHECK(scene.until([] { return journal == "made hello "; }));
  journal.clear();
  SUBCASE("the peer leaves") { guest.half_close(); }
  SUBCASE("the peer is reset") { guest.reset(); }
  SUBCASE("the handler throws") { guest.say("throw\n"); }
  SUBCASE("the handler closes") { guest.say("close\n"); }
  SUBCASE("the server shuts down") { scene.server.request_shutdown(1h); }
  CHECK(scene.until([] { return journal.starts_with("bye:"); }));
  scene.settle();
  CHECK(journal.find("gone") == std::string::npos);
  scene.pass(1s);
  CHECK(journal.ends_with(" said:peer gone:peer "));
}

CONTRACT_TEST("state: destroyed before the connection has sent all, also if the Peer is kept") {
  begin_test();
  std::optional<Client> kept;
  struct Keeping {
    using PeerState = Noted;
    std::optional<Client>* kept;
    Requests handle(Client& client, PeerState&) {
      kept->emplace(client);
      co_yield {};
      for (int i = 0; i < 1000; ++i) {  // More than the system takes.
        client.send_packet(std::string(19'999, 'x'));
      }
      client.close();
    }
  };
  ServerOptions options;
  options.limits.output_limit = 40'000'000;
  Scene<Keeping> scene(net, Keeping{&kept}, options);
  auto guest = scene.silent_guest();
  guest.say("x\n");
  CHECK(scene.until([] { return journal == "made gone:? "; }));
  CHECK(scene.server.connections() == 1);
  guest.listen();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard().size() == 20'000'000);
  kept.reset();
}

CONTRACT_TEST("state: a generator of on_connection fills it, not every hook need take it") {
  begin_test();
  Scene<Login> scene(net);
  auto guest = scene.guest();
  guest.say("ann\none \ntwo\n");
  CHECK(scene.until_heard(guest, "name?\nann: one \nann: one two\n"));
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(scene.until([] { return journal == "bye "; }));
}

CONTRACT_TEST("state: handle need not take it") {
  begin_test();
  Scene<OnlyInHooks> scene(net);
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "a\n"));
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  CHECK(journal == "made after:set bye:set gone:set ");
}

CONTRACT_TEST("state: a function object may take it") {
  Scene<Adding> scene(net);
  auto guest = scene.guest();
  guest.say("1\n2\n3\n");
  CHECK(scene.until_heard(guest, "1\n3\n6\n"));
}

CONTRACT_TEST("state: a constructor that throws costs that peer its connection") {
  begin_test();
  Scene<Counting> scene(net);
  made_by_throwing = true;
  Guest first(scene.door.connect_silently());
  first.listen();
  CHECK(scene.until_ended(first));
  CHECK(scene.records.count("no state", LogLevel::error) == 1);
  made_by_throwing = false;
  auto second = scene.guest();
  second.say("a\n");
  CHECK(scene.until_heard(second, "a1\n"));
}

CONTRACT_TEST("state: of a generator that cannot be cancelled, destroyed after it") {
  begin_test();
  std::optional<Scene<Counting>> scene(std::in_place, net);
  std::optional<Guest> guest(scene->guest());
  guest->say("wait\n");
  CHECK(scene->until_heard(*guest, "wait1\n"));
  journal.clear();
  SUBCASE("when it has ended") {
    scene->server.request_shutdown();
    scene->pass(1min);
    CHECK(scene->serving->done);
    CHECK(journal.empty());  // The generator is still there, and may use it.
    scene->pass(1h);
    CHECK(journal == "gone:peer ");
  }
  SUBCASE("with its execution context") {
    guest.reset();
    scene.reset();
    CHECK(journal == "gone:peer ");
  }
}

CONTRACT_TEST("state: of a hook that cannot be cancelled, destroyed after it") {
  begin_test();
  std::optional<Scene<OnlyInHooks>> scene(std::in_place, net, OnlyInHooks{true});
  std::optional<Guest> guest(scene->guest());
  CHECK(scene->until([] { return journal == "made "; }));
  journal.clear();
  SUBCASE("when it has ended") {
    scene->server.request_shutdown();
    scene->pass(1min);
    CHECK(scene->serving->done);
    CHECK(journal.empty());
    scene->pass(1h);
    CHECK(journal == "after:set gone:set ");
  }
  SUBCASE("when it has ended, after the server") {
    auto server = std::move(scene->server);
    {
      const auto gone = std::move(server);
    }
    scene->settle();
    CHECK(journal.empty());
    scene->pass(1h);
    CHECK(journal == "after:set gone:set ");
  }
  SUBCASE("with its execution context") {
    guest.reset();
    scene.reset();
    CHECK(journal == "gone:set ");
  }
}
