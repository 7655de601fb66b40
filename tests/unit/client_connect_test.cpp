// SPDX-License-Identifier: BSL-1.0
// Clients on TCP: connecting, and what only real sockets show.
#include "cowire/client.hpp"
#include "support/memory_client.hpp"
#include "support/thrown.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <doctest/doctest.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using TcpClient = Client<Lines>;
using ManualClient = Client<Lines, testing::ManualClock>;
using Packets = std::vector<std::string>;

/// Listens on the loopback address, and accepts when asked.
class Door {
 public:
  explicit Door(asio::io_context& io)
      : io_(&io), acceptor_(io, {asio::ip::address_v4::loopback(), 0}) {}

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  /// The next connection; there must be one.
  RawEnd<TcpTransport> accept() {
    asio::ip::tcp::endpoint remote;
    asio::basic_stream_socket<asio::ip::tcp, asio::any_io_executor> socket(io_->get_executor());
    acceptor_.accept(socket, remote);
    return RawEnd<TcpTransport>(TcpTransport(std::move(socket), remote));
  }

 private:
  asio::io_context* io_;
  asio::ip::tcp::acceptor acceptor_;
};

/// Listens, but its queue is full: to connect takes for ever.
class FullDoor {
 public:
  explicit FullDoor(asio::io_context& io) : acceptor_(io, asio::ip::tcp::v4()) {
    acceptor_.bind({asio::ip::address_v4::loopback(), 0});
    acceptor_.listen(0);
    for (int i = 0; i < 4; ++i) {
      fillers_.emplace_back(io).async_connect(acceptor_.local_endpoint(), [](std::error_code) {});
    }
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  asio::ip::tcp::acceptor acceptor_;
  std::vector<asio::ip::tcp::socket> fillers_;
};

/// A port of the loopback address where nobody listens.
std::uint16_t free_port(asio::io_context& io) { return Door(io).port(); }

bool ends(asio::io_context& io, const std::shared_ptr<Outcome>& outcome) {
  return run_until(io, [&] { return outcome->done; });
}

std::string message(const Outcome& outcome) {
  try {
    if (outcome.error) {
      std::rethrow_exception(outcome.error);
    }
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// A connected client, and the other end.
struct TcpPair {
  explicit TcpPair(ClientOptions options = {}) : client(io, Lines{}, std::move(options)) {
    const auto connected = spawn(io, client.connect("127.0.0.1", door.port()));
    REQUIRE(ends(io, connected));
    REQUIRE(connected->succeeded());
    server.emplace(door.accept());
  }

  template <class F>
  void in_turn(F function) {
    bool done = false;
    asio::post(io, [&] {
      function();
      done = true;
    });
    REQUIRE(run_until(io, [&] { return done; }));
  }

  // Sends until that fails, which may take some. @returns Why.
  std::error_code send_in_vain() {
    std::error_code failed;
    for (int i = 0; i < 100 && !failed; ++i) {
      in_turn([&] {
        if (const auto error = thrown([&] { client.send_packet("hello"); })) {
          failed = error->code();
        }
      });
    }
    return failed;
  }

  asio::io_context io;
  Door door{io};
  TcpClient client;
  std::optional<RawEnd<TcpTransport>> server;
};

}  // namespace

TEST_CASE("C1, C2: connects by address and by name; endpoints, options of the socket") {
  asio::io_context io;
  Door door(io);
  for (const char* host : {"127.0.0.1", "localhost"}) {
    CAPTURE(host);
    TcpClient client(io, Lines{});
    CHECK_FALSE(client.is_connected());
    const auto connected = spawn(io, client.connect(host, door.port()));
    REQUIRE(ends(io, connected));
    CHECK(message(*connected) == "");
    auto server = door.accept();
    CHECK(client.is_connected());
    CHECK(client.remote_endpoint() == Endpoint{"127.0.0.1", door.port()});
    CHECK(client.local_endpoint() == server.transport().remote_endpoint());
    int on = 0;
    socklen_t size = sizeof(on);
    CHECK(::getsockopt(client.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
    CHECK(on == 1);
    CHECK(::getsockopt(client.native_handle(), SOL_SOCKET, SO_KEEPALIVE, &on, &size) == 0);
    CHECK(on == 1);
  }
}

TEST_CASE("C14: a refused connection names each address and its reason; the client may try again") {
  asio::io_context io;
  TcpClient client(io, Lines{});
  const std::uint16_t nobody = free_port(io);
  const auto refused = spawn(io, client.connect("127.0.0.1", nobody));
  REQUIRE(ends(io, refused));
  CHECK(refused->code() == errc::connect_failed);
  CHECK(contains(message(*refused), "127.0.0.1:" + std::to_string(nobody)));
  CHECK(contains(message(*refused), "Connection refused"));
  CHECK_FALSE(client.is_connected());

  Door door(io);
  const auto connected = spawn(io, client.connect("127.0.0.1", door.port()));
  REQUIRE(ends(io, connected));
  CHECK(connected->succeeded());
}

TEST_CASE("C14, C20: if no address of a host can be reached, the one error names them all") {
  asio::io_context io;
  TcpClient client(io, Lines{});
  const std::uint16_t nobody = free_port(io);
  const auto refused = spawn(io, client.connect("localhost", nobody));
  REQUIRE(ends(io, refused));
  CHECK(refused->code() == errc::connect_failed);
  for (const auto& found :
       asio::ip::tcp::resolver(io).resolve("localhost", std::to_string(nobody))) {
    CHECK(contains(message(*refused), to_string(to_endpoint(found.endpoint()))));
  }
}

namespace {

/// A connector to several addresses, as a name may have.
struct Several {
  using transport_type = TcpTransport;

  std::string name() const { return "several:9000"; }
  template <class C>
  Task<std::optional<TcpTransport>> connect(asio::any_io_executor executor,
                                            std::shared_ptr<ConnectAttempt> attempt) const {
    auto racing = detail::connect_to_first<C>(executor, attempt, endpoints, local, 250ms);
    co_return co_await std::move(racing);
  }

  std::vector<asio::ip::tcp::endpoint> endpoints;
  Endpoint local;
};

asio::ip::tcp::endpoint tcp_endpoint(const char* address, std::uint16_t port) {
  return {asio::ip::make_address(address), port};
}

}  // namespace

TEST_CASE("C14: the one error has every address, with its own reason") {
  asio::io_context io;
  TcpClient client(io, Lines{});
  const std::uint16_t nobody = free_port(io);
  const std::string port = std::to_string(nobody);
  Several several;
  several.endpoints = {tcp_endpoint("127.0.0.1", nobody), tcp_endpoint("::1", nobody),
                       tcp_endpoint("127.0.0.2", nobody)};
  several.local = {"127.0.0.1", 0};  // Which no address of the other family can be reached from.
  const auto refused = spawn(io, client.connect(several));
  REQUIRE(ends(io, refused));
  CHECK(refused->code() == errc::connect_failed);
  CHECK(contains(message(*refused), "cannot connect to several:9000: 127.0.0.1:" + port +
                                        ": Connection refused; [::1]:" + port +
                                        ": Address family not supported by protocol; 127.0.0.2:" +
                                        port + ": Connection refused"));
}

TEST_CASE("C14: a connect that is out of time says which addresses had refused until then") {
  asio::io_context io;
  testing::ManualClock clock(io);
  ManualClient client(io, Lines{});
  const FullDoor silent(io);
  Several several;
  several.endpoints = {tcp_endpoint("::1", 9000), tcp_endpoint("127.0.0.1", silent.port())};
  several.local = {"127.0.0.1", 0};
  const auto late = spawn(io, client.connect(several, 5s));
  for (int i = 0; i < 5 && !late->done; ++i) {
    settle(io);
    clock.advance(1s);
  }
  REQUIRE(ends(io, late));
  CHECK(late->code() == errc::connect_timeout);
  CHECK(contains(message(*late),
                 "cannot connect to several:9000: [::1]:9000: "
                 "Address family not supported by protocol (time limit 5 s)"));
}

TEST_CASE("C14: a host that does not exist") {
  asio::io_context io;
  TcpClient client(io, Lines{});
  const auto unknown = spawn(io, client.connect("no such host", 9000));
  REQUIRE(ends(io, unknown));
  CHECK(unknown->code() == errc::connect_failed);
  CHECK(contains(message(*unknown), "no such host:9000"));
}

TEST_CASE("connects from the local address that was asked for") {
  asio::io_context io;
  Door door(io);
  ClientOptions options;
  const auto connect = [&](const char* from) {
    options.local.address = from;
    TcpClient client(io, Lines{}, options);
    const auto outcome = spawn(io, client.connect("127.0.0.1", door.port()));
    REQUIRE(ends(io, outcome));
    return std::pair(outcome, client.is_connected() ? client.local_endpoint().address : "");
  };
  CHECK(connect("127.0.0.2").second == "127.0.0.2");
  CHECK(contains(message(*connect("192.0.2.1").first), "annot assign requested address"));
  CHECK(contains(message(*connect("::1").first), "not supported"));
  CHECK(contains(message(*connect("localhost").first), "nvalid argument"));
}

TEST_CASE("C15: the families of addresses take turns") {
  const auto endpoint = [](const char* address) {
    return asio::ip::tcp::endpoint(asio::ip::make_address(address), 1);
  };
  const auto turns = [&](std::initializer_list<const char*> addresses) {
    std::vector<asio::ip::tcp::endpoint> endpoints;
    for (const char* address : addresses) {
      endpoints.push_back(endpoint(address));
    }
    std::string text;
    for (const auto& one : detail::in_turns(endpoints)) {
      text += one.address().to_string() + " ";
    }
    return text;
  };
  CHECK(turns({"::1", "::2", "1.0.0.1", "1.0.0.2"}) == "::1 1.0.0.1 ::2 1.0.0.2 ");
  CHECK(turns({"1.0.0.1", "::1", "::2", "::3"}) == "1.0.0.1 ::1 ::2 ::3 ");
  CHECK(turns({}).empty());
}

namespace {

/// A race to several addresses, on the manual clock.
struct Race {
  std::shared_ptr<Outcome> run(const std::vector<std::uint16_t>& ports) {
    std::vector<asio::ip::tcp::endpoint> endpoints;
    for (const std::uint16_t port : ports) {
      endpoints.emplace_back(asio::ip::address_v4::loopback(), port);
    }
    return start(io, [this, endpoints]() -> Task<void> {
      auto racing = detail::connect_to_first<testing::ManualClock>(io.get_executor(), attempt,
                                                                   endpoints, {}, 250ms);
      winner = co_await std::move(racing);
    });
  }

  asio::io_context io;
  testing::ManualClock clock{io};
  std::shared_ptr<ConnectAttempt> attempt = std::make_shared<ConnectAttempt>(io.get_executor());
  std::optional<TcpTransport> winner;
};

}  // namespace

TEST_CASE("C15: an address that does not answer delays the next one by 250 ms only") {
  Race race;
  const FullDoor silent(race.io);
  Door door(race.io);
  const auto outcome = race.run({silent.port(), door.port()});
  settle(race.io);
  race.clock.advance(249ms);
  settle(race.io);
  CHECK_FALSE(outcome->done);
  race.clock.advance(1ms);
  REQUIRE(ends(race.io, outcome));
  REQUIRE(race.winner);
  CHECK(race.winner->remote_endpoint().port == door.port());
}

TEST_CASE("C15: an address that refuses does not delay the next one; a late one may still win") {
  Race race;
  Door door(race.io);
  const std::uint16_t nobody = free_port(race.io);
  SUBCASE("the next") {
    REQUIRE(ends(race.io, race.run({nobody, nobody, door.port()})));
    REQUIRE(race.winner);
    CHECK(race.winner->remote_endpoint().port == door.port());
  }
  SUBCASE("nobody") {
    REQUIRE(ends(race.io, race.run({nobody, nobody})));
    CHECK_FALSE(race.winner);
  }
  SUBCASE("no address") {
    REQUIRE(ends(race.io, race.run({})));
    CHECK_FALSE(race.winner);
  }
}

TEST_CASE("a negative time limit of a connect is an invalid argument") {
  asio::io_context io;
  TcpClient client(io, Lines{});
  for (const auto& outcome :
       {spawn(io, client.connect("127.0.0.1", 9000, -1ms)),
        spawn(io,
              client.connect("127.0.0.1", 9000, std::chrono::duration<double>(std::nan(""))))}) {
    REQUIRE(ends(io, outcome));
    CHECK(outcome->code() == errc::invalid_argument);
  }
}

TEST_CASE("connect has a time limit") {
  asio::io_context io;
  testing::ManualClock clock(io);
  Door door(io);
  FullDoor full(io);
  SUBCASE("of the options") {
    ClientOptions options;
    options.connect_timeout = 2s;
    ManualClient client(io, Lines{}, options);
    const auto late = spawn(io, client.connect("127.0.0.1", full.port()));
    settle(io);
    CHECK_FALSE(late->done);
    CHECK_FALSE(client.is_connected());
    clock.advance(2s);
    REQUIRE(ends(io, late));
    CHECK(late->code() == errc::connect_timeout);
    CHECK(
        contains(message(*late), "127.0.0.1:" + std::to_string(full.port()) + " (time limit 2 s)"));
    CHECK_FALSE(client.is_connected());

    const auto again = spawn(io, client.connect("127.0.0.1", door.port()));
    REQUIRE(ends(io, again));
    CHECK(again->succeeded());
  }
  SUBCASE("of its own") {
    ManualClient client(io, Lines{});
    const std::chrono::seconds limit = 5s;
    const auto late = spawn(io, client.connect("127.0.0.1", full.port(), limit));
    settle(io);
    clock.advance(5s);
    REQUIRE(ends(io, late));
    CHECK(late->code() == errc::connect_timeout);
    CHECK(contains(message(*late), "(time limit 5 s)"));
  }
  SUBCASE("that passes at any moment") {
    for (int steps = 0; steps < 20; ++steps) {
      CAPTURE(steps);
      ManualClient client(io, Lines{});
      const auto outcome = spawn(io, client.connect("127.0.0.1", door.port(), 5s));
      io.restart();
      for (int i = 0; i < steps; ++i) {
        io.poll_one();
      }
      clock.advance(5s);
      REQUIRE(ends(io, outcome));
      CHECK(client.is_connected() == outcome->succeeded());
      CHECK((outcome->succeeded() || outcome->code() == errc::connect_timeout));
      settle(io);
    }
  }
  SUBCASE("none") {
    ManualClient client(io, Lines{});
    const auto connected = spawn(io, client.connect("127.0.0.1", door.port(), 0s));
    io.poll_one();
    CHECK(clock.waits() == 0);
    REQUIRE(ends(io, connected));
    CHECK(connected->succeeded());
  }
}

TEST_CASE("a cancelled connect leaves the client unconnected, at whatever moment") {
  asio::io_context io;
  Door door(io);
  for (int steps = 0; steps < 20; ++steps) {
    CAPTURE(steps);
    TcpClient client(io, Lines{});
    const auto outcome = spawn(io, client.connect("127.0.0.1", door.port()));
    io.restart();
    for (int i = 0; i < steps; ++i) {
      io.poll_one();
    }
    outcome->cancel.emit(asio::cancellation_type::terminal);
    REQUIRE(ends(io, outcome));
    CHECK(client.is_connected() == outcome->succeeded());
    if (!outcome->succeeded()) {
      CHECK(outcome->code() == asio::error::operation_aborted);
      const auto again = spawn(io, client.connect("127.0.0.1", door.port()));
      REQUIRE(ends(io, again));
      CHECK(again->succeeded());
    }
  }
}

TEST_CASE("a client that is destroyed gives its connect up, at whatever moment") {
  bool replaced = false;
  SUBCASE("destroyed") { replaced = false; }
  SUBCASE("assigned to") { replaced = true; }
  asio::io_context io;
  Door door(io);
  for (int steps = 0; steps < 20; ++steps) {
    CAPTURE(steps);
    std::optional<TcpClient> client(std::in_place, io, Lines{});
    const auto outcome = spawn(io, client->connect("localhost", door.port()));
    io.restart();
    for (int i = 0; i < steps; ++i) {
      io.poll_one();
    }
    if (replaced) {
      *client = TcpClient(io, Lines{});
    } else {
      client.reset();
    }
    REQUIRE(ends(io, outcome));
    CHECK((outcome->succeeded() || outcome->code() == errc::cancelled));
  }
}

TEST_CASE("C13: a close cancels the connect that was called before it, at whatever moment") {
  bool with_callback = false;
  SUBCASE("a task") {}
  SUBCASE("with a callback") { with_callback = true; }
  asio::io_context io;
  Door door(io);
  int cancelled = 0;
  bool succeeded = false;
  for (int steps = 0; !succeeded; ++steps) {
    REQUIRE(steps < 1000);
    CAPTURE(steps);
    TcpClient client(io, Lines{});
    auto outcome = std::make_shared<Outcome>();
    if (with_callback) {
      client.connect("127.0.0.1", door.port(), [outcome](std::error_code ec) {
        outcome->done = true;
        outcome->error = ec ? std::make_exception_ptr(Error(ec)) : nullptr;
      });
    } else {
      outcome = spawn(io, client.connect("127.0.0.1", door.port()));
    }
    io.restart();
    for (int i = 0; i < steps; ++i) {
      io.run_one_for(10ms);
    }
    client.close();
    const bool was_done = outcome->done;
    REQUIRE(ends(io, outcome));
    CHECK(run_until(io, [&] { return !client.is_connected(); }));
    succeeded = outcome->succeeded();
    if (!succeeded) {
      CHECK(outcome->code() == errc::cancelled);
      ++cancelled;
    }
    CHECK((succeeded || !was_done));
    const auto again = spawn(io, client.connect("127.0.0.1", door.port()));
    REQUIRE(ends(io, again));
    CHECK(again->succeeded());
  }
  CHECK(cancelled > 1);
}

TEST_CASE("C13: a connect that nobody awaits before the close does not begin any more") {
  asio::io_context io;
  Door door(io);
  TcpClient client(io, Lines{});
  auto late = client.connect("127.0.0.1", door.port());
  client.close();
  const auto outcome = spawn(io, std::move(late));
  REQUIRE(ends(io, outcome));
  CHECK(outcome->code() == errc::cancelled);
  CHECK_FALSE(client.is_connected());
}

TEST_CASE("a connect that takes for ever can be cancelled") {
  asio::io_context io;
  FullDoor full(io);
  TcpClient client(io, Lines{});
  const auto outcome = spawn(io, client.connect("127.0.0.1", full.port()));
  settle(io);
  outcome->cancel.emit(asio::cancellation_type::terminal);
  REQUIRE(ends(io, outcome));
  CHECK(outcome->code() == asio::error::operation_aborted);
  CHECK_FALSE(client.is_connected());
}

namespace {

struct Thrower {
  using transport_type = TcpTransport;
  std::string name() const { return "nowhere"; }
  template <class C>
  Task<std::optional<TcpTransport>> connect(asio::any_io_executor,
                                            std::shared_ptr<ConnectAttempt>) const {
    throw 42;
    co_return std::nullopt;
  }
};

}  // namespace

TEST_CASE("a connector that throws anything at all has failed") {
  asio::io_context io;
  TcpClient client(io, Lines{});
  const auto connecting = spawn(io, client.connect(Thrower{}, 0s));
  settle(io);
  REQUIRE(connecting->done);
  CHECK(connecting->code() == errc::connect_failed);
}

TEST_CASE("C12: connecting again, while connected or connecting, is already_connected") {
  asio::io_context io;
  Door door(io);
  TcpClient client(io, Lines{});
  const auto first = spawn(io, client.connect("127.0.0.1", door.port()));
  const auto second = spawn(io, client.connect("127.0.0.1", door.port()));
  REQUIRE(ends(io, second));
  REQUIRE(ends(io, first));
  CHECK(first->succeeded());
  CHECK(second->code() == errc::already_connected);
  const auto third = spawn(io, client.connect("127.0.0.1", door.port()));
  REQUIRE(ends(io, third));
  CHECK(third->code() == errc::already_connected);
  CHECK(client.is_connected());
}

TEST_CASE("a client connects again after close, also while the old connection ends") {
  TcpPair test;
  test.server->read_on();
  test.in_turn([&] {
    test.client.send_packet("first");
    test.client.close();
  });
  const auto again = spawn(test.io, test.client.connect("127.0.0.1", test.door.port()));
  REQUIRE(ends(test.io, again));
  CHECK(again->succeeded());
  auto second = test.door.accept();
  second.read_on();
  test.in_turn([&] { test.client.send_packet("second"); });
  REQUIRE(run_until(
      test.io, [&] { return test.server->ended().has_value() && second.heard() == "second\n"; }));
  CHECK(test.server->heard() == "first\n");
  CHECK(test.server->has_seen_end());
}

TEST_CASE("a client that was told of the end of its connection connects again without a close") {
  TcpPair test;
  test.server->read_on();
  bool broken = true;
  SUBCASE("by a reset, in a receive") {
    test.server->reset();
    const auto told = receive(test.io, test.client);
    REQUIRE(ends(test.io, told->outcome));
    CHECK(told->code() == condition::disconnected);
  }
  SUBCASE("by an end inside a packet") {
    test.server->write("half");
    test.in_turn([&] { test.server->finish(); });
    const auto told = receive(test.io, test.client);
    REQUIRE(ends(test.io, told->outcome));
    CHECK(told->code() == errc::truncated);
  }
  SUBCASE("by a reset, in a send") {
    test.server->reset();
    CHECK(test.send_in_vain() == condition::disconnected);
  }
  SUBCASE("by its end between two packets, after which it may still send") {
    broken = false;
    test.server->finish();
    const auto told = receive(test.io, test.client);
    REQUIRE(ends(test.io, told->outcome));
    CHECK(told->code() == errc::end_of_stream);
    test.in_turn([&] { test.client.send_packet("still here"); });
    REQUIRE(run_until(test.io, [&] { return test.server->heard() == "still here\n"; }));
  }
  CHECK(test.client.is_connected() == !broken);
  const auto again = spawn(test.io, test.client.connect("127.0.0.1", test.door.port()));
  REQUIRE(ends(test.io, again));
  CHECK(message(*again) == "");
  CHECK(test.client.is_connected());
  auto second = test.door.accept();
  second.write("welcome\n");
  const auto welcome = receive(test.io, test.client);
  REQUIRE(ends(test.io, welcome->outcome));
  CHECK(welcome->packets == Packets{"welcome"});
  REQUIRE(run_until(test.io, [&] { return test.server->ended().has_value(); }));
}

TEST_CASE("C2: a connected socket from elsewhere; one that is not connected is refused") {
  asio::io_context io;
  Door door(io);
  using Socket = asio::basic_stream_socket<asio::ip::tcp, asio::any_io_executor>;
  Socket socket(io.get_executor());
  CHECK_THROWS_AS(TcpTransport(Socket(io.get_executor(), asio::ip::tcp::v4())), std::system_error);
  socket.connect({asio::ip::address_v4::loopback(), door.port()});
  TcpClient client(TcpTransport(std::move(socket)), Lines{});
  CHECK(client.is_connected());
  CHECK(client.remote_endpoint() == Endpoint{"127.0.0.1", door.port()});
  auto server = door.accept();
  server.write("hello\n");
  const auto hello = receive(io, client);
  REQUIRE(ends(io, hello->outcome));
  CHECK(hello->packets == Packets{"hello"});
}

TEST_CASE("C12: before connect nothing works, and says so: not_connected") {
  asio::io_context io;
  TcpClient client(io, Lines{});
  const auto code_of_call = [](auto call) {
    const auto error = thrown(call);
    return error ? error->code() : std::error_code();
  };
  CHECK(code_of_call([&] { client.send_packet("x"); }) == errc::not_connected);
  CHECK(code_of_call([&] { client.drain(); }) == errc::not_connected);
  CHECK(code_of_call([&] { client.flush(); }) == errc::not_connected);
  CHECK(code_of_call([&] { client.send_eof(); }) == errc::not_connected);
  CHECK(code_of_call([&] { client.local_endpoint(); }) == errc::not_connected);
  CHECK(code_of_call([&] { client.remote_endpoint(); }) == errc::not_connected);
  CHECK(code_of_call([&] { client.native_handle(); }) == errc::not_connected);
  const auto received = receive(io, client);
  const auto looped = receive_to_end(io, client);
  settle(io);
  CHECK(received->code() == errc::not_connected);
  CHECK(looped->code() == errc::not_connected);
  client.close();
  client.abort();
}

TEST_CASE("an io_context that is destroyed takes a connect with it") {
  auto io = std::make_unique<asio::io_context>();
  auto door = std::make_unique<FullDoor>(*io);
  auto client = std::make_unique<TcpClient>(*io, Lines{});
  const auto outcome = spawn(*io, client->connect("127.0.0.1", door->port()));
  settle(*io);
  door.reset();
  client.reset();
  io.reset();
  CHECK_FALSE(outcome->done);
}

TEST_CASE("packets over TCP: a dialogue, both ends of the stream") {
  TcpPair test;
  test.server->read_on();
  const auto first = receive(test.io, test.client, 10s);
  test.server->write("one\ntwo\nthr");
  REQUIRE(ends(test.io, first->outcome));
  CHECK(first->packets == Packets{"one"});
  test.in_turn([&] {
    test.client.send_packet("hello");
    test.client.send_packet("world");
    test.client.send_eof();
  });
  REQUIRE(run_until(test.io, [&] { return test.server->ended().has_value(); }));
  CHECK(test.server->heard() == "hello\nworld\n");
  CHECK(test.server->has_seen_end());
  const auto rest = receive_to_end(test.io, test.client);
  test.server->write("ee\n");
  REQUIRE(run_until(test.io, [&] { return rest->packets.size() == 2; }));
  test.server->finish();
  REQUIRE(ends(test.io, rest->outcome));
  CHECK(rest->outcome->succeeded());
  CHECK(rest->packets == Packets{"two", "three"});
}

TEST_CASE("C4: a reset by the server ends a receive with connection_reset") {
  TcpPair test;
  const auto waiting = receive(test.io, test.client);
  settle(test.io);
  test.server->reset();
  REQUIRE(ends(test.io, waiting->outcome));
  CHECK(waiting->code() == asio::error::connection_reset);
  CHECK(waiting->code() == condition::disconnected);
  CHECK(contains(message(*waiting->outcome), "127.0.0.1:" + std::to_string(test.door.port())));
  const auto again = receive(test.io, test.client);
  REQUIRE(ends(test.io, again->outcome));
  CHECK(again->code() == condition::disconnected);
}

TEST_CASE("B3: what the server said before it hung up is received, although a send failed since") {
  TcpPair test;
  test.server->write("421 too busy\n421 good bye\n");
  test.in_turn([] {});
  test.server->close();
  CHECK(test.send_in_vain() == condition::disconnected);
  const auto reception = receive_to_end(test.io, test.client);
  REQUIRE(ends(test.io, reception->outcome));
  CHECK(reception->packets == Packets{"421 too busy", "421 good bye"});
  CHECK(reception->code() == condition::disconnected);
}

TEST_CASE("an abort is a reset for the server") {
  TcpPair test;
  test.server->read_on();
  test.in_turn([&] { test.client.abort(); });
  REQUIRE(run_until(test.io, [&] { return test.server->ended().has_value(); }));
  CHECK(*test.server->ended() == asio::error::connection_reset);
}

TEST_CASE("the destructor of a client with much queued loses nothing") {
  asio::io_context io;
  Door door(io);
  const std::size_t count = 200;
  const auto outcome = start(io, [&]() -> Task<void> {
    TcpClient client(io, Lines{});
    co_await client.connect("127.0.0.1", door.port());
    for (std::size_t i = 0; i < count; ++i) {
      client.send_packet(std::string(60'000, 'x'));
    }
  });
  REQUIRE(ends(io, outcome));
  auto server = door.accept();
  server.read_on();
  REQUIRE(run_until(io, [&] { return server.ended().has_value(); }));
  CHECK(server.heard().size() == count * 60'001);
  CHECK(server.has_seen_end());
}

TEST_CASE("a receive over TCP that times out keeps what came") {
  TcpPair test;
  test.server->write("he");
  const auto late = receive(test.io, test.client, 20ms);
  REQUIRE(ends(test.io, late->outcome));
  CHECK(late->code() == errc::timeout);
  test.server->write("llo\n");
  const auto whole = receive(test.io, test.client, 10s);
  REQUIRE(ends(test.io, whole->outcome));
  CHECK(whole->packets == Packets{"hello"});
}
