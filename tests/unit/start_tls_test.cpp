// SPDX-License-Identifier: BSL-1.0
// Connections that begin without TLS and go on with it.
#include "cowire/transports/start_tls.hpp"

#include "support/memory_client.hpp"
#include "support/raw_end.hpp"
#include "support/thrown.hpp"
#include "support/tls_server.hpp"

#include <asio/cancellation_type.hpp>
#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

using namespace cowire;
using namespace std::chrono_literals;
using cowire::testing::ManualClock;

namespace {

using Later = StartTlsConnector<Through>;

/// Answers each line, and says whether TLS keeps it secret.
Generator<Line> answer(::Client& client) {
  for (;;) {
    const Line line = co_yield {};
    if (line == "STARTTLS") {
      client.send_packet("go ahead");
      co_await client.start_tls();
    } else {
      client.send_packet((client.tls() ? "secret " : "plain ") + line);
    }
  }
}

Script answering() {
  Script script;
  script.talk = answer;
  return script;
}

/// A server whose clients may start TLS.
struct World : MemoryServer {
  explicit World(Script script = answering(), ServerOptions options = {})
      : MemoryServer(std::move(script), std::move(options)) {
    server->add_listener(StartTlsListener(start_door, test_server_context()));
    serving = serve();
  }

  /// A client that is connected, without TLS.
  TlsClient client(const TlsClientContext& context = test_client_context()) {
    TlsClient made(io.get_executor(), Lines{});
    const auto end = std::make_shared<MemoryEnd>(start_door.connect());
    CHECK(run(made.connect(Later(Through{end}, "localhost", context)))->succeeded());
    return made;
  }
  std::string ask(TlsClient& from, const std::string& line) {
    from.send_packet(line);
    settle();
    const auto reception = ::receive(io, from);
    settle();
    return reception->packets.empty() ? "(" + reception->code().message() + ")"
                                      : reception->packets.front();
  }

  MemoryDoor start_door{io.get_executor()};
  std::shared_ptr<Outcome> serving;
};

/// A client that is connected to a server which says what the test says.
struct ByHand {
  ByHand() {
    auto ends = MemoryEnd::pair(io.get_executor());
    server.emplace(std::move(ends.second));
    const Through through{std::make_shared<MemoryEnd>(std::move(ends.first))};
    const auto connected =
        spawn(io, client.connect(Later(through, "localhost", test_client_context())));
    settle(io);
    REQUIRE(connected->succeeded());
  }

  asio::io_context io;
  ManualClock clock{io};
  std::optional<RawEnd<MemoryEnd>> server;
  TlsClient client{io.get_executor(), Lines{}};
};

std::string text_of_error(const Outcome& outcome) {
  return thrown([&] { std::rethrow_exception(outcome.error); })->what();
}

}  // namespace

TEST_CASE("start_tls: a conversation begins in plain text and goes on under TLS") {
  World world;
  auto client = world.client();
  CHECK(!client.tls());
  CHECK(world.ask(client, "one") == "plain one");
  CHECK(world.ask(client, "STARTTLS") == "go ahead");
  const auto started = world.run(client.start_tls());
  CHECK(started->succeeded());
  REQUIRE(client.tls());
  CHECK(client.tls()->peer_verified);
  CHECK(world.ask(client, "two") == "secret two");
  CHECK(world.ask(client, "three") == "secret three");
  client.close();
  world.settle();
  CHECK(world->stats().ended_by_peer == 1);
  CHECK(world->connections() == 0);
  CHECK(world.records.complaints() == "");
}

TEST_CASE("start_tls: who never asks for TLS is served without, to the end") {
  World world;
  auto client = world.client();
  CHECK(world.ask(client, "one") == "plain one");
  client.send_eof();
  const auto end = ::receive(world.io, client);
  world.settle();
  CHECK(end->code() == errc::end_of_stream);
  client.close();
  world.settle();
  CHECK(world->stats().ended_by_peer == 1);
  CHECK(world->connections() == 0);
  CHECK(world.records.complaints() == "");
}

