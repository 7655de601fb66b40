// SPDX-License-Identifier: BSL-1.0
// Each code of errc is provoked once, and what it says is read: what happened, to whom, the size or
// the limit, and what to do. (handshake_failed is in tls_test.cpp, too_many_descriptors in
// ancillary_test.cpp.)
#include "cowire/cowire.hpp"
#include "cowire/testing/manual_clock.hpp"
#include "support/memory_client.hpp"
#include "support/records.hpp"
#include "support/run.hpp"
#include "support/thrown.hpp"

#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <exception>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

/// Whether the error has the code, and says all that in one line.
bool says(const std::optional<Error>& error, errc code,
          std::initializer_list<std::string_view> parts) {
  if (!error || error->code() != code) {
    MESSAGE("another error: " << (error ? error->what() : "none"));
    return false;
  }
  const std::string text = error->what();
  for (const std::string_view part : parts) {
    if (text.find(part) == std::string::npos) {
      MESSAGE("\"" << text << "\" does not say \"" << std::string(part) << "\"");
      return false;
    }
  }
  return text.find('\n') == std::string::npos;
}

/// What a task threw.
std::optional<Error> error_of(const Outcome& outcome) {
  return outcome.error ? thrown([&] { std::rethrow_exception(outcome.error); }) : std::nullopt;
}

constexpr std::string_view peer = "peer memory-b";

LineOptions short_lines() {
  LineOptions options;
  options.limit = 8;
  return options;
}
struct ShortLines : StreamProtocol<LineSerializer<>> {
  ShortLines() : StreamProtocol(LineSerializer<>(short_lines())) {}
};

// Numbers on lines; some are a bug in the converter.
int number_of(std::string_view line) {
  if (line == "bug") {
    throw std::runtime_error("a bug in the converter");
  }
  if (line.empty() || line.find_first_not_of("0123456789") != std::string_view::npos) {
    ErrorContext context;
    context.detail = "not a number";
    throw Error(errc::malformed, std::move(context));
  }
  return std::stoi(std::string(line));
}
struct Numbers {
  using sent_packet = int;
  using received_packet = int;
  std::string to_wire(int number) const { return std::to_string(number); }
  int from_wire(std::string_view line) const { return number_of(line); }
};
using NumberLines = StreamProtocol<LineSerializer<>, Numbers>;

struct NoAnswer {
  using transport_type = TcpTransport;
  std::string name() const { return "the moon"; }
  template <class C>
  Task<std::optional<TcpTransport>> connect(asio::any_io_executor executor,
                                            std::shared_ptr<ConnectAttempt>) const {
    detail::Event never(executor);
    co_await never.wait();
    co_return std::nullopt;
  }
};

struct Echo {
  Generator<std::string> handle(Peer<std::string>& client) {
    const std::string line = co_yield {};
    client.send_packet(line);
  }
};

}  // namespace

TEST_CASE("errors aloud: of receiving") {
  MemoryClient test;
  SUBCASE("end_of_stream") {
    test.server->finish();
    CHECK(says(error_of(*test.receive()->outcome), errc::end_of_stream,
               {"the peer ended the stream", peer, "nothing is wrong"}));
  }
  SUBCASE("truncated") {
    test.hear("half a line");
    test.server->finish();
    CHECK(
        says(error_of(*test.receive()->outcome), errc::truncated,
             {"ended before the separator", peer, "half a line", "treat the last packet as lost"}));
  }
  SUBCASE("timeout") {
    CHECK(says(error_of(*test.receive(0s)->outcome), errc::timeout,
               {"no packet came within the time limit (time limit 0 s", peer, "receive again"}));
  }
  SUBCASE("closed") {
    test->close();
    CHECK(says(error_of(*test.receive()->outcome), errc::closed, {peer, "do not"}));
  }
  SUBCASE("busy") {
    const auto first = test.begin_receive();
    CHECK(says(error_of(*test.receive()->outcome), errc::busy, {"under way", "await it"}));
  }
  SUBCASE("invalid_argument") {
    CHECK(says(error_of(*test.receive(-1s)->outcome), errc::invalid_argument,
               {"a time limit is negative", "see the documentation"}));
  }
}

TEST_CASE("errors aloud: peer_timeout") {
  ClientOptions options;
  options.limits.frame_timeout = 10s;
  MemoryClient test(options);
  const auto reception = test.receive();
  test.hear("half a line");
  test.pass(10s);
  CHECK(says(
      error_of(*reception->outcome), errc::peer_timeout,
      {"did not finish a packet within the time limit (time limit 10 s", peer, "frame_timeout"}));
}

