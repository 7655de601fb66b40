// SPDX-License-Identifier: BSL-1.0
// TLS when something goes wrong at a bad moment: what the peer hears of it, and what is cancelled.
#include "cowire/detail/tls_engine.hpp"
#include "cowire/transports/tcp.hpp"
#include "cowire/transports/tls.hpp"
#include "support/manual_time.hpp"
#include "support/tls_server.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

constexpr char alert = 21;             // RFC 8446, section 5.1: the type of a record.
constexpr char application_data = 23;  // Or what is encrypted as if it were that.

// A server behind real sockets, where a close with unread bytes is a reset.
struct TcpWorld : MemoryServer {
  explicit TcpWorld(const TlsServerContext& context, Script script = {})
      : MemoryServer(std::move(script)) {
    for (auto& listener : listen_tls(io.get_executor(), "127.0.0.1", 0, context)) {
      port = listener.local_endpoint().port;
      server->add_listener(std::move(listener));
    }
    serving = serve();
  }

  Guest tcp_guest() {
    const asio::ip::tcp::endpoint to(asio::ip::address_v4::loopback(), port);
    asio::ip::tcp::socket socket(io);
    socket.connect(to);
    Guest guest(AnyTransport(TcpTransport(std::move(socket), to)));
    guest.listen();
    return guest;
  }

  std::uint16_t port = 0;
  std::shared_ptr<Outcome> serving;
};

// What an engine has to say.
std::string take_output(detail::TlsEngine& engine) {
  std::string all;
  for (Bytes bytes = engine.output(); !bytes.empty(); bytes = engine.output()) {
    all += text_of(bytes);
    engine.output_sent(bytes.size());
  }
  return all;
}

// A guest who speaks TLS by hand, and hears all that comes.
struct Speaker {
  Speaker(const TlsClientContext& context, Guest raw)
      : engine(detail::client_engine(*context.settings(), "localhost")), guest(std::move(raw)) {}

  // Sends what the engine has to say, and gives it what was heard.
  void carry() {
    guest.say(take_output(engine));
    const std::size_t n = std::min(guest.heard().size() - fed, engine.input_room().size());
    if (n != 0) {
      std::memcpy(engine.input_room().data(), guest.heard().data() + fed, n);
      engine.input_received(n);
      fed += n;
    }
  }

  detail::TlsEngine engine;
  Guest guest;
  std::size_t fed = 0;
};

// How many turns it takes until nothing is left to do; 1'000 if that may be never.
std::size_t turns(asio::io_context& io) {
  std::size_t n = 0;
  do {
    io.restart();
  } while (n < 1'000 && io.poll_one() != 0 && ++n != 0);
  return n;
}

// One who speaks it by hand too, but reads only when told to.
struct DeafSpeaker {
  explicit DeafSpeaker(MemoryEnd given)
      : engine(detail::client_engine(*test_client_context().settings(), "localhost")),
        end(std::move(given)) {}

  void write() {
    const auto output = std::make_shared<std::string>(take_output(engine));
    if (!output->empty()) {
      end.async_write_some(asio::buffer(*output), [output](std::error_code, std::size_t n) {
        CHECK(n == output->size());
      });
    }
  }
  void say(const std::string& text) {
    std::size_t n = 0;
    CHECK(engine.write(bytes_of(text), n) == detail::TlsEngine::Step::done);
    write();
  }
  // Reads once, if there is anything.
  bool read(TlsServer& world) {
    bool got = false;
    const MutableBytes room = engine.input_room();
    end.async_read_some(asio::buffer(room.data(), room.size()),
                        [&](std::error_code, std::size_t n) {
                          engine.input_received(n);
                          got = n != 0;
                        });
    world.settle();
    if (!got) {
      end.cancel();
      world.settle();
    }
    return got;
  }
  bool shake_hands(TlsServer& world) {
    while (engine.handshake() != detail::TlsEngine::Step::done) {
      write();
      if (!read(world)) {
        return false;
      }
    }
    write();
    world.settle();
    return true;
  }
  bool hears(TlsServer& world, const std::string& text) {
    std::string heard;
    do {
      std::array<std::byte, 4096> buffer{};
      std::size_t n = 0;
      while (engine.read(buffer, n) == detail::TlsEngine::Step::done) {
        heard += text_of(Bytes(buffer.data(), n));
      }
      write();
    } while (heard.size() < text.size() && read(world));
    CHECK(heard.size() == text.size());
    return heard == text;
  }

  detail::TlsEngine engine;
  MemoryEnd end;
};

// A server that is busy with its first request, "go", and a wire to it on which there is room for
// `line`, but not for all of the end that follows.
struct FullWire {
  static constexpr std::size_t capacity = 200;
  static constexpr std::size_t overhead = 5 + 16 + 1 + 1;  // Header, tag, type; newline.

  FullWire() {
    REQUIRE(world.shake_hands(end) == std::error_code());
    end.async_write_some(asio::buffer("go\n", 3), [](std::error_code, std::size_t) {});
    world.settle();
  }

  Generator<Line> talk(::Client& client) {
    co_yield {};
    while (is_busy) {
      co_await wait_on(client.executor(), 1s);
    }
    for (;;) {
      const Line next = co_yield {};
      heard += next;
    }
  }
  // The server hears all of it at last.
  void let_go_and_check() {
    CHECK(heard.empty());
    is_busy = false;
    world.pass(1s);
    CHECK(heard == line);
    CHECK(world.records.complaints() == "");
  }

  bool is_busy = true;
  std::string heard;
  std::string line = std::string(capacity - overhead - 10, 'x');
  TlsServer world{Script{.talk = [this](::Client& client) { return talk(client); }}};
  TlsEnd end = world.end(test_client_context(), "localhost", MemoryOptions{.capacity = capacity});
};

}  // namespace