// The hole of CVE-2011-0411: what an attacker adds in plain text is executed under TLS.
TEST_CASE("start_tls: plain text behind the request is refused, and never handled") {
  World world;
  RawEnd<MemoryEnd> attacker(world.start_door.connect());
  SUBCASE("in one piece") { attacker.write("STARTTLS\nEVIL\n"); }
  SUBCASE("a part of a line") { attacker.write("STARTTLS\nEV"); }
  SUBCASE("a byte") { attacker.write("STARTTLS\nE"); }
  world.settle();
  CHECK(world->connections() == 0);
  CHECK(world->stats().packets_received == 1);
  CHECK(world.records.count("the peer sent plain text behind what started TLS") == 1);
}

TEST_CASE("start_tls: plain text that comes later is no TLS") {
  World world;
  RawEnd<MemoryEnd> attacker(world.start_door.connect());
  attacker.write("STARTTLS\n");
  world.settle();
  attacker.write("EVIL\n");
  world.settle();
  attacker.finish();
  world.settle();
  CHECK(world->connections() == 0);
  CHECK(world->stats().packets_received == 1);
  CHECK(world->stats().handshakes_failed == 1);
  CHECK(world.records.count("the peer does not speak TLS", LogLevel::warning) == 1);
}

TEST_CASE("start_tls: a client refuses what the server said behind its consent") {
  ByHand world;
  world.server->write("go ahead\nEVIL\n");
  const auto consent = ::receive(world.io, world.client);
  settle(world.io);
  CHECK(consent->packets == std::vector<std::string>{"go ahead"});
  const auto started = spawn(world.io, world.client.start_tls());
  settle(world.io);
  CHECK(started->code() == errc::malformed);
  CHECK(text_of_error(*started).find("EVIL") != std::string::npos);
  CHECK_FALSE(world.client.is_connected());
}

TEST_CASE("start_tls: where TLS cannot be started, that is an error with the remedy") {
  World world;
  SUBCASE("another transport") {
    TlsClient client(world.door.connect(), Lines{});
    const auto started = world.run(client.start_tls());
    CHECK(started->code() == errc::invalid_argument);
    CHECK(text_of_error(*started).find("StartTlsConnector") != std::string::npos);
    CHECK(world.ask(client, "one") == "plain one");
  }
  SUBCASE("twice") {
    auto client = world.client();
    CHECK(world.ask(client, "STARTTLS") == "go ahead");
    CHECK(world.run(client.start_tls())->succeeded());
    CHECK(world.run(client.start_tls())->code() == errc::invalid_argument);
    CHECK(world.ask(client, "one") == "secret one");
  }
  SUBCASE("while a receive waits") {
    auto client = world.client();
    const auto waiting = ::receive(world.io, client);
    world.settle();
    CHECK(world.run(client.start_tls())->code() == errc::busy);
    CHECK(world.ask(client, "one") != "");
    CHECK(waiting->packets == std::vector<std::string>{"plain one"});
  }
  SUBCASE("not connected") {
    TlsClient client(world.io.get_executor(), Lines{});
    CHECK(world.run(client.start_tls())->code() == errc::not_connected);
  }
  SUBCASE("closed") {
    auto client = world.client();
    client.close();
    CHECK(world.run(client.start_tls())->code() == errc::closed);
  }
}