TEST_CASE("errors aloud: of packets") {
  SUBCASE("too_large, received") {
    BasicMemoryClient<ShortLines> test;
    test.hear("a line that is too long\n");
    CHECK(says(error_of(*test.receive()->outcome), errc::too_large,
               {"23 bytes", "limit 8 bytes", peer, "a line that is", "raise the limit"}));
  }
  SUBCASE("too_large, sent") {
    BasicMemoryClient<ShortLines> test;
    CHECK(says(test.refused("a line that is too long"), errc::too_large,
               {"size 23 bytes", "limit 8 bytes", "send smaller packets"}));
  }
  SUBCASE("not_sendable") {
    MemoryClient test;
    CHECK(says(test.refused("two\nlines"), errc::not_sendable,
               {"line ending at byte 3", "change the packet"}));
  }
  SUBCASE("malformed, serializer_failed") {
    asio::io_context io;
    auto ends = MemoryTransport::pair(io.get_executor());
    Client<NumberLines> client(std::move(ends.first), NumberLines{});
    RawEnd<MemoryTransport> server(std::move(ends.second));
    server.write("x1\nbug\n");
    int number = 0;
    const auto receive_number = [&]() -> Task<void> { number = co_await client.recv_packet(); };
    const auto malformed = start(io, receive_number);
    settle(io);
    CHECK(says(error_of(*malformed), errc::malformed,
               {"not a number", peer, "x1", "check that both sides use the same serializer"}));
    const auto failed = start(io, receive_number);
    settle(io);
    CHECK(says(error_of(*failed), errc::serializer_failed,
               {"a bug in the converter", peer, "fix the serializer or converter"}));
    const auto good = start(io, receive_number);
    server.write("7\n");
    settle(io);
    CHECK(good->succeeded());
    CHECK(number == 7);
  }
}

TEST_CASE("errors aloud: output_limit") {
  ClientOptions options;
  options.limits.output_limit = 100'000;
  MemoryClient test(options);
  std::optional<Error> error;
  test.in_turn([&] {
    for (int i = 0; i < 10 && !error; ++i) {
      error = thrown([&] { test->send_packet(std::string(60'000, 'x')); });
    }
  });
  CHECK(says(error, errc::output_limit,
             {"the peer does not read", "limit 100000 bytes", peer, "drain()"}));
}

TEST_CASE("errors aloud: of connecting") {
  asio::io_context io;
  Client client{io, Lines{}};
  SUBCASE("not_connected") {
    CHECK(says(thrown([&] { client.send_packet("x"); }), errc::not_connected,
               {"await connect() first"}));
  }
  SUBCASE("connect_failed, already_connected") {
    std::optional<Server<Lines, Echo>> server(std::in_place, io, "127.0.0.1", 0, Lines{}, Echo{});
    const std::uint16_t port = server->port();
    const auto connected = spawn(io, client.connect("127.0.0.1", port));
    REQUIRE(run_until(io, [&] { return connected->done; }));
    const auto again = spawn(io, client.connect("127.0.0.1", port));
    settle(io);
    CHECK(says(error_of(*again), errc::already_connected, {"close() it first"}));
    client.abort();
    server.reset();
    const auto refused = spawn(io, client.connect("127.0.0.1", port));
    REQUIRE(run_until(io, [&] { return refused->done; }));
    CHECK(says(error_of(*refused), errc::connect_failed,
               {"cannot connect to 127.0.0.1:" + std::to_string(port), "refused",
                "check the host and port"}));
  }
  SUBCASE("connect_timeout") {
    const auto late = spawn(io, client.connect(NoAnswer{}, 1ms));
    REQUIRE(run_until(io, [&] { return late->done; }));
    CHECK(says(error_of(*late), errc::connect_timeout,
               {"cannot connect to the moon (time limit 1 ms)", "raise the time limit"}));
  }
}

TEST_CASE("errors aloud: of servers") {
  asio::io_context io;
  ServerOptions options;
  options.logger = Logger::silent();
  std::optional<Error> seen;
  Server server(
      io, "127.0.0.1", 0, Lines{},
      [&seen](Peer<std::string>&) -> Generator<std::string> {
        try {
          co_yield {};
        } catch (const Error& error) {
          seen = error;
        }
      },
      options);
  SUBCASE("listen_failed") {
    const auto taken =
        thrown([&] { Server(io, "127.0.0.1", server.port(), Lines{}, Echo{}, options); });
    CHECK(says(taken, errc::listen_failed,
               {"cannot listen on 127.0.0.1:" + std::to_string(server.port()), "already in use",
                "choose another address or port"}));
  }
  SUBCASE("already_serving, cancelled, server_closed") {
    const auto serving = spawn(io, server.serve_forever());
    settle(io);
    const auto twice = spawn(io, server.serve_forever());
    settle(io);
    CHECK(says(error_of(*twice), errc::already_serving, {"serve_forever() once at a time"}));
    asio::ip::tcp::socket guest(io);
    guest.connect({asio::ip::make_address("127.0.0.1"), server.port()});
    REQUIRE(run_until(io, [&] { return server.connections() == 1; }));
    server.request_shutdown();
    REQUIRE(run_until(io, [&] { return seen.has_value(); }));
    CHECK(says(seen, errc::cancelled, {"the operation was cancelled", "finish soon"}));
    guest.close();
    server.close();
    REQUIRE(run_until(io, [&] { return serving->done; }));
    const auto closed = spawn(io, server.start());
    settle(io);
    CHECK(says(error_of(*closed), errc::server_closed, {"was closed", "make a new Server"}));
  }
}