TEST_CASE("tls: a peer whose handshake failed hears why, though more of it is unread") {
  TlsServerOptions server_options;
  server_options.alpn = {"one"};
  TcpWorld world(TlsServerContext(test_authority().issue(), server_options));
  TlsClientOptions client_options;
  client_options.trusted_ca = test_authority().pem();
  client_options.alpn = {"two"};
  Speaker speaker(TlsClientContext(client_options), world.tcp_guest());
  speaker.engine.handshake();
  speaker.carry();
  speaker.guest.say(std::string(8'000'000, 'x'));
  CHECK(run_until(world.io, [&] { return speaker.guest.has_ended(); }));
  CHECK(speaker.guest.ended_cleanly());
  CHECK(speaker.guest.heard() == std::string{alert, 3, 3, 0, 2, 2, 120});
  CHECK(world.records.count("during TLS handshake", LogLevel::warning) == 1);
  CHECK(run_until(world.io, [&] { return speaker.guest.unsaid() == 0; }));
}

TEST_CASE("tls: a peer that breaks the protocol hears it, though more of it is unread") {
  std::string journal;
  bool is_polite = false;
  SUBCASE("nothing is queued for it") {}
  SUBCASE("something is queued, which it cannot get any more") { is_polite = true; }
  Script script;
  script.bye = [&](::Client& client) {
    if (is_polite) {
      client.send_packet("good bye");
    }
    return note(journal, "bye");
  };
  TcpWorld world(test_server_context(), script);
  Speaker speaker(test_client_context(), world.tcp_guest());
  CHECK(run_until(world.io, [&] {
    const bool is_done = speaker.engine.handshake() == detail::TlsEngine::Step::done;
    speaker.carry();
    return is_done && world->connections() == 1 && speaker.guest.unsaid() == 0;
  }));
  world.settle();
  const std::size_t heard = speaker.guest.heard().size();
  speaker.guest.say(std::string{application_data, 3, 3, 0, 32} + std::string(8'000'000, 'x'));
  CHECK(run_until(world.io, [&] { return speaker.guest.has_ended(); }));
  CHECK(speaker.guest.ended_cleanly());
  REQUIRE(speaker.guest.heard().size() > heard);
  CHECK(speaker.guest.heard()[heard] == application_data);
  CHECK(run_until(world.io, [&] { return speaker.guest.unsaid() == 0; }));
  CHECK(journal == "bye");
  CHECK(world.records.count("bad record mac") == 1);
}

