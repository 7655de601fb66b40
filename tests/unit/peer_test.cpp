// SPDX-License-Identifier: BSL-1.0
#include "cowire/peer.hpp"

#include "support/memory_server.hpp"
#include "support/thrown.hpp"

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

/// A server whose handler keeps a copy of its last peer.
struct Keeper {
  Keeper() : test(script()) {
    serving = test.serve();
    guest.emplace(test.guest());
    REQUIRE(peer);
  }

  Script script() {
    Script made;
    made.hello = [this](Client& client) -> Task<void> {
      peer.emplace(client);
      co_return;
    };
    return made;
  }

  /// What a send throws, in the server's turn.
  std::error_code refused() {
    std::error_code code;
    in_turn([&] {
      const auto error = thrown([&] { peer->send_packet("x"); });
      code = error ? error->code() : std::error_code();
    });
    return code;
  }
  void in_turn(const std::function<void()>& call) {
    asio::post(test.io, call);
    test.settle();
  }

  MemoryServer test;
  std::optional<Client> peer;
  std::optional<Guest> guest;
  std::shared_ptr<Outcome> serving;
};

}  // namespace

TEST_CASE("a copy of a peer sends from elsewhere while the connection is open") {
  Keeper keeper;
  CHECK(keeper.peer->id() == 1);
  CHECK(keeper.peer->remote_endpoint() == Endpoint{"memory-a", 0});
  CHECK(keeper.peer->local_endpoint() == Endpoint{"memory-b", 0});
  CHECK(keeper.peer->native_handle() == -1);
  CHECK(keeper.peer->executor() == asio::any_io_executor(keeper.test.io.get_executor()));
  CHECK_FALSE(keeper.peer->is_closing());
  keeper.in_turn([&] { keeper.peer->send_packet("news"); });
  CHECK(keeper.guest->heard() == "news\n");
}

TEST_CASE("H14: what several tasks send keeps its order") {
  Keeper keeper;
  keeper.in_turn([&] {
    keeper.peer->send_packet("1");
    keeper.peer->send_packet("2");
  });
  keeper.in_turn([&] { keeper.peer->send_packet("3"); });
  CHECK(keeper.guest->heard() == "1\n2\n3\n");
}

TEST_CASE("a copy that outlives the connection: sends say what ended it") {
  Keeper keeper;
  SUBCASE("closed by the server's side") {
    keeper.in_turn([&] { keeper.peer->close(); });
    CHECK(keeper.peer->is_closing());
    CHECK(keeper.refused() == errc::closed);
    keeper.guest->close();
    keeper.test.settle();
    CHECK(keeper.refused() == errc::closed);
  }
  SUBCASE("aborted") {
    keeper.in_turn([&] { keeper.peer->abort(); });
    CHECK(keeper.refused() == errc::closed);
    CHECK(keeper.guest->ended() == asio::error::connection_reset);
  }
  SUBCASE("the guest has left") {
    keeper.guest->close();
    keeper.test.settle();
    CHECK(keeper.refused() == errc::closed);
  }
  SUBCASE("the guest has gone with a reset") {
    keeper.guest->reset();
    keeper.test.settle();
    CHECK(keeper.refused() == condition::disconnected);
  }
  SUBCASE("the server has been shut down") {
    keeper.test.run(keeper.test->shutdown());
    keeper.guest->close();
    keeper.test.settle();
    CHECK(keeper.refused() == errc::closed);
  }
  SUBCASE("the server is gone") {
    keeper.test.server.reset();
    keeper.test.settle();
    CHECK(keeper.refused() == errc::closed);
  }
  CHECK(keeper.peer->is_closing());
  CHECK(keeper.peer->id() == 1);
  CHECK(keeper.peer->remote_endpoint() == Endpoint{"memory-a", 0});
  std::optional<std::error_code> flushed;
  keeper.in_turn([&] { keeper.peer->flush()([&](std::error_code ec) { flushed = ec; }); });
  CHECK(flushed == condition::disconnected);
  keeper.in_turn([&] {
    keeper.peer->close();
    keeper.peer->abort();
  });
  CHECK(keeper.test.records.complaints().empty());
}

TEST_CASE("sends from other threads keep the order of each, and none is lost while it is open") {
  Keeper keeper;
  auto work = asio::make_work_guard(keeper.test.io);
  constexpr int each = 500;
  std::vector<std::thread> senders;
  for (const char* name : {"a", "b", "c"}) {
    senders.emplace_back([peer = *keeper.peer, name]() mutable {
      for (int i = 0; i < each; ++i) {
        peer.send_packet(name + std::to_string(i));
      }
    });
  }
  const auto heard = [&] {
    const std::string& all = keeper.guest->heard();
    return std::count(all.begin(), all.end(), '\n');
  };
  CHECK(run_until(keeper.test.io, [&] { return heard() == 3 * each; }));
  for (std::thread& sender : senders) {
    sender.join();
  }
  std::string expected[3];
  std::string got[3];
  std::string line;
  for (int i = 0; i < each; ++i) {
    for (int name = 0; name < 3; ++name) {
      expected[name] += std::string(1, static_cast<char>('a' + name)) + std::to_string(i) + "\n";
    }
  }
  for (char c : keeper.guest->heard()) {
    line += c;
    if (c == '\n') {
      got[line.front() - 'a'] += line;
      line.clear();
    }
  }
  for (int name = 0; name < 3; ++name) {
    CHECK(got[name] == expected[name]);
  }
}

TEST_CASE("sends, close and abort from other threads while the connection ends") {
  // For ThreadSanitizer. Whatever comes first: sends end with closed, and nothing breaks.
  for (const bool aborts : {false, true}) {
    Keeper keeper;
    auto work = asio::make_work_guard(keeper.test.io);
    std::atomic<int> refused = 0;
    std::vector<std::thread> senders;
    for (int i = 0; i < 3; ++i) {
      senders.emplace_back([peer = *keeper.peer, i, aborts, &refused]() mutable {
        try {
          for (int sent = 0;; ++sent) {
            peer.send_packet("news");
            if (i == 0 && sent == 200) {
              aborts ? peer.abort() : peer.close();
            }
          }
        } catch (const Error& error) {
          refused += error.code() == errc::closed ? 1 : 0;
        }
        CHECK(peer.is_closing());
      });
    }
    CHECK(run_until(keeper.test.io, [&] { return refused == 3; }));
    for (std::thread& sender : senders) {
      sender.join();
    }
    keeper.guest->close();
    keeper.test.settle();
    CHECK(keeper.test.records.complaints().empty());
  }
}
