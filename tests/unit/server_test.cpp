// SPDX-License-Identifier: BSL-1.0
#include "cowire/server.hpp"

#include "support/journal.hpp"
#include "support/memory_server.hpp"
#include "support/thrown.hpp"

#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

/// Echoes; the request "wait" takes an hour.
Generator<Line> echo_or_wait(Client& client) {
  const Line line = co_yield {};
  if (line == "wait") {
    co_await wait_on(client.executor(), 1h);
  }
  client.send_packet(line);
}

/// Is asked for a request and then does not end, whatever is thrown.
Generator<Line> stubborn(Client& client) {
  co_yield {};
  for (;;) {
    try {
      co_await wait_on(client.executor(), 1h);
    } catch (const Error&) {
    }
  }
}

/// Says when it is destroyed.
class Mark {
 public:
  Mark(Journal& journal, std::string name) : journal_(&journal), name_(std::move(name)) {}
  Mark(Mark&& other) noexcept
      : journal_(std::exchange(other.journal_, nullptr)), name_(std::move(other.name_)) {}
  Mark& operator=(Mark&&) = delete;
  ~Mark() {
    if (journal_ != nullptr) {
      journal_->push_back(name_);
    }
  }

 private:
  Journal* journal_;
  std::string name_;
};

Script talking(Generator<Line> (*talk)(Client&)) {
  Script script;
  script.talk = talk;
  return script;
}

/// Gives dead connections only, until it was asked often enough; then those of a good door.
struct DeadDoor {
  using transport_type = MemoryDoor::transport_type;

  asio::any_io_executor get_executor() const { return door.get_executor(); }
  Task<transport_type> accept() {
    if (++*asked <= *dead) {
      throw std::system_error(std::make_error_code(std::errc::connection_aborted));
    }
    auto next = co_await door.accept();
    co_return next;
  }
  bool is_open() const { return door.is_open(); }
  void cancel() { door.cancel(); }
  void close() { door.close(); }
  Endpoint local_endpoint() const { return door.local_endpoint(); }
  int native_handle() const noexcept { return -1; }

  MemoryDoor door;
  int* dead;
  int* asked;
};

/// Lines, but the first connection's state cannot be made.
struct Picky : LineSerializer<> {
  struct decoder_state : LineSerializer<>::decoder_state {
    decoder_state() {
      if (std::exchange(fails, false)) {
        throw std::runtime_error("no state today");
      }
    }
  };
  Decoded<std::string> decode(Bytes bytes, decoder_state& state) const {
    return LineSerializer<>::decode(bytes, state);
  }
  static inline bool fails = true;
};

}  // namespace

// Starting.

TEST_CASE("S1, R1: a new server listens and does not serve") {
  MemoryServer world;
  CHECK(!world->is_serving());
  CHECK(world->is_listening());
  REQUIRE(world->local_endpoints().size() == 1);
  CHECK(world->local_endpoints()[0].address == "memory");
  CHECK(world->connections() == 0);

  Guest early = world.guest();
  early.say("hello\n");
  world.settle();
  CHECK(early.heard().empty());
  CHECK(world->connections() == 0);

  world.serve();
  CHECK(early.heard() == "hello\n");
}

TEST_CASE("S1, R11: a server over TCP has bound its port before it serves") {
  asio::io_context io;
  Server server(io, "127.0.0.1", 0, Lines{}, talking(echo));
  CHECK(server.is_listening());
  CHECK(!server.is_serving());
  CHECK(server.port() != 0);
  CHECK(server.local_endpoints() == std::vector<Endpoint>{{"127.0.0.1", server.port()}});
  const auto taken =
      thrown([&] { const Server second(io, "127.0.0.1", server.port(), Lines{}, talking(echo)); });
  REQUIRE(taken);
  CHECK(taken->code() == errc::listen_failed);
  server.stop_listening();
  CHECK(server.port() == 0);
}

TEST_CASE("S2, S5, R7: start works once at a time, and not after the end of listening") {
  MemoryServer world;
  const auto first = world.run(world->start());
  CHECK(first->succeeded());
  CHECK(world->is_serving());
  CHECK(world.run(world->start())->code() == errc::already_serving);
  CHECK(world->is_serving());
  world->close();
  world.settle();
  CHECK(world.run(world->start())->code() == errc::server_closed);
  CHECK(world.run(world->serve_forever())->code() == errc::server_closed);
}

TEST_CASE("S2: a server without a listener cannot be started") {
  asio::io_context io;
  Server<Lines, Script> server(io.get_executor(), Lines{}, Script{});
  CHECK(!server.is_listening());
  CHECK(server.port() == 0);
  const auto outcome = spawn(io, server.start());
  settle(io);
  CHECK(outcome->code() == errc::server_closed);
}

TEST_CASE("S2, S12: closed while service_init runs, the server does not serve") {
  Script script;
  script.init = [](Service& service) { return wait_on(service.executor(), 1h); };
  MemoryServer world(script);
  const auto outcome = world.serve();
  CHECK(!outcome->done);
  SUBCASE("close") { world->close(); }
  SUBCASE("stop_listening") { world->stop_listening(); }
  world.pass(1h);
  CHECK(outcome->succeeded());
  CHECK(!world->is_serving());
  CHECK(world.records.count("Start serving") == 0);
  CHECK(world.records.complaints() == "");
}

TEST_CASE("S3: service_init runs while peers may connect and nobody is accepted") {
  MemoryDoor* door = nullptr;
  MemoryServer* server = nullptr;
  Journal journal;
  std::optional<Guest> guest;
  Script script;
  script.init = [&](Service& service) -> Task<void> {
    guest = guest_on(door->connect());
    co_await wait_on(service.executor(), 1s);
    journal.push_back((*server)->is_serving() ? "serving" : "not serving");
    journal.push_back((*server)->is_listening() ? "listening" : "not listening");
    journal.push_back("connections " + std::to_string(service.connections()));
    journal.push_back("endpoints " + std::to_string(service.local_endpoints().size()));
  };
  script.hello = [&](Client&) -> Task<void> {
    journal.push_back("hello");
    co_return;
  };
  MemoryServer world(script);
  door = &world.door;
  server = &world;
  world.serve();
  CHECK(world.records.count("Start serving") == 0);
  world.pass(1s);
  CHECK(journal == Journal{"not serving", "listening", "connections 0", "endpoints 1", "hello"});
  CHECK(world.records.count("Start serving at memory", LogLevel::info) == 1);
  CHECK(world->is_serving());
  guest.reset();
}

