// SPDX-License-Identifier: BSL-1.0
// Peers that are told the same: who belongs to a group, and what a slow reader costs the others.
#include "cowire/peer_group.hpp"

#include "integration/scene.hpp"

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t most = 40'000'000;  // More than the system takes by itself.

// Everybody hears what one says, unless it is a command.
struct Room {
  explicit Room(std::shared_ptr<PeerGroup<Line>> given) : group(std::move(given)) {}

  void on_connection(Client& client) { group->join(client); }
  Requests handle(Client& client) {
    const Line line = co_yield {};
    if (line == "close") {
      client.close();
    } else if (line == "leave") {
      client.send_packet(group->leave(client) ? "left" : "was not there");
    } else if (line == "others") {
      co_await group->broadcast("others", client);
    } else {
      co_await group->broadcast(line);
    }
  }

  std::shared_ptr<PeerGroup<Line>> group;
};

ServerOptions small_queues() {
  ServerOptions options;
  options.limits.output_high = 50'000;
  options.limits.output_low = 10'000;
  options.limits.output_limit = most;
  return options;
}

struct Party {
  explicit Party(Net net, SlowReader slow_reader = SlowReader::wait,
                 const ServerOptions& options = small_queues())
      : group(std::make_shared<PeerGroup<Line>>(slow_reader)), scene(net, Room(group), options) {}

