// SPDX-License-Identifier: BSL-1.0
// The handler contract: back-pressure. (H15, B)
#include "cowire/connection.hpp"
#include "integration/scene.hpp"

#include <asio/post.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <thread>

using namespace cowire;

namespace {

constexpr std::size_t many = 40'000'000;  // More than the kernel takes by itself.

}  // namespace

CONTRACT_TEST("B2: no further request while the peer does not take its answers") {
  std::size_t handled = 0;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Line line = co_yield {};
    ++handled;
    client.send_packet(line + std::string(20'000, 'x'));
  };
  ServerOptions options;
  options.limits.output_high = 50'000;
  options.limits.output_low = 10'000;
  Scene<> scene(net, script, options);
  auto guest = scene.silent_guest();
  const std::size_t requests = many / 20'000;
  std::string said;
  for (std::size_t i = 0; i < requests; ++i) {
    said += std::to_string(i % 10) + "\n";
  }
  guest.say(said);
  guest.half_close();
  scene.settle();
  CHECK(handled > 0);
  CHECK(handled < requests / 2);
  auto other = scene.guest();  // Others do not notice.
  other.say("a\n");
  CHECK(scene.until_heard(other, "a"));
  CHECK(guest.heard() == "");
  guest.listen();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard().size() == requests * 20'002);
  CHECK(guest.ended_cleanly());
  CHECK(handled == requests + 1);
}

CONTRACT_TEST("H15: an awaited send waits while the queue is above its mark") {
  std::size_t sent = 0;
  Script<> script;
  SUBCASE("in a generator") {
    script.talk = [&](Client& client) -> Requests {
      co_yield {};
      const std::string piece(9'999, 'x');
      for (sent = 0; sent < many; sent += piece.size() + 1) {
        co_await client.send_packet(piece);
      }
    };
  }
  SUBCASE("in a task") {
    script.talk = [&](Client& client) -> Requests {
      co_yield {};
      co_await [](Client& to, std::size_t& count) -> Task<void> {
        const std::string piece(9'999, 'x');
        for (count = 0; count < many; count += piece.size() + 1) {
          co_await to.send_packet(piece)(asio::use_awaitable);
        }
      }(client, sent);
    };
  }
  SUBCASE("by drain") {
    script.talk = [&](Client& client) -> Requests {
      co_yield {};
      const std::string piece(9'999, 'x');
      for (sent = 0; sent < many; sent += piece.size() + 1) {
        client.send_packet(piece);
        co_await client.drain();
      }
    };
  }
  ServerOptions options;
  options.limits.output_limit = 100'000;  // Would be exceeded by sends that do not wait.
  Scene<> scene(net, script, options);
  auto guest = scene.silent_guest();
  guest.say("go\n");
  guest.half_close();
  scene.settle();
  CHECK(sent > 0);
  CHECK(sent < many / 2);
  guest.listen();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard().size() == many);
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("H15: flush() waits until the transport has taken everything") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    co_yield {};
    client.send_packet("small");
    co_await client.flush();
    journal += "small ";
    for (std::size_t sent = 0; sent < many; sent += 60'001) {
      client.send_packet(std::string(60'000, 'x'));
    }
    co_await client.flush();
    journal += "large";
  };
  ServerOptions options;
  options.limits.output_limit = 2 * many;
  Scene<> scene(net, script, options);
  auto guest = scene.silent_guest();
  guest.say("go\n");
  CHECK(scene.until([&] { return journal == "small "; }));
  scene.settle();
  CHECK(journal == "small ");
  guest.listen();
  CHECK(scene.until([&] { return journal == "small large"; }));
}

CONTRACT_TEST("H15: who waits for a queue is told when the peer leaves") {
  std::string journal;
  Script<> script;
  SUBCASE("in a generator") {
    script.talk = [&](Client& client) -> Requests {
      co_yield {};
      try {
        while (true) {
          co_await client.send_packet(std::string(60'000, 'x'));
        }
      } catch (const Error& error) {
        journal += error.code() == condition::disconnected ? "gone" : error.what();
      }
    };
  }
  SUBCASE("in a task") {
    script.talk = [&](Client& client) -> Requests {
      co_yield {};
      co_await [](Client& to, std::string& to_note) -> Task<void> {
        try {
          while (true) {
            co_await to.send_packet(std::string(60'000, 'x'))(asio::use_awaitable);
          }
        } catch (const std::system_error& error) {
          to_note += error.code() == condition::disconnected ? "gone" : error.what();
        }
      }(client, journal);
    };
  }
  for (const bool by_reset : {true, false}) {
    CAPTURE(by_reset);
    journal.clear();
    Scene<> scene(net, script);
    auto guest = scene.silent_guest();
    guest.say("go\n");
    scene.settle();
    CHECK(journal == "");
    by_reset ? guest.reset() : guest.close();
    CHECK(scene.until_empty());
    CHECK(journal == "gone");
    CHECK(scene.records.complaints() == "");
  }
}

CONTRACT_TEST("B5: a peer that never reads is dropped at the output limit, and the log says why") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Farewell farewell(journal, "destroyed ");
    co_yield {};
    while (true) {
      client.send_packet(std::string(60'000, 'x'));
    }
  };
  script.bye = [&](Client& client) -> Task<void> {
    journal += client.is_closing() ? "closing " : "open ";
    try {
      client.send_packet("bye");
      journal += "sent";
    } catch (const Error& error) {
      journal += error.code() == errc::output_limit ? "limit" : error.what();
    }
    co_return;
  };
  ServerOptions options;
  options.limits.output_limit = 1'000'000;
  Scene<> scene(net, script, options);
  auto guest = scene.silent_guest();
  guest.say("go\n");
  CHECK(scene.until([&] { return journal != ""; }));
  CHECK(scene.until_empty());
  CHECK(journal == "destroyed open limit");
  CHECK(scene.records.count("the output queue is full", LogLevel::error) == 1);
  CHECK(scene.records.count("limit 1000000 bytes", LogLevel::error) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
  auto other = scene.guest();
  other.close();
}

CONTRACT_TEST("B5: the output limit, reached by others than the handler, ends its generator") {
  std::optional<Client> peer;
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const Farewell farewell(journal, "destroyed");
    peer.emplace(client);
    co_yield {};
  };
  ServerOptions options;
  options.limits.output_limit = 1'000'000;
  Scene<> scene(net, script, options);
  auto guest = scene.silent_guest();
  CHECK(scene.until([&] { return peer.has_value(); }));
  const auto flood = [&] {
    try {
      while (true) {
        peer->send_packet(std::string(60'000, 'x'));
      }
    } catch (const Error& error) {
      CHECK(error.code() == errc::output_limit);
    }
  };
  SUBCASE("a task") { asio::post(scene.io, flood); }
  SUBCASE("a thread") { std::thread(flood).join(); }
  CHECK(scene.until_empty());
  CHECK(journal == "destroyed");
  CHECK(scene.records.count("the output queue is full", LogLevel::warning) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}
