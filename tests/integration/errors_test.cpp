// SPDX-License-Identifier: BSL-1.0
// The handler contract: what leaves a handler, and the log. (E1-E8)
#include "cowire/error.hpp"
#include "integration/scene.hpp"

#include <asio/error.hpp>

#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>

using namespace cowire;

namespace {

Lines short_lines() { return Lines(LineSerializer(LineOptions{.limit = 8})); }

// Every other peer, and the next ones, are served as if nothing had happened.
template <class Scene>
void check_others_are_served(Scene& scene, Guest& other) {
  other.say("other\n");
  CHECK(scene.until_heard(other, "other\n"));
  auto next = scene.guest();
  next.say("next\n");
  CHECK(scene.until_heard(next, "next\n"));
}

// Answers by echo, and breaks at "break".
template <class Break>
std::function<Requests(Client&)> echo_or(Break breaks) {
  return [breaks](Client& client) -> Requests {
    const Line line = co_yield {};
    if (line == "break") {
      breaks(client);
    }
    client.send_packet(line);
  };
}

}  // namespace

CONTRACT_TEST("E1: a bad packet is thrown at the yield; the stream goes on behind it") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    while (true) {
      Line answer;
      try {
        const Line line = co_yield {};
        answer = line;
      } catch (const Error& error) {
        CHECK(error.code() == condition::bad_peer);
        CHECK(error.code() == condition::usable);
        CHECK(error.context().peer != "");
        CHECK(error.context().first_bytes.substr(0, 6) == "so lon");
        answer = error.code() == errc::too_large ? "too long" : "?";
      }
      client.send_packet(answer);
    }
  };
  Scene<> scene(net, script, {}, short_lines());
  auto guest = scene.guest();
  guest.say("a\nso long that it is bad\nb\n");
  CHECK(scene.until_heard(guest, "b\n"));
  CHECK(guest.heard() == "a\ntoo long\nb\n");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("E1: as_result gives a bad packet as a value, to be answered") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    const Received line = co_yield as_result;
    if (!line) {
      client.send_packet(line.error().code() == errc::too_large ? "too long" : "?");
      co_await client.drain();  // What a catch block could not do.
      co_return;
    }
    client.send_packet(*line);
  };
  Scene<> scene(net, script, {}, short_lines());
  auto guest = scene.guest();
  guest.say("a\nso long that it is bad\nb\n");
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "a\ntoo long\nb\n");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("E2: a bad packet that the handler does not catch costs the connection") {
  Scene<> scene(net, {}, {}, short_lines());
  auto other = scene.guest();
  auto guest = scene.guest();
  guest.say("a\nso long that it is bad\nb\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "a\n");
  CHECK(scene.records.count("Exception occurred during processing of request", LogLevel::error) ==
        1);
  CHECK(scene.records.count("limit 8 bytes", LogLevel::error) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
  check_others_are_served(scene, other);
}

CONTRACT_TEST("E3: an exception out of handle is one record, which says whose it was") {
  Script<> script;
  script.talk = echo_or([](Client&) { throw std::runtime_error("a bug"); });
  Scene<> scene(net, script);
  auto other = scene.guest();
  auto guest = scene.guest();
  guest.say("a\nbreak\nb\n");
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "a\n");
  CHECK(guest.ended_cleanly() != has_reset(net));
  CHECK(scene.until([&] { return scene.server.connections() == 1; }));
  CHECK(scene.records.count("connection 2, packet 2): a bug", LogLevel::error) == 1);
  CHECK(scene.records.count("disconnected (peer") == 1);
  CHECK(scene.records.position("a bug") < scene.records.position("disconnected (peer"));
  CHECK(scene.records.count("", LogLevel::warning) == 1);
  check_others_are_served(scene, other);
}

CONTRACT_TEST("E3: handle itself may throw, before it makes a generator") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    if (client.id() == 1) {
      throw std::runtime_error("no generator");
    }
    return Script<>::echo(client);
  };
  script.bye = [](Client& client) -> Task<void> {
    client.send_packet("sorry");
    co_return;
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  CHECK(scene.until_ended(guest));
  CHECK(guest.heard() == "sorry\n");
  CHECK(scene.until_empty());
  CHECK(scene.records.count("no generator", LogLevel::error) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
  auto next = scene.guest();
  next.say("next\n");
  CHECK(scene.until_heard(next, "next\n"));
}

CONTRACT_TEST("E3: an exception out of on_disconnection is one record") {
  Script<> script;
  script.bye = [](Client& client) -> Task<void> {
    if (client.id() == 1) {
      throw std::runtime_error("a bug at the end");
    }
    co_return;
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  CHECK(scene.records.count("a bug at the end", LogLevel::error) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
  CHECK(scene.records.count("disconnected (peer", LogLevel::info) == 1);
}

CONTRACT_TEST("E4: a system error that is no lost connection is an error like any other") {
  Script<> script;
  SUBCASE("a file") {
    script.talk = echo_or([](Client&) {
      throw std::system_error(make_error_code(std::errc::no_such_file_or_directory));
    });
  }
  SUBCASE("a connection of the handler's own is refused") {
    script.talk =
        echo_or([](Client&) { throw std::system_error(asio::error::connection_refused); });
  }
  SUBCASE("a time limit that the handler does not catch") {
    script.talk = echo_or([](Client&) { throw Error(errc::timeout); });
  }
  SUBCASE("a cancellation, when nothing is cancelled") {
    script.talk = echo_or([](Client&) { throw std::system_error(asio::error::operation_aborted); });
  }
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("break\n");
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  CHECK(scene.records.count("Exception occurred during processing of request", LogLevel::error) ==
        1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}

CONTRACT_TEST("E5: a lost connection out of the handler is no complaint") {
  Script<> script;
  SUBCASE("reset, by Asio") {
    script.talk = echo_or([](Client&) { throw std::system_error(asio::error::connection_reset); });
  }
  SUBCASE("aborted, by std") {
    script.talk = echo_or(
        [](Client&) { throw std::system_error(make_error_code(std::errc::connection_aborted)); });
  }
  SUBCASE("broken pipe") {
    script.talk = echo_or([](Client&) { throw std::system_error(asio::error::broken_pipe); });
  }
  SUBCASE("timed out") {
    script.talk = echo_or([](Client&) { throw std::system_error(asio::error::timed_out); });
  }
  SUBCASE("unreachable") {
    script.talk = echo_or([](Client&) { throw std::system_error(asio::error::host_unreachable); });
  }
  SUBCASE("of cowire") {
    script.talk = echo_or([](Client&) { throw Error(errc::end_of_stream); });
  }
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("break\n");
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  CHECK(scene.records.complaints() == "");
  CHECK(scene.records.count("the handler was ended by", LogLevel::debug) == 1);
}

CONTRACT_TEST("E5: the peer's reset, found out by a send, is no complaint") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    const Line line = co_yield {};
    while (true) {
      co_await client.send_packet(line);
      co_await wait_on(client.executor(), std::chrono::seconds(1));
    }
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("again\n");
  CHECK(scene.until_heard(guest, "again\n"));
  guest.reset();
  for (int i = 0; i < 100 && scene.server.connections() != 0; ++i) {
    scene.pass(std::chrono::seconds(1));
  }
  CHECK(scene.server.connections() == 0);
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("E6: use of a closed client out of the handler is one warning") {
  Script<> script;
  script.talk = echo_or([](Client& client) { client.close(); });
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("break\nb\n");
  CHECK(scene.until_ended(guest));
  guest.half_close();
  CHECK(scene.until_empty());
  CHECK(scene.records.count("There have been attempts to do operation on closed client",
                            LogLevel::warning) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}

CONTRACT_TEST("E8: a lost connection out of on_disconnection is one warning") {
  Script<> script;
  SUBCASE("thrown by the system") {
    script.bye = [](Client&) -> Task<void> {
      throw std::system_error(asio::error::connection_reset);
      co_return;
    };
  }
  SUBCASE("thrown by a send to a peer that has reset") {
    script.bye = [](Client& client) -> Task<void> {
      for (int i = 0; i < 10; ++i) {
        client.send_packet("bye");
        co_await client.flush()(asio::use_awaitable);
      }
    };
  }
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "a\n"));
  guest.reset();
  CHECK(scene.until_empty());
  CHECK(scene.records.count("Connection error raised in on_disconnection()", LogLevel::warning) ==
        1);
  CHECK(scene.records.all()[scene.records.position("raised in on_disconnection()")].has_error);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}