  // One who does not read, and is slow at last.
  Guest deaf_guest() {
    auto guest = scene.silent_guest();
    REQUIRE(scene.until([&] { return group->size() != 0; }));
    return guest;
  }
  // Broadcasts until the condition holds. @returns How many bytes that were.
  template <class Condition>
  std::size_t broadcast_until(Condition condition) {
    const std::string piece(9'999, 'x');
    std::size_t sent = 0;
    while (sent < most && !condition()) {
      in_turn([&] { group->broadcast(piece); });
      sent += piece.size() + 1;
    }
    REQUIRE(condition());
    return sent;
  }
  // Whether what the first guest, who is deaf, did not take has filled its queue.
  bool first_is_slow() {
    bool is_slow = false;
    group->for_each([&](Client& client) {
      CHECK(client.is_slow() == (client.queued() >= 50'000));
      is_slow = is_slow || (client.id() == 1 && client.is_slow());
    });
    return is_slow;
  }
  // Calls from the executor's queue, as all that handlers and tasks do.
  template <class F>
  void in_turn(F call) {
    asio::post(scene.io, call);
    scene.settle();
  }

  std::shared_ptr<PeerGroup<Line>> group;
  Scene<Room> scene;
};

Task<void> send_to(PeerGroup<Line>& group) { co_await group.broadcast("a")(asio::use_awaitable); }
Task<void> send_a(Party& party) { return send_to(*party.group); }

}  // namespace

CONTRACT_TEST("group: all hear, in order, or all but one") {
  Party party(net);
  auto one = party.scene.guest();
  auto two = party.scene.guest();
  auto three = party.scene.guest();
  REQUIRE(party.scene.until([&] { return party.group->size() == 3; }));
  one.say("a\nothers\n");
  CHECK(party.scene.until_heard(two, "a\nothers\n"));
  CHECK(party.scene.until_heard(three, "a\nothers\n"));
  two.say("b\n");
  CHECK(party.scene.until_heard(one, "b\n"));
  CHECK(one.heard() == "a\nb\n");
  CHECK(party.scene.until_heard(three, "b\n"));
  std::vector<std::uint64_t> ids;
  party.group->for_each([&](Client& client) { ids.push_back(client.id()); });
  CHECK(ids == std::vector<std::uint64_t>{1, 2, 3});
}

CONTRACT_TEST("group: a peer leaves by itself, whatever ends its connection") {
  Party party(net);
  auto stays = party.scene.guest();
  auto goes = party.scene.guest();
  REQUIRE(party.scene.until([&] { return party.group->size() == 2; }));
  SUBCASE("the peer leaves") { goes.half_close(); }
  SUBCASE("the peer is reset") { goes.reset(); }
  SUBCASE("its handler closes") { goes.say("close\n"); }
  SUBCASE("somebody closes it") {
    party.in_turn([&] {
      party.group->for_each([](Client& client) { client.id() == 2 ? client.close() : void(); });
      CHECK(party.group->size() == 1);  // At once: nothing can be sent any more.
    });
  }
  SUBCASE("it is silent for too long") {
    stays.say("x\n");
    party.scene.pass(4min);
    stays.say("x\n");
    goes.say("half");
    party.scene.settle();
    party.scene.pass(31s);
  }
  CHECK(party.scene.until([&] { return party.group->size() == 1; }));
  stays.say("alone\n");
  CHECK(party.scene.until_heard(stays, "alone\n"));
  CHECK(party.scene.records.count("", LogLevel::error) == 0);
}

CONTRACT_TEST("group: leaving, joining twice, and joining when it is too late") {
  Party party(net);
  auto one = party.scene.guest();
  auto two = party.scene.guest();
  REQUIRE(party.scene.until([&] { return party.group->size() == 2; }));
  one.say("leave\nleave\n");
  CHECK(party.scene.until_heard(one, "left\nwas not there\n"));
  two.say("a\n");
  CHECK(party.scene.until_heard(two, "a\n"));
  const auto try_all = [&](Client& client) {
    CHECK(party.group->join(client));
    CHECK(party.group->size() == 1);
    CHECK(party.group->contains(client));
    const Client kept = client;
    client.abort();
    CHECK_FALSE(party.group->contains(kept));
    CHECK_FALSE(party.group->join(kept));
  };
  party.in_turn([&] { party.group->for_each(try_all); });
  CHECK(party.group->size() == 0);
  party.in_turn([&] { party.group->broadcast("nobody"); });
  CHECK(party.scene.until_ended(two));
  CHECK(one.heard() == "left\nwas not there\n");
}

CONTRACT_TEST("group: it may change while somebody goes through it") {
  Party party(net);
  std::vector<Guest> guests;
  for (std::size_t i = 0; i < 5; ++i) {
    guests.push_back(party.scene.guest());
    REQUIRE(party.scene.until([&] { return party.group->size() == i + 1; }));
  }
  std::vector<Client> all;
  party.group->for_each([&](Client& client) { all.push_back(client); });
  std::vector<std::uint64_t> visited;
  const auto visit = [&](Client& client) {
    visited.push_back(client.id());
    if (client.id() == 1) {
      party.group->leave(all[1]);
      party.group->leave(client);
      all[2].abort();
      party.group->join(client);  // As the last one, too late to be visited.
    }
    party.group->broadcast(std::to_string(client.id()));
  };
  party.in_turn([&] { party.group->for_each(visit); });
  CHECK(visited == std::vector<std::uint64_t>{1, 4, 5});
  CHECK(party.group->size() == 3);
  CHECK(party.scene.until_heard(guests[3], "1\n4\n5\n"));
  CHECK(party.scene.until_heard(guests[0], "1\n4\n5\n"));
  CHECK(guests[1].heard().empty());
  all.clear();
}

CONTRACT_TEST("group: what cannot be sent is thrown, and nobody else is disturbed by anybody") {
  Party party(net);
  auto one = party.scene.guest();
  auto two = party.scene.guest();
  REQUIRE(party.scene.until([&] { return party.group->size() == 2; }));
  one.reset();
  asio::post(party.scene.io, [&] {  // The server may have seen it or not.
    CHECK_THROWS_AS(party.group->broadcast("two\nlines"), Error);
    party.group->broadcast("a");
    party.group->broadcast("b");
  });
  CHECK(party.scene.until_heard(two, "a\nb\n"));
  CHECK(party.scene.until([&] { return party.group->size() == 1; }));
}

CONTRACT_TEST("group: wait: an awaited broadcast waits for the slowest, and loses nothing") {
  Party party(net);
  auto slow = party.deaf_guest();
  auto fast = party.scene.guest();
  REQUIRE(party.scene.until([&] { return party.group->size() == 2; }));
  const std::size_t much = party.broadcast_until([&] { return party.first_is_slow(); });
  CHECK(party.scene.until([&] { return fast.heard().size() == much; }));
  std::optional<std::error_code> done;
  std::shared_ptr<Outcome> task;
  SUBCASE("in a generator") {
    fast.say("a\nb\n");
    CHECK(party.scene.until_heard(fast, "a\n"));
    party.scene.settle();
    CHECK_FALSE(fast.has_heard("b\n"));  // Its handler waits for the other peer.
    slow.listen();
    CHECK(party.scene.until_heard(fast, "b\n"));
  }
  SUBCASE("in a task") {
    task = spawn(party.scene.io, send_a(party));
    party.scene.settle();
    CHECK_FALSE(task->done);
    slow.listen();
    CHECK(party.scene.until([&] { return task->succeeded(); }));
  }
  SUBCASE("by a callback") {
    party.in_turn([&] { party.group->broadcast("a")([&](std::error_code ec) { done = ec; }); });
    CHECK_FALSE(done);
    slow.listen();
    CHECK(party.scene.until([&] { return done.has_value(); }));
    CHECK(*done == std::error_code());
  }
  CHECK(party.scene.until_heard(slow, "a\n"));
  CHECK(slow.heard().size() >= much + 2);
  CHECK(party.group->dropped() + party.group->closed() == 0);
}

CONTRACT_TEST("group: wait: whoever stops the wait does not stop the broadcast") {
  Party party(net);
  auto slow = party.deaf_guest();
  auto fast = party.scene.guest();
  REQUIRE(party.scene.until([&] { return party.group->size() == 2; }));
  const std::size_t much = party.broadcast_until([&] { return party.first_is_slow(); });
  CHECK(party.scene.until([&] { return fast.heard().size() == much; }));
  const auto task = spawn(party.scene.io, send_a(party));
  fast.say("b\nc\n");
  CHECK(party.scene.until_heard(fast, "b\n"));
  party.scene.settle();
  CHECK_FALSE(task->done);
  SUBCASE("the dead peer is given up") {
    party.scene.pass(30s);
    CHECK(task->succeeded());
    CHECK(party.scene.until_heard(fast, "c\n"));
    CHECK(party.group->size() == 1);
  }
  SUBCASE("the peer is reset") {
    slow.reset();
    CHECK(party.scene.until([&] { return task->succeeded(); }));
    CHECK(party.scene.until_heard(fast, "c\n"));
  }
  SUBCASE("it is cancelled") {
    task->cancel.emit(asio::cancellation_type::terminal);
    party.scene.settle();
    CHECK(task->code() == asio::error::operation_aborted);
    slow.listen();
    CHECK(party.scene.until_heard(slow, "\na\nb\nc\n"));
  }
  SUBCASE("the server shuts down") {
    party.scene.server.request_shutdown();
    party.scene.pass(1min);
    CHECK(party.scene.serving->done);
    CHECK(task->done);
    CHECK(party.group->size() == 0);
  }
  SUBCASE("the server is destroyed") { const auto gone = std::move(party.scene.server); }
}

CONTRACT_TEST("group: drop: a slow reader misses packets, and is told again when it has read") {
  Party party(net, SlowReader::drop);
  auto slow = party.deaf_guest();
  auto fast = party.scene.guest();
  REQUIRE(party.scene.until([&] { return party.group->size() == 2; }));
  const std::size_t much = party.broadcast_until([&] { return party.group->dropped() == 50; });
  fast.say("end\n");
  CHECK(party.scene.until_heard(fast, "end\n"));
  CHECK(fast.heard().size() == much + 4);
  const auto dropped = party.group->dropped();
  CHECK(dropped > 1);
  slow.listen();
  const std::size_t expected = much - (static_cast<std::size_t>(dropped) - 1) * 10'000;
  CHECK(party.scene.until([&] { return slow.heard().size() == expected; }));
  fast.say("again\n");
  CHECK(party.scene.until_heard(slow, "again\n"));
  CHECK(slow.heard().size() == expected + 6);
  CHECK(party.group->closed() == 0);
}

CONTRACT_TEST("group: close: a slow reader is cut off, others notice nothing") {
  Party party(net, SlowReader::close);
  auto slow = party.deaf_guest();
  auto fast = party.scene.guest();
  REQUIRE(party.scene.until([&] { return party.group->size() == 2; }));
  const std::size_t much = party.broadcast_until([&] { return party.group->closed() != 0; });
  CHECK(party.scene.until([&] { return fast.heard().size() == much; }));
  CHECK(party.group->size() == 1);
  CHECK(party.group->closed() == 1);
  CHECK(party.group->dropped() == 0);
  slow.listen();
  CHECK(party.scene.until_ended(slow));
  CHECK(slow.heard().size() < much);
  CHECK(party.scene.until([&] { return party.scene.server.connections() == 1; }));
}

CONTRACT_TEST("group: a handler that has one goes with its server") {
  struct Keeper {
    std::shared_ptr<int> life;
    PeerGroup<Line> group{};

    void on_connection(Client& client) { group.join(client); }
    Requests handle(Client&) {
      const Line line = co_yield {};
      co_await group.broadcast(line);
    }
  };
  const auto life = std::make_shared<int>();
  {
    Scene<Keeper> scene(net, Keeper{life});
    auto one = scene.guest();
    auto two = scene.guest();
    one.say("hello\n");
    CHECK(scene.until_heard(two, "hello\n"));
    SUBCASE("with its peers") {}
    SUBCASE("before them") { const auto gone = std::move(scene.server); }
    SUBCASE("when they have left") {
      one.close();
      two.reset();
      CHECK(scene.until_empty());
    }
  }
  CHECK(life.use_count() == 1);
}

TEST_CASE("group: a group that nobody has joined") {
  asio::io_context io;
  PeerGroup<Line> group;
  const auto task = spawn(io, send_to(group));
  settle(io);
  CHECK(task->succeeded());
}