TEST_CASE(
    "S3: what service_init throws leaves serve_forever, and the server may be started again") {
  int calls = 0;
  Journal journal;
  Script script;
  script.init = [&](Service& service) -> Task<void> {
    service.at_exit([&] { journal.push_back("exit"); });
    if (++calls == 1) {
      throw std::runtime_error("no database");
    }
    co_return;
  };
  MemoryServer world(script);
  const auto failed = world.serve();
  REQUIRE(failed->done);
  CHECK_THROWS_WITH_AS(std::rethrow_exception(failed->error), "no database", std::runtime_error);
  CHECK(journal == Journal{"exit"});
  CHECK(!world->is_serving());

  world.serve();
  CHECK(world->is_serving());
}

TEST_CASE("S5, R6: serve_forever runs once at a time") {
  MemoryServer world;
  const auto first = world.serve();
  CHECK(world.run(world->serve_forever())->code() == errc::already_serving);
  CHECK(!first->done);
  CHECK(world->is_serving());
}

TEST_CASE("S5: serve_forever runs once at a time, also while service_init runs") {
  Script script;
  script.init = [](Service& service) { return wait_on(service.executor(), 1s); };
  MemoryServer world(script);
  const auto first = world.serve();
  const auto second = world.serve();
  CHECK(second->code() == errc::already_serving);
  world.pass(1s);
  CHECK(!first->done);
  CHECK(world->is_serving());
}

TEST_CASE("S6, R8: serve_forever waits for a server that was started before") {
  MemoryServer world;
  world.run(world->start());
  const auto outcome = world.serve();
  CHECK(!outcome->done);
  world->request_shutdown();
  world.settle();
  CHECK(outcome->succeeded());
}

TEST_CASE("add_listener is refused while serving") {
  MemoryServer world;
  world.serve();
  CHECK_THROWS_AS(world->add_listener(world.door), Error);
}

TEST_CASE("S13: one server serves several listeners") {
  MemoryServer world;
  MemoryDoor second(world.io.get_executor());
  world->add_listener(second);
  world.serve();
  Guest one = world.guest();
  Guest two = guest_on(second.connect());
  one.say("1\n");
  two.say("2\n");
  world.settle();
  CHECK(one.heard() == "1\n");
  CHECK(two.heard() == "2\n");
  CHECK(world->connections() == 2);
  CHECK(world->local_endpoints().size() == 2);
}

// Stopping.

TEST_CASE("S4: the order of the end: acceptors, peers, at_exit last one first") {
  Journal journal;
  Script script;
  script.init = [&](Service& service) -> Task<void> {
    service.at_exit([&] { journal.push_back("exit 1"); });
    service.at_exit([&] { journal.push_back("exit 2"); });
    service.spawn([&journal, &service]() -> Task<void> {
      const Mark mark(journal, "background");
      co_await wait_on(service.executor(), 1h);
    });
    co_return;
  };
  script.bye = [&](Client&) -> Task<void> {
    journal.push_back("bye");
    co_return;
  };
  MemoryServer world(script);
  const auto outcome = world.serve();
  Guest guest = world.guest();
  world->request_shutdown();
  world.settle();
  guest.close();
  world.settle();
  CHECK(outcome->succeeded());
  CHECK(journal == Journal{"bye", "background", "exit 2", "exit 1"});
  const std::size_t broke =
      world.records.position("Server loop break, waiting for remaining tasks");
  const std::size_t left = world.records.position("disconnected");
  const std::size_t stopped = world.records.position("Server stopped");
  CHECK(broke < left);
  CHECK(left < stopped);
  CHECK(stopped + 1 == world.records.all().size());
  CHECK(world.records.complaints() == "");
}

TEST_CASE("S7: shutdown waits for the hooks of the peers") {
  Journal journal;
  Script script;
  script.bye = [&](Client& client) -> Task<void> {
    co_await wait_on(client.executor(), 1s);
    client.send_packet("bye");
    journal.push_back("bye");
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  const auto stopping = world.run(world->shutdown());
  CHECK(!stopping->done);
  CHECK(!world->is_serving());
  world.pass(999ms);
  CHECK(!stopping->done);
  world.pass(1ms);
  CHECK(journal == Journal{"bye"});
  CHECK(guest.heard() == "bye\n");
  CHECK(guest.ended() == asio::error::eof);
  guest.close();
  world.settle();
  CHECK(stopping->succeeded());
  CHECK(serving->succeeded());
  CHECK(world.records.complaints() == "");
}

TEST_CASE("S7, R2: shutdown of a server that does not serve does nothing") {
  MemoryServer world;
  CHECK(world.run(world->shutdown())->succeeded());
  world.serve();
  CHECK(world->is_serving());
}

TEST_CASE("S7: ten shutdowns at once, and one more after them") {
  MemoryServer world(talking(echo_or_wait));
  const auto serving = world.serve();
  Guest guest = world.guest();
  guest.say("wait\n");
  world.settle();
  std::vector<std::shared_ptr<Outcome>> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(spawn(world.io, world->shutdown()));
  }
  world.settle();
  guest.close();
  world.settle();
  for (const auto& one : all) {
    CHECK(one->succeeded());
  }
  CHECK(serving->succeeded());
  CHECK(world.run(world->shutdown())->succeeded());
}