TEST_CASE("tls: peers that were refused count until they are gone, and hold up nobody for long") {
  ServerOptions options;
  options.max_connections = 2;
  TlsServer world({}, test_server_context(), options);
  Guest first = guest_on(world.tls_door.connect());
  first.say("GET / HTTP/1.1\r\n\r\n");
  Guest second = guest_on(world.tls_door.connect());
  second.say("GET / HTTP/1.1\r\n\r\n");
  Guest third = guest_on(world.tls_door.connect());
  third.say("GET / HTTP/1.1\r\n\r\n");
  world.settle();
  CHECK(first.ended_cleanly());  // And yet it stays.
  CHECK(second.ended_cleanly());
  CHECK_FALSE(third.has_ended());
  CHECK(world->connections() == 2);
  CHECK(world->stats().handshakes_failed == 2);
  SUBCASE("they leave") {
    first.close();
    world.settle();
    CHECK(third.has_ended());
    CHECK(world->stats().handshakes_failed == 3);
  }
  SUBCASE("their time is over") {
    world.pass(2999ms);
    CHECK_FALSE(third.has_ended());
    world.pass(1ms);
    CHECK(third.has_ended());
    world.pass(3s);
    CHECK(world->connections() == 0);
  }
  SUBCASE("a shutdown") {
    CHECK(world.run(world->shutdown(1h))->succeeded());
    CHECK(world.serving->succeeded());
  }
  SUBCASE("the server is destroyed") {
    world.server.reset();
    world.settle();
    CHECK(world.clock.waits() == 0);
  }
}