TEST_CASE("start_tls: a handshake that fails closes the connection, and both sides know why") {
  ServerOptions options;
  World world(answering(), options);
  SUBCASE("the client does not trust the server") {
    auto client = world.client(TlsClientContext(
        TlsClientOptions{.trusted_ca = CertificateAuthority("Another Issuer").pem()}));
    CHECK(world.ask(client, "STARTTLS") == "go ahead");
    const auto started = world.run(client.start_tls());
    CHECK(started->code() == errc::handshake_failed);
    CHECK(text_of_error(*started).find("not accepted") != std::string::npos);
    CHECK_FALSE(client.is_connected());
    world.pass(10s);
    CHECK(world.records.count("during TLS handshake", LogLevel::warning) == 1);
  }
  SUBCASE("the client says nothing") {
    auto client = world.client();
    CHECK(world.ask(client, "STARTTLS") == "go ahead");
    world.pass(9999ms);
    CHECK(world->connections() == 1);
    world.pass(1ms);
    CHECK(world->connections() == 0);
    CHECK(world.records.count("not finished within the time limit (time limit 10 s") == 1);
    CHECK(world->stats().timed_out == 1);
  }
  SUBCASE("the client leaves") {
    auto client = world.client();
    CHECK(world.ask(client, "STARTTLS") == "go ahead");
    client.close();
    world.settle();
    world.pass(10s);
    CHECK(world->connections() == 0);
  }
  world.pass(10s);
  CHECK(world->connections() == 0);
  CHECK(world->stats().accepted == 1);
}

TEST_CASE("start_tls: what others send meanwhile waits, and goes under TLS") {
  Script script;
  std::optional<::Client> kept;
  script.talk = [&](::Client& client) -> Generator<Line> {
    kept.emplace(client);
    co_yield {};
    client.send_packet("go ahead");
    co_await client.start_tls();
    co_yield {};
  };
  World world(script);
  auto client = world.client();
  CHECK(world.ask(client, "STARTTLS") == "go ahead");
  kept->send_packet("news");
  world.settle();
  const auto started = world.run(client.start_tls());
  CHECK(started->succeeded());
  const auto news = ::receive(world.io, client);
  world.settle();
  CHECK(news->packets == std::vector<std::string>{"news"});
  kept.reset();
}

TEST_CASE("start_tls: after a yield that gave up, whose read still waits") {
  Script script;
  script.talk = [](::Client& client) -> Generator<Line> {
    co_yield {};
    const auto nothing = co_yield as_result(1s);
    CHECK(!nothing);
    client.send_packet("go ahead");
    co_await client.start_tls();
    const Line line = co_yield {};
    client.send_packet("secret " + line);
  };
  World world(script);
  auto client = world.client();
  SUBCASE("soon") {}
  SUBCASE("when its memory was given back") { world.pass(5s); }
  client.send_packet("STARTTLS");
  world.settle();
  world.pass(1s);
  const auto consent = ::receive(world.io, client);
  world.settle();
  CHECK(consent->packets == std::vector<std::string>{"go ahead"});
  CHECK(world.run(client.start_tls())->succeeded());
  CHECK(world.ask(client, "one") == "secret one");
}

TEST_CASE("start_tls: a shutdown, or the end of the server, during the handshake") {
  World world;
  auto client = world.client();
  CHECK(world.ask(client, "STARTTLS") == "go ahead");
  SUBCASE("shutdown") {
    const auto stopped = world.run(world->shutdown());
    world.pass(3s);
    CHECK(stopped->succeeded());
    CHECK(world->stats().shut_down == 1);
  }
  SUBCASE("the server is destroyed") {
    world.server.reset();
    world.settle();
  }
  const auto started = world.run(client.start_tls());
  world.pass(10s);
  REQUIRE(started->done);
  CHECK(!started->succeeded());
}

TEST_CASE("start_tls: cancelled, it closes the connection") {
  ByHand world;
  const auto started = spawn(world.io, world.client.start_tls());
  settle(world.io);
  CHECK(!started->done);  // The server says nothing.
  started->cancel.emit(asio::cancellation_type::terminal);
  world.server->write("\x16");  // Memory knows no cancellation of one operation; sockets do.
  settle(world.io);
  CHECK(started->code() == asio::error::operation_aborted);
  CHECK_FALSE(world.client.is_connected());
}