TEST_CASE("S8: shutdown during service_init ends it; the server never serves") {
  Journal journal;
  Script script;
  script.init = [&](Service& service) -> Task<void> {
    service.at_exit([&] { journal.push_back("exit"); });
    const Mark mark(journal, "init");
    co_await wait_on(service.executor(), 1h);
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  const auto stopping = world.run(world->shutdown());
  CHECK(stopping->succeeded());
  CHECK(serving->succeeded());
  CHECK(journal == Journal{"init", "exit"});
  CHECK(world.records.count("Start serving") == 0);
}

TEST_CASE("S9, R4: after shutdown peers may connect and wait, and are served by the next run") {
  MemoryServer world;
  for (int round = 0; round < 3; ++round) {
    const auto serving = world.serve();
    CHECK(world->is_serving());
    world.run(world->shutdown());
    CHECK(serving->succeeded());
    CHECK(!world->is_serving());
    CHECK(world->is_listening());
  }
  Guest guest = world.guest();
  guest.say("hello\n");
  world.settle();
  CHECK(guest.heard().empty());
  world.serve();
  CHECK(guest.heard() == "hello\n");
}

TEST_CASE("S9, R9: a server over TCP keeps its port from one run to the next") {
  asio::io_context io;
  Server server(io, "127.0.0.1", 0, Lines{}, talking(echo));
  const std::uint16_t port = server.port();
  for (int round = 0; round < 2; ++round) {
    const auto serving = spawn(io, server.serve_forever());
    REQUIRE(run_until(io, [&] { return server.is_serving(); }));
    const auto stopping = spawn(io, server.shutdown());
    REQUIRE(run_until(io, [&] { return stopping->done && serving->done; }));
    CHECK(server.port() == port);
  }
}

TEST_CASE("S10, R5: stop_listening may be repeated; connected peers are served on, to the last") {
  MemoryServer world;
  const auto serving = world.serve();
  Guest one = world.guest();
  Guest two = world.guest();
  for (int i = 0; i < 3; ++i) {
    world->stop_listening();
  }
  world.settle();
  CHECK(!world->is_serving());
  CHECK(!world->is_listening());
  CHECK(world->local_endpoints().empty());
  CHECK(world->port() == 0);
  CHECK_THROWS_AS(world.door.connect(), std::system_error);

  one.say("hello\n");
  world.settle();
  CHECK(one.heard() == "hello\n");
  one.close();
  world.settle();
  CHECK(!serving->done);
  two.say("hello\n");
  world.settle();
  CHECK(two.heard() == "hello\n");
  two.close();
  world.settle();
  CHECK(serving->succeeded());
  CHECK(world.records.complaints() == "");
}

TEST_CASE("S10, R3: without peers stop_listening ends the server at once") {
  MemoryServer world;
  const auto serving = world.serve();
  world->stop_listening();
  world.settle();
  CHECK(serving->succeeded());
  CHECK(world.records.count("Server stopped") == 1);
}

TEST_CASE("S10: close ends the server and its peers; wait_closed waits for that") {
  MemoryServer world(talking(echo_or_wait));
  const auto serving = world.serve();
  Guest idle = world.guest();
  Guest busy = world.guest();
  busy.say("wait\n");
  world.settle();
  world->close();
  world->close();
  const auto closed = world.run(world->wait_closed());
  CHECK(!world->is_listening());
  idle.close();
  busy.close();
  world.settle();
  CHECK(closed->succeeded());
  CHECK(serving->succeeded());
  CHECK(world->connections() == 0);
  CHECK(world.run(world->wait_closed())->succeeded());
}

TEST_CASE("S11: a handler stops the listening and goes on answering") {
  std::function<void()> stop;
  Script script;
  script.init = [&](Service& service) -> Task<void> {
    stop = [&service] { service.stop_listening(); };
    co_return;
  };
  script.talk = [&](Client& client) -> Generator<Line> {
    const Line line = co_yield {};
    if (line == "stop") {
      stop();
    }
    client.send_packet(line);
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  guest.say("stop\nmore\n");
  world.settle();
  CHECK(guest.heard() == "stop\nmore\n");
  CHECK_THROWS_AS(world.door.connect(), std::system_error);
  CHECK(!serving->done);
  guest.close();
  world.settle();
  CHECK(serving->succeeded());
}

TEST_CASE("S11: a handler requests the shutdown of its server") {
  std::function<void()> stop;
  Script script;
  script.init = [&](Service& service) -> Task<void> {
    stop = [&service] { service.request_shutdown(10s); };
    co_return;
  };
  script.talk = [&](Client& client) -> Generator<Line> {
    co_yield {};
    stop();
    client.send_packet("stopping");
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  guest.say("stop\n");
  world.settle();
  CHECK(guest.heard() == "stopping\n");
  guest.close();
  world.settle();
  CHECK(serving->succeeded());
  CHECK(world.records.complaints() == "");
}

TEST_CASE("serve_forever, cancelled, shuts down and then throws operation_aborted") {
  Script script = talking(echo_or_wait);
  Journal journal;
  script.bye = [&](Client& client) -> Task<void> {
    client.send_packet("bye");
    journal.push_back("bye");
    co_return;
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  serving->cancel.emit(asio::cancellation_type::terminal);
  world.settle();
  guest.close();
  world.settle();
  REQUIRE(serving->done);
  CHECK(serving->code() == asio::error::operation_aborted);
  CHECK(guest.heard() == "bye\n");
  CHECK(world->connections() == 0);
}

TEST_CASE("serve_forever, cancelled during service_init, ends") {
  Journal journal;
  Script script;
  script.init = [&](Service& service) -> Task<void> {
    const Mark mark(journal, "init");
    co_await wait_on(service.executor(), 1h);
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  serving->cancel.emit(asio::cancellation_type::terminal);
  world.settle();
  CHECK(serving->done);
  CHECK(journal == Journal{"init"});
  CHECK(!world->is_serving());
  world.serve();
  world.pass(1h);
  CHECK(world->is_serving());
}

TEST_CASE("start, cancelled during service_init, throws, and the server does not serve") {
  Script script;
  Journal journal;
  script.init = [&](Service& service) -> Task<void> {
    const Mark mark(journal, "init");
    co_await wait_on(service.executor(), 1h);
  };
  MemoryServer world(script);
  const auto starting = world.run(world->start());
  starting->cancel.emit(asio::cancellation_type::terminal);
  world.settle();
  CHECK(starting->code() == asio::error::operation_aborted);
  CHECK(journal == Journal{"init"});
  CHECK(!world->is_serving());
  CHECK(world->is_listening());
}

TEST_CASE("shutdown and wait_closed, cancelled, wait no longer; the server goes on stopping") {
  MemoryServer world(talking(echo_or_wait));
  const auto serving = world.serve();
  Guest guest = world.guest();
  const auto closed = world.run(world->wait_closed());
  const auto stopped = world.run(world->shutdown());
  CHECK(!stopped->done);  // It waits for the guest's end.
  for (const auto& waiting : {stopped, closed}) {
    waiting->cancel.emit(asio::cancellation_type::terminal);
    world.settle();
    CHECK(waiting->code() == asio::error::operation_aborted);
  }
  CHECK(!serving->done);
  guest.close();
  world.settle();
  CHECK(serving->succeeded());
}

TEST_CASE("a caller whose start failed can be cancelled at what it does next") {
  Script script;
  bool first = true;
  script.init = [&](Service&) -> Task<void> {
    if (std::exchange(first, false)) {
      throw std::runtime_error("the first start fails");
    }
    co_return;
  };
  MemoryServer world(script);
  const auto outcome = world.run([](MemoryServer::Server& server) -> Task<void> {
    try {
      co_await server.serve_forever();
    } catch (const std::runtime_error&) {
    }
    co_await server.serve_forever();
  }(*world.server));
  REQUIRE(world->is_serving());
  outcome->cancel.emit(asio::cancellation_type::terminal);
  world.settle();
  REQUIRE(outcome->done);
  CHECK(outcome->code() == asio::error::operation_aborted);
  CHECK(!world->is_serving());
}

TEST_CASE("S9: who waits for the stop is told, although the server starts again at once") {
  MemoryServer world;
  int runs = 0;
  const auto loop = [](MemoryServer::Server& server, int& count) -> Task<void> {
    while (count < 3) {
      ++count;
      co_await server.serve_forever();
    }
  };
  const auto serving = world.run(loop(*world.server, runs));
  const auto stopped = world.run(world->wait_closed());
  const auto shut = world.run(world->shutdown());
  CHECK(runs == 2);
  CHECK(stopped->succeeded());
  CHECK(shut->succeeded());
  CHECK(world->is_serving());
}

TEST_CASE("a background task that was left behind does not harm the next run") {
  Script script;
  bool first = true;
  bool fails = false;
  SUBCASE("it ends by its cancellation") { fails = false; }
  SUBCASE("it fails") { fails = true; }
  script.init = [&](Service& service) -> Task<void> {
    if (std::exchange(first, false)) {
      service.spawn([&]() -> Task<void> {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await wait_on(service.executor(), 1h);
        if (fails) {
          throw std::runtime_error("too late");
        }
        throw std::system_error(make_error_code(asio::error::operation_aborted));
      });
    }
    co_return;
  };
  MemoryServer world(script);
  world.serve();
  world->request_shutdown();
  world.pass(10s);
  CHECK(!world->is_serving());
  CHECK(world.records.count("left behind", LogLevel::error) == 1);
  const auto serving = world.serve();
  world.pass(1h);
  CHECK(world->is_serving());
  CHECK(!serving->done);
  CHECK(world.records.count("too late", LogLevel::error) == (fails ? 1 : 0));
}

// Shutdown and the peers.

TEST_CASE("D11: a handler that waits at its yield finds errc::cancelled there") {
  std::error_code seen;
  int after = 0;
  Script script;
  script.talk = [&](Client& client) -> Generator<Line> {
    try {
      co_yield {};
    } catch (const Error& error) {
      seen = error.code();
    }
    client.send_packet("going down");
    ++after;
    co_yield {};
    ++after;
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  world->request_shutdown();
  world.settle();
  CHECK(seen == errc::cancelled);
  CHECK(after == 1);
  CHECK(guest.heard() == "going down\n");
  CHECK(guest.ended() == asio::error::eof);
  guest.close();
  world.settle();
  CHECK(serving->succeeded());
  CHECK(world.records.complaints() == "");
}

TEST_CASE("D11: as_result does not turn the cancellation into an answer") {
  Journal journal;
  Script script;
  script.talk = [&](Client&) -> Generator<Line> {
    const Mark mark(journal, "gone");
    const auto request = co_yield as_result;
    journal.push_back(request ? "request" : "error");
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  world->request_shutdown();
  world.settle();
  guest.close();
  world.settle();
  CHECK(journal == Journal{"gone"});
  CHECK(serving->succeeded());
  CHECK(world.records.complaints() == "");
}

TEST_CASE(
    "D11: a handler in a long wait is cancelled there, and on_disconnection may wait and send") {
  std::error_code seen;
  Script script;
  script.talk = [&](Client& client) -> Generator<Line> {
    co_yield {};
    try {
      co_await wait_on(client.executor(), 1h);
    } catch (const Error& error) {
      seen = error.code();
      throw;
    }
  };
  script.bye = [&](Client& client) -> Task<void> {
    co_await wait_on(client.executor(), 1s);
    client.send_packet(client.is_closing() ? "closing" : "bye");
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  guest.say("x\n");
  world.settle();
  world->request_shutdown();
  world.settle();
  CHECK(seen == errc::cancelled);
  world.pass(1s);
  CHECK(guest.heard() == "bye\n");
  CHECK(guest.ended() == asio::error::eof);
  guest.close();
  world.settle();
  CHECK(serving->succeeded());
  CHECK(world.records.complaints() == "");
}

TEST_CASE("shutdown while on_connection runs cancels it; the handler is not started") {
  std::error_code seen;
  bool talked = false;
  Script script;
  script.hello = [&](Client& client) -> Task<void> {
    try {
      co_await wait_on(client.executor(), 1h);
    } catch (const std::system_error& error) {
      seen = error.code();
      throw;
    }
  };
  script.talk = [&](Client&) -> Generator<Line> {
    talked = true;
    co_yield {};
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  world->request_shutdown();
  world.settle();
  guest.close();
  world.settle();
  CHECK(seen == asio::error::operation_aborted);
  CHECK(!talked);
  CHECK(serving->succeeded());
  CHECK(world.records.complaints() == "");
}

TEST_CASE(
    "A6: shutdown right after a connect waits for the peer to close, for close_timeout at most") {
  MemoryServer world;
  const auto serving = world.serve();
  Guest guest = guest_on(world.door.connect());
  const auto stopping = spawn(world.io, world->shutdown());
  world.settle();
  CHECK_FALSE(stopping->done);
  SUBCASE("it closes") {
    guest.close();
    world.settle();
  }
  SUBCASE("it does not") {
    world.pass(2999ms);
    CHECK_FALSE(stopping->done);
    world.pass(1ms);
  }
  CHECK(stopping->succeeded());
  CHECK(serving->succeeded());
  CHECK(world.records.complaints() == "");
}

TEST_CASE("S7, D10: a handler that ignores its cancellation is cut off; no on_disconnection") {
  int farewells = 0;
  Script script = talking(stubborn);
  script.bye = [&](Client&) -> Task<void> {
    ++farewells;
    co_return;
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  guest.say("x\n");
  world.settle();
  const auto stopping = world.run(world->shutdown());
  world.pass(2999ms);
  CHECK(!stopping->done);
  CHECK(!guest.has_ended());
  world.pass(1ms);
  CHECK(stopping->succeeded());
  CHECK(serving->succeeded());
  CHECK(guest.ended() == asio::error::connection_reset);
  CHECK(world->connections() == 0);
  CHECK(farewells == 0);
  CHECK(world.records.count("did not end after they were cancelled", LogLevel::warning) == 1);
}

TEST_CASE("S7: hooks that ignore their cancellation are cut off too") {
  const auto never_ends = [](Client& client) -> Task<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    for (;;) {
      try {
        co_await wait_on(client.executor(), 1h);
      } catch (const std::system_error&) {
      }
    }
  };
  Script script;
  SUBCASE("on_connection") { script.hello = never_ends; }
  SUBCASE("on_disconnection") { script.bye = never_ends; }
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  const auto stopping = world.run(world->shutdown());
  CHECK(!stopping->done);
  world.pass(3s);
  CHECK(stopping->succeeded());
  CHECK(serving->succeeded());
  CHECK(world->connections() == 0);
}

TEST_CASE("D11: drain: idle peers are closed at once, busy ones finish their request") {
  Script script;
  script.talk = [](Client& client) -> Generator<Line> {
    const Line line = co_yield {};
    co_await wait_on(client.executor(), 5s);
    client.send_packet(line);
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest idle = world.guest();
  Guest busy = world.guest();
  busy.say("work\n");
  world.settle();

  const auto stopping = world.run(world->shutdown(10s));
  CHECK(idle.ended() == asio::error::eof);
  CHECK(!busy.has_ended());
  idle.close();
  world.settle();
  CHECK(world->connections() == 1);

  world.pass(4s);
  CHECK(!busy.has_ended());
  world.pass(1s);
  CHECK(busy.heard() == "work\n");
  CHECK(busy.ended() == asio::error::eof);
  CHECK(!stopping->done);
  busy.close();
  world.settle();
  CHECK(stopping->succeeded());
  CHECK(serving->succeeded());
  CHECK(world.records.complaints() == "");
}

TEST_CASE(
    "drain: requests that were received before are answered, and a begun one may be finished") {
  MemoryServer world;
  world.serve();
  Guest guest = world.guest();
  guest.say("one\ntw");
  world.settle();
  const auto stopping = world.run(world->shutdown(10s));
  CHECK(!guest.has_ended());
  guest.say("o\n");
  world.settle();
  CHECK(guest.heard() == "one\ntwo\n");
  CHECK(guest.ended() == asio::error::eof);
  guest.close();
  world.settle();
  CHECK(stopping->succeeded());
}

TEST_CASE("drain: a peer that has not taken its answers is busy") {
  Script script;
  script.talk = [](Client& client) -> Generator<Line> {
    const Line line = co_yield {};
    client.send_packet(line);
  };
  MemoryServer world(script);
  world.serve();
  MemoryOptions narrow;
  narrow.capacity = 4;
  MemoryEnd end = world.door.connect({}, narrow);
  world.settle();
  const Line request = "0123456789\n";
  end.async_write_some(asio::buffer(request), [](std::error_code, std::size_t) {});
  world.settle();
  const auto stopping = world.run(world->shutdown(10s));
  CHECK(world->connections() == 1);
  Guest guest = guest_on(std::move(end));
  world.settle();
  CHECK(guest.heard() == request);
  CHECK(guest.ended() == asio::error::eof);
  guest.close();
  world.settle();
  CHECK(stopping->succeeded());
}

TEST_CASE("S7, D11: drain: at the deadline the handlers are cancelled, later they are cut off") {
  Journal journal;
  Script script = talking(echo_or_wait);
  script.bye = [&](Client& client) -> Task<void> {
    journal.push_back("bye " + std::to_string(client.id()));
    co_return;
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  guest.say("wait\n");
  world.settle();
  const auto stopping = world.run(world->shutdown(10s));
  world.pass(9999ms);
  CHECK(journal.empty());
  CHECK(!guest.has_ended());
  world.pass(1ms);
  CHECK(journal == Journal{"bye 1"});
  CHECK(guest.ended() == asio::error::eof);
  CHECK(!stopping->done);  // The guest does not close its side.
  world.pass(3s);
  CHECK(stopping->succeeded());
  CHECK(serving->succeeded());
}

TEST_CASE("drain: its progress is logged, at most once a second") {
  MemoryServer world;
  const auto serving = world.serve();
  std::vector<Guest> guests;
  for (int i = 0; i < 3; ++i) {
    guests.push_back(world.guest());
    guests.back().say("a part of a request");
    world.settle();
  }
  const auto stopping = world.run(world->shutdown(10s));
  CHECK(world.records.count("Shutdown: waiting for 3 busy connections") == 1);
  guests[0].reset();
  guests[1].reset();
  world.pass(900ms);
  CHECK(world->connections() == 1);
  CHECK(world.records.count("Shutdown: waiting for") == 1);
  world.pass(100ms);
  CHECK(world.records.count("Shutdown: waiting for 1 busy connections") == 1);
  world.pass(8s);
  CHECK(world.records.count("Shutdown: waiting for") == 2);
  world.pass(1s);
  CHECK(world.records.count("Shutdown: cancelling 1 connections") == 1);
  guests[2].close();
  world.settle();
  CHECK(stopping->succeeded());
}

TEST_CASE("S7: drain: who ends late in the grace still has time to close in order") {
  Script script = talking(echo_or_wait);
  std::optional<MemoryServer> world;
  script.bye = [&](Client& client) -> Task<void> {
    testing::ManualClock::Timer<asio::any_io_executor> timer(client.executor());
    timer.expires_at(testing::ManualClock::now(client.executor()) + 1s);
    std::error_code ec;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  };
  world.emplace(script);
  const auto serving = world->serve();
  Guest guest = world->guest();
  guest.say("wait\n");
  world->settle();
  const auto stopping = world->run((*world)->shutdown());
  world->pass(1s);
  CHECK(guest.ended() == asio::error::eof);  // It does not close its side.
  world->pass(2500ms);                       // The grace is over.
  CHECK(!stopping->done);
  world->pass(500ms);
  CHECK(stopping->succeeded());
  CHECK(world->records.complaints() == "");
}

TEST_CASE("drain: an earlier deadline wins, a later one changes nothing") {
  MemoryServer world(talking(echo_or_wait));
  const auto serving = world.serve();
  Guest guest = world.guest();
  guest.say("wait\n");
  world.settle();
  world->request_shutdown(10s);
  world.settle();
  world.pass(1s);
  world->request_shutdown(30s);
  world->request_shutdown(2s);
  world->request_shutdown(30s);
  world.settle();
  world.pass(1999ms);
  CHECK(!guest.has_ended());
  world.pass(1ms);
  CHECK(guest.ended() == asio::error::eof);
  guest.close();
  world.settle();
  CHECK(serving->succeeded());
}

TEST_CASE("while it drains nobody is accepted") {
  MemoryServer world(talking(echo_or_wait));
  world.serve();
  Guest busy = world.guest();
  busy.say("wait\n");
  world.settle();
  world->request_shutdown(10s);
  world.settle();
  Guest late = world.guest();
  late.say("hello\n");
  world.settle();
  CHECK(late.heard().empty());
  CHECK(world->connections() == 1);
  CHECK(!world->is_serving());
}

// Background work.

TEST_CASE("S15: background tasks and at_exit live as long as the server serves") {
  Journal journal;
  Script script;
  script.init = [&](Service& service) -> Task<void> {
    service.spawn([&journal, &service]() -> Task<void> {
      const Mark mark(journal, "end of ticks");
      for (;;) {
        co_await wait_on(service.executor(), 1s);
        journal.push_back("tick");
      }
    });
    service.spawn(wait_on(service.executor(), 1h));
    service.at_exit([&journal] { journal.push_back("exit"); });
    co_return;
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  world.pass(2500ms);
  CHECK(journal == Journal{"tick", "tick"});
  world->request_shutdown();
  world.settle();
  CHECK(serving->succeeded());
  CHECK(journal == Journal{"tick", "tick", "end of ticks", "exit"});
  CHECK(world.records.complaints() == "");
}

TEST_CASE("a background task that fails shuts the server down, and serve_forever throws it") {
  Script script;
  script.init = [](Service& service) -> Task<void> {
    service.spawn([&service]() -> Task<void> {
      co_await wait_on(service.executor(), 1s);
      throw std::runtime_error("disk full");
    });
    co_return;
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  Guest guest = world.guest();
  world.pass(1s);
  CHECK(guest.ended() == asio::error::eof);
  guest.close();
  world.settle();
  REQUIRE(serving->done);
  CHECK_THROWS_WITH_AS(std::rethrow_exception(serving->error), "disk full", std::runtime_error);
  CHECK(world.records.count("disk full", LogLevel::error) == 1);
}

TEST_CASE("a background task that ends by itself means nothing") {
  Script script;
  script.init = [](Service& service) -> Task<void> {
    service.spawn(wait_on(service.executor(), 1s));
    co_return;
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  world.pass(2s);
  CHECK(world->is_serving());
  CHECK(!serving->done);
}

TEST_CASE("a background task that ignores its cancellation is left behind, with an error") {
  Script script;
  script.init = [](Service& service) -> Task<void> {
    service.spawn([executor = service.executor()]() -> Task<void> {
      co_await asio::this_coro::throw_if_cancelled(false);
      for (int i = 0; i < 3; ++i) {  // Cancelled at the end, and when its group goes.
        try {
          co_await wait_on(executor, 1h);
        } catch (const std::system_error&) {
        }
      }
      throw std::runtime_error("late failure");
    });
    co_return;
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  const auto stopping = world.run(world->shutdown());
  CHECK(!stopping->done);
  world.pass(3s);
  CHECK(stopping->succeeded());
  CHECK(serving->succeeded());
  CHECK(world.records.count("left behind", LogLevel::error) == 1);
  SUBCASE("and may fail when the server is gone") { world.server.reset(); }
  SUBCASE("and may fail while the server serves again") { world.serve(); }
  world.pass(1h);
}

TEST_CASE("an at_exit function may add another, which is called next") {
  Journal journal;
  Script script;
  script.init = [&](Service& service) -> Task<void> {
    service.at_exit([&] { journal.push_back("first"); });
    service.at_exit([&] {
      journal.push_back("last");
      for (int i = 0; i < 10; ++i) {
        service.at_exit([&journal] { journal.push_back("added"); });
      }
    });
    co_return;
  };
  MemoryServer world(script);
  world.serve();
  world->request_shutdown();
  world.settle();
  REQUIRE(journal.size() == 12);
  CHECK(journal.front() == "last");
  CHECK(journal.back() == "first");
}

TEST_CASE("an at_exit function that throws is logged, and the others are called") {
  Journal journal;
  Script script;
  script.init = [&](Service& service) -> Task<void> {
    service.at_exit([&] { journal.push_back("first"); });
    service.at_exit([] { throw std::runtime_error("cannot close"); });
    co_return;
  };
  MemoryServer world(script);
  const auto serving = world.serve();
  world->request_shutdown();
  world.settle();
  CHECK(serving->succeeded());
  CHECK(journal == Journal{"first"});
  CHECK(world.records.count("cannot close", LogLevel::error) == 1);
}

// Accepting.

TEST_CASE("A2: out of descriptors, the server backs off, logs, and then serves who waits") {
  MemoryServer world;
  const auto serving = world.serve();
  const std::error_code too_many = asio::error::no_descriptors;  // What a socket says.
  for (int i = 0; i < 4; ++i) {
    world.door.fail_next(too_many);
  }
  Guest guest = world.guest();
  guest.say("hello\n");
  world.settle();
  CHECK(guest.heard().empty());
  CHECK(world.records.count("accept at memory failed", LogLevel::error) == 1);
  CHECK(world.records.count("in 5 ms") == 1);
  world.pass(4ms);
  CHECK(world.records.count("accept at memory failed", LogLevel::error) == 1);
  world.pass(1ms);
  CHECK(world.records.count("in 10 ms") == 1);
  world.pass(10ms);
  CHECK(world.records.count("in 20 ms") == 1);
  world.pass(20ms);
  CHECK(world.records.count("in 40 ms") == 1);
  CHECK(guest.heard().empty());
  world.pass(40ms);
  CHECK(guest.heard() == "hello\n");
  CHECK(world->is_serving());

  SUBCASE("a success resets the wait") {
    world.door.fail_next(too_many);
    world.settle();
    CHECK(world.records.count("in 5 ms") == 2);
  }
  SUBCASE("the wait grows to a second at most") {
    for (int i = 0; i < 12; ++i) {
      world.door.fail_next(too_many);
    }
    world.pass(10s);
    CHECK(world.records.count("in 1000 ms") == 4);
    CHECK(world->is_serving());
  }
  CHECK(!serving->done);
}

TEST_CASE("A2: a shutdown does not wait for the back-off") {
  MemoryServer world;
  const auto serving = world.serve();
  for (int i = 0; i < 12; ++i) {
    world.door.fail_next(std::make_error_code(std::errc::too_many_files_open_in_system));
  }
  world.pass(2s);
  world->request_shutdown();
  world.settle();
  CHECK(serving->succeeded());
}

TEST_CASE("A3: connections that died before they were accepted are skipped without a word") {
  MemoryServer world;
  world.serve();
  for (const int code : {ECONNABORTED, EPROTO, ECONNRESET, EHOSTUNREACH, ENETDOWN}) {
    world.door.fail_next(std::error_code(code, asio::error::get_system_category()));
    world.door.fail_next(std::error_code(code, std::generic_category()));
  }
  Guest guest = world.guest();
  guest.say("hello\n");
  world.settle();
  CHECK(guest.heard() == "hello\n");
  CHECK(world.records.complaints() == "");
}

TEST_CASE("A3: dead connections one after the other, for ever, do not keep the server busy") {
  int dead = 1'000'000;
  int asked = 0;
  MemoryServer world;
  MemoryDoor good(world.io.get_executor());
  world->add_listener(DeadDoor{good, &dead, &asked});
  world.serve();
  const auto is_served = [&] {
    Guest guest = guest_on(good.connect());
    guest.say("hello\n");
    world.settle();
    return guest.heard() == "hello\n";
  };
  CHECK(asked == 100);
  CHECK(world->stats().accept_back_offs == 1);
  CHECK(world.records.count("accept at memory failed (", LogLevel::error) == 1);
  CHECK(world.records.count("in 5 ms", LogLevel::error) == 1);
  world.pass(5ms);
  CHECK(asked == 101);
  CHECK(world->stats().accept_back_offs == 2);
  world.pass(10ms);
  CHECK(asked == 102);
  world.pass(10min);
  CHECK(asked < 1'000);  // One a second, in the end.
  CHECK(world->stats().accept_back_offs == static_cast<std::uint64_t>(asked) - 99);

  dead = asked;
  world.pass(1s);
  CHECK(is_served());

  const std::uint64_t pauses = world->stats().accept_back_offs;
  dead = asked + 99;  // The count began anew.
  CHECK(is_served());
  CHECK(is_served());
  CHECK(asked > dead);
  CHECK(world->stats().accept_back_offs == pauses);
}

TEST_CASE("A3: any other error of accept ends the server, and serve_forever throws it") {
  MemoryServer world;
  const auto serving = world.serve();
  Guest guest = world.guest();
  world.door.fail_next(asio::error::bad_descriptor);
  world.settle();
  guest.close();
  world.settle();
  REQUIRE(serving->done);
  CHECK(serving->code() == asio::error::bad_descriptor);
  CHECK(world.records.count("accept at memory failed", LogLevel::error) == 1);
}

TEST_CASE("E11: a protocol that fails to make a connection's state loses that connection only") {
  using P = StreamProtocol<Picky>;
  asio::io_context io;
  MemoryDoor door(io.get_executor());
  const Records records;
  ServerOptions options;
  options.logger = records.logger();
  Server<P, Generator<Line> (*)(Client&), testing::ManualClock> server(io.get_executor(), P(),
                                                                       &echo, options);
  server.add_listener(door);
  const auto serving = spawn(io, server.serve_forever());
  settle(io);
  const Guest lost = guest_on(door.connect());
  Guest served = guest_on(door.connect());
  served.say("hello\n");
  settle(io);
  CHECK(lost.has_ended());
  CHECK(served.heard() == "hello\n");
  CHECK(records.count("no state today", LogLevel::error) == 1);
}

TEST_CASE("A5, E13: a peer that is gone before its turn leaves no complaint") {
  Journal journal;
  Script script;
  script.hello = [&](Client&) -> Task<void> {
    journal.push_back("hello");
    co_return;
  };
  script.bye = [&](Client&) -> Task<void> {
    journal.push_back("bye");
    co_return;
  };
  MemoryServer world(script);
  world.serve();
  for (int i = 0; i < 3; ++i) {
    Guest guest = guest_on(world.door.connect());
    if (i == 1) {
      guest.reset();
    } else {
      guest.close();
    }
  }
  world.settle();
  CHECK(world->connections() == 0);
  CHECK(world.records.count("Accepted new connection") == 3);
  CHECK(std::count(journal.begin(), journal.end(), "hello") == 3);
  CHECK(std::count(journal.begin(), journal.end(), "bye") == 3);
  CHECK(world.records.complaints() == "");
}

TEST_CASE("A7: connects and disconnects are logged at info, or debug, with the peer") {
  ServerOptions options;
  LogLevel level = LogLevel::info;
  SUBCASE("by default") {}
  SUBCASE("log_connections off") {
    options.log_connections = false;
    level = LogLevel::debug;
  }
  MemoryServer world({}, options);
  world.serve();
  {
    Guest guest = world.guest();
  }
  world.settle();
  for (const char* text :
       {"Accepted new connection (peer memory-a", "disconnected (peer memory-a"}) {
    CAPTURE(text);
    REQUIRE(world.records.count(text) == 1);
    CHECK(world.records.all()[world.records.position(text)].level == level);
  }
}

TEST_CASE("B5: above max_connections peers wait until one leaves") {
  ServerOptions options;
  options.max_connections = 2;
  MemoryServer world({}, options);
  world.serve();
  std::vector<Guest> guests;
  for (int i = 0; i < 4; ++i) {
    guests.push_back(world.guest());
    guests.back().say(std::to_string(i) + "\n");
  }
  world.settle();
  CHECK(world->connections() == 2);
  CHECK(guests[1].heard() == "1\n");
  CHECK(guests[2].heard().empty());
  CHECK(world.records.count("the limit of 2 connections", LogLevel::warning) == 1);

  guests[0].close();
  world.settle();
  CHECK(world->connections() == 2);
  CHECK(guests[2].heard() == "2\n");
  CHECK(guests[3].heard().empty());
  guests[1].close();
  guests[2].close();
  world.settle();
  CHECK(guests[3].heard() == "3\n");
  CHECK(world->connections() == 1);
}

TEST_CASE("max_connections counts the peers of all listeners together") {
  ServerOptions options;
  options.max_connections = 1;
  MemoryServer world({}, options);
  MemoryDoor other(world.io.get_executor());
  world->add_listener(other);
  world.serve();
  std::optional<Guest> one = guest_on(world.door.connect());
  std::optional<Guest> two = guest_on(other.connect());
  one->say("one\n");
  two->say("two\n");
  world.settle();
  CHECK(world->connections() == 1);
  CHECK(one->heard() + two->heard() == "one\n");
  one->close();
  world.settle();
  CHECK(world->connections() == 1);
  CHECK(two->heard() == "two\n");
}

TEST_CASE("limits that make no sense are taken for the nearest that does") {
  Limits limits;
  const auto for_all = [&](std::chrono::milliseconds time, std::size_t count) {
    limits.idle_timeout = limits.frame_timeout = limits.send_timeout = limits.close_timeout = time;
    limits.output_high = limits.output_low = limits.output_limit = limits.receive_limit = count;
    limits.packets_per_turn = limits.bytes_per_turn = count;
  };
  SUBCASE("nothing") { for_all(0ms, 0); }
  SUBCASE("negative times") { for_all(-1ms, 0); }
  SUBCASE("everything") {
    for_all(std::chrono::milliseconds::max(), std::numeric_limits<std::size_t>::max());
  }
  SUBCASE("the lowest of times") { for_all(std::chrono::milliseconds::min(), 1); }
  ServerOptions options;
  options.limits = limits;
  MemoryServer world({}, options);
  const auto serving = world.serve();
  Guest guest = world.guest();
  guest.say("one\ntw");
  world.settle();
  world.pass(1h);
  guest.say("o\n");
  world.settle();
  if (limits.output_limit > 1) {
    CHECK(guest.heard() == "one\ntwo\n");
  } else {  // No queue holds an answer: the peer is dropped.
    CHECK(guest.has_ended());
  }
  guest.close();
  const auto stopped = world.run(world->shutdown(std::chrono::nanoseconds::max()));
  CHECK(stopped->done);
  CHECK(serving->done);
}

TEST_CASE("a server that is full shuts down at once") {
  ServerOptions options;
  options.max_connections = 1;
  MemoryServer world({}, options);
  const auto serving = world.serve();
  Guest one = world.guest();
  Guest two = world.guest();
  world->request_shutdown();
  world.settle();
  one.close();
  world.settle();
  CHECK(serving->succeeded());
}

// The destructor.

TEST_CASE("the destructor destroys the handlers where they are suspended, and calls no hook") {
  Journal journal;
  Script script;
  script.init = [&](Service& service) -> Task<void> {
    service.spawn([&journal, &service]() -> Task<void> {
      const Mark mark(journal, "background");
      co_await wait_on(service.executor(), 1h);
    });
    service.at_exit([&journal] { journal.push_back("exit"); });
    co_return;
  };
  script.talk = [&](Client& client) -> Generator<Line> {
    const Mark mark(journal, "handler");
    const Line line = co_yield {};
    if (line == "wait") {
      co_await wait_on(client.executor(), 1h);
    } else if (line == "flood") {
      for (;;) {
        co_await client.send_packet(std::string(1000, 'x'));
      }
    }
  };
  script.hello = [&](Client& client) -> Task<void> {
    if (client.id() == 4) {
      const Mark mark(journal, "hello");
      co_await wait_on(client.executor(), 1h);
    }
  };
  script.bye = [&](Client&) -> Task<void> {
    journal.push_back("bye");
    co_return;
  };
  {
    MemoryServer world(script);
    std::vector<Guest> guests;
    const auto serving = world.serve();
    guests.push_back(world.guest());  // waits at its yield
    guests.push_back(world.guest());  // waits at an operation
    guests[1].say("wait\n");
    MemoryEnd reads_nothing = world.door.connect();  // waits for its output queue
    world.settle();
    const Line flood = "flood\n";
    reads_nothing.async_write_some(asio::buffer(flood), [](std::error_code, std::size_t) {});
    world.settle();
    guests.push_back(world.guest());  // waits in its on_connection
    REQUIRE(world->connections() == 4);
    REQUIRE(journal.empty());

    SUBCASE("the io_context runs on") {
      world.server.reset();
      world.settle();
      world.pass(2h);
      CHECK(serving->done);
      CHECK(guests[0].ended() == asio::error::connection_reset);
      CHECK(guests[1].ended() == asio::error::connection_reset);
    }
    SUBCASE("the io_context is destroyed without running") { world.server.reset(); }
    SUBCASE("by the end of the scope") {}
  }
  CHECK(std::count(journal.begin(), journal.end(), "handler") == 3);
  CHECK(std::count(journal.begin(), journal.end(), "hello") == 1);
  CHECK(std::count(journal.begin(), journal.end(), "background") == 1);
  CHECK(std::count(journal.begin(), journal.end(), "bye") == 0);
}

TEST_CASE("the destructor, called by a log sink") {
  std::string_view at;
  SUBCASE("when a peer comes") { at = "Accepted new connection"; }
  SUBCASE("when a handler fails") { at = "Exception occurred"; }
  SUBCASE("when a peer leaves") { at = "disconnected"; }
  SUBCASE("when a peer is gone") { at = "connection ended"; }
  std::unique_ptr<MemoryServer::Server> server;
  asio::io_context io;
  const testing::ManualClock clock(io);
  MemoryDoor door(io.get_executor());
  ServerOptions options;
  options.logger = Logger(LogLevel::debug, [&](const LogRecord& record) {
    if (record.message.starts_with(at)) {
      server.reset();
    }
  });
  server = std::make_unique<MemoryServer::Server>(io.get_executor(), Lines{},
                                                  talking([](Client& client) -> Generator<Line> {
                                                    const Line line = co_yield {};
                                                    client.send_packet(line);
                                                    if (line == "fail") {
                                                      throw std::runtime_error("failed");
                                                    }
                                                  }),
                                                  options);
  server->add_listener(door);
  const auto serving = spawn(io, server->serve_forever());
  Guest one = guest_on(door.connect());
  Guest two = guest_on(door.connect());
  Guest three = guest_on(door.connect());
  settle(io);
  one.say("fail\n");
  two.say("cut off");
  settle(io);
  two.reset();
  three.close();
  settle(io);
  CHECK(server == nullptr);
  CHECK(serving->done);
  CHECK(one.has_ended());
}

TEST_CASE("the destructor while the server starts, drains or stops") {
  Journal journal;
  Script script = talking(echo_or_wait);
  MemoryServer world([&] {
    script.init = [&](Service& service) -> Task<void> {
      const Mark mark(journal, "init");
      co_await wait_on(service.executor(), 1s);
    };
    return script;
  }());
  const auto serving = world.serve();
  Guest guest = world.guest();
  SUBCASE("starts") {}
  SUBCASE("drains") {
    world.pass(1s);
    guest.say("wait\n");
    world.settle();
    world->request_shutdown(10s);
    world.settle();
  }
  SUBCASE("stops") {
    world.pass(1s);
    guest.say("wait\n");
    world.settle();
    world->request_shutdown();
  }
  world.server.reset();
  world.settle();
  world.pass(2h);
  CHECK(serving->done);
  CHECK(journal == Journal{"init"});
}

TEST_CASE("a server may be moved while it serves") {
  MemoryServer world;
  const auto serving = world.serve();
  Guest guest = world.guest();
  MemoryServer::Server moved(std::move(*world.server));
  guest.say("hello\n");
  world.settle();
  CHECK(guest.heard() == "hello\n");
  moved.request_shutdown();
  world.settle();
  guest.close();
  world.settle();
  CHECK(serving->succeeded());
}

TEST_CASE("a copy of a Peer outlives the server and only says that it is closed") {
  std::optional<Client> kept;
  Script script;
  script.hello = [&](Client& client) -> Task<void> {
    kept.emplace(client);
    co_return;
  };
  MemoryServer world(script);
  world.serve();
  Guest guest = world.guest();
  REQUIRE(kept);
  CHECK(!kept->is_closing());
  world.server.reset();
  world.settle();
  CHECK(kept->is_closing());
  CHECK(kept->id() == 1);
  kept.reset();
}