TEST_CASE("tls: a peer that asks for keys and never reads them costs no turns, and is seen to go") {
  TlsServer world;
  DeafSpeaker speaker(world.tls_door.connect({.capacity = 0}, {.capacity = 1'000}));
  REQUIRE(speaker.shake_hands(world));
  for (int i = 0; i < 5'000; ++i) {
    REQUIRE(SSL_key_update(speaker.engine.native_handle(), SSL_KEY_UPDATE_REQUESTED) == 1);
    speaker.engine.handshake();
    speaker.write();
    REQUIRE(turns(world.io) < 1'000);
  }
  CHECK(world->connections() == 1);
  SUBCASE("it reads again, and is served") {
    speaker.say("hello\n");
    CHECK(speaker.hears(world, "hello\n"));
  }
  SUBCASE("it goes") {
    speaker.end.close();
    CHECK(turns(world.io) < 1'000);
    CHECK(world->connections() == 0);
  }
  SUBCASE("it is silent for too long") {
    world.pass(6min);
    CHECK(world->connections() == 0);
  }
  SUBCASE("the server shuts down") {
    const auto stopped = world.run(world->shutdown());
    world.pass(1min);
    CHECK(stopped->succeeded());
  }
  SUBCASE("the server is destroyed") { world.server.reset(); }
  CHECK(turns(world.io) < 1'000);
}

TEST_CASE("tls: who may end without a close_notify is answered all the same") {
  TlsServerOptions options;
  options.accept_missing_close_notify = true;
  const std::string much(50'000, 'x');
  Script script;
  script.talk = [&](::Client& client) -> Generator<Line> {
    co_yield {};
    client.send_packet(much);
    co_yield {};
  };
  TlsServer world(script, TlsServerContext(test_authority().issue(), options));
  DeafSpeaker speaker(world.tls_door.connect({.capacity = 0}, {.capacity = 1'000}));
  REQUIRE(speaker.shake_hands(world));
  speaker.say("go\n");
  std::error_code ignored;
  speaker.end.shutdown_send(ignored);
  CHECK(speaker.hears(world, much + "\n"));
  CHECK(world.records.complaints() == "");
}

TEST_CASE("tls: empty reads and writes are done at once") {
  TlsServer world;
  TlsEnd end = world.end();
  SUBCASE("in good times") { REQUIRE(world.shake_hands(end) == std::error_code()); }
  SUBCASE("after a failure") {
    end = world.end(test_client_context(), "example.org");
    REQUIRE(world.shake_hands(end) != std::error_code());
  }
  int done = 0;
  const auto check = [&done](std::error_code, std::size_t n) {
    CHECK(n == 0);
    ++done;
  };
  end.async_write_some(asio::const_buffer(), check);
  end.async_read_some(asio::mutable_buffer(), check);
  CHECK(turns(world.io) < 100);
  CHECK(done == 2);
}

TEST_CASE("tls: a handshake can be cancelled at every step") {
  const MemoryOptions small{.max_read = 50, .max_write = 50};
  int cancelled = 0;
  int not_noticed = 0;
  bool was_done = false;
  for (int turns = 0; turns < 1'000 && !was_done; ++turns) {
    CAPTURE(turns);
    TlsServer world;
    TlsEnd end = world.end(test_client_context(), "localhost", small, small);
    asio::cancellation_signal cancel;
    std::optional<std::error_code> done;
    end.async_handshake(
        asio::bind_cancellation_slot(cancel.slot(), [&done](std::error_code ec) { done = ec; }));
    for (int i = 0; i < turns; ++i) {
      world.io.poll_one();
    }
    was_done = done.has_value();
    cancel.emit(asio::cancellation_type::terminal);
    world.settle();
    REQUIRE(done);
    if (*done == asio::error::operation_aborted) {
      ++cancelled;
    } else {
      CHECK(*done == std::error_code());
      not_noticed += was_done ? 0 : 1;
    }
  }
  CHECK(was_done);
  CHECK(cancelled > 20);
  CHECK(not_noticed <= 2);  // The last bytes had been sent.
}

TEST_CASE("tls: a write, or a read, that waits for another sending can be cancelled") {
  TlsServer world;  // For its io_context.
  auto ends = MemoryEnd::pair(world.io.get_executor(), {.capacity = 0}, {.capacity = 1'000});
  DeafSpeaker speaker(std::move(ends.first));
  TlsEnd server(std::move(ends.second), test_server_context());
  std::optional<std::error_code> shaken;
  server.async_handshake([&shaken](std::error_code ec) { shaken = ec; });
  REQUIRE(speaker.shake_hands(world));
  REQUIRE(shaken == std::error_code());

  asio::cancellation_signal cancel_read;
  std::optional<std::error_code> read;
  char byte = 0;
  server.async_read_some(
      asio::buffer(&byte, 1),
      asio::bind_cancellation_slot(cancel_read.slot(),
                                   [&read](std::error_code ec, std::size_t) { read = ec; }));
  for (int i = 0; i < 5'000; ++i) {  // Each is to be answered, for which there is no room at last.
    REQUIRE(SSL_key_update(speaker.engine.native_handle(), SSL_KEY_UPDATE_REQUESTED) == 1);
    speaker.engine.handshake();
    speaker.write();
    world.settle();
  }
  asio::cancellation_signal cancel_write;
  std::optional<std::error_code> written;
  server.async_write_some(
      asio::buffer("one", 3),
      asio::bind_cancellation_slot(cancel_write.slot(),
                                   [&written](std::error_code ec, std::size_t) { written = ec; }));
  world.settle();
  CHECK(!written);
  CHECK(!read);
  cancel_write.emit(asio::cancellation_type::terminal);
  world.settle();
  CHECK(written == asio::error::operation_aborted);
  cancel_read.emit(asio::cancellation_type::terminal);
  world.settle();
  CHECK(read == asio::error::operation_aborted);
}

TEST_CASE("tls: an end that waits for room outlives the wait of an idle client") {
  FullWire wire;
  TlsClient client(std::move(wire.end), Lines{});
  client.send_packet(wire.line);
  client.send_eof();
  const auto receiving = wire.world.run([](TlsClient& from) -> Task<void> {
    static_cast<void>(co_await from.recv_packet());
  }(client));
  wire.world.pass(10s);
  CHECK(!receiving->done);
  wire.let_go_and_check();
  CHECK(receiving->code() == errc::end_of_stream);
  CHECK(wire.world->stats().ended_by_peer == 1);
}

TEST_CASE("tls: an end that waits for room outlives a cancelled read") {
  FullWire wire;
  wire.end.async_write_some(asio::buffer(wire.line + "\n"), [](std::error_code, std::size_t) {});
  wire.world.settle();
  std::error_code ec;
  wire.end.shutdown_send(ec);
  wire.world.settle();
  std::optional<std::error_code> read;
  char byte = 0;
  wire.end.async_read_some(asio::buffer(&byte, 1),
                           [&read](std::error_code failed, std::size_t) { read = failed; });
  wire.world.settle();
  wire.end.cancel();
  wire.world.settle();
  CHECK(read == asio::error::operation_aborted);
  wire.let_go_and_check();
  wire.end.close();
  wire.world.settle();
  CHECK(wire.world->stats().ended_by_peer == 1);
}
