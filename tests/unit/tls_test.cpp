// SPDX-License-Identifier: BSL-1.0
#include "cowire/transports/tls.hpp"

#include "cowire/client.hpp"
#include "support/certificates.hpp"
#include "support/thrown.hpp"
#include "support/tls_server.hpp"

#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

static_assert(Transport<TlsTransport> && Transport<TlsEnd>);
static_assert(WritesDirectly<TlsTransport> && WaitsForRead<TlsTransport>);
static_assert(!WritesDirectly<TlsEnd> && WaitsForRead<TlsEnd>);
static_assert(NeedsHandshake<TlsTransport> && !NeedsHandshake<TcpTransport>);
static_assert(Listener<TlsListener<TcpListener>>);
static_assert(std::same_as<decltype(std::declval<TlsListener<TcpListener>&>().duplicate(
                               std::declval<asio::any_io_executor>())),
                           TlsListener<TcpListener>>);

TlsClientContext client_context(const std::function<void(TlsClientOptions&)>& change) {
  TlsClientOptions options;
  options.trusted_ca = test_authority().pem();
  change(options);
  return TlsClientContext(options);
}

// Takes weak ciphers too: what is refused then is refused for its version only.
void allow_weakness(detail::TlsSettings& settings) {
  SSL_CTX_set_cipher_list(settings.context.native_handle(), "ALL:@SECLEVEL=0");
}

// TLS 1.1 at most.
void make_old(detail::TlsSettings& settings) {
  allow_weakness(settings);
  SSL_CTX_set_min_proto_version(settings.context.native_handle(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(settings.context.native_handle(), TLS1_1_VERSION);
}

// Whether OpenSSL itself speaks TLS 1.1 on this machine.
bool has_old_versions() {
  TlsServerContext server(test_authority().issue());
  make_old(*server.settings());
  const TlsClientContext client = client_context([](TlsClientOptions&) {});
  make_old(*client.settings());
  TlsServer world({}, server);
  TlsEnd end = world.end(client);
  const std::error_code failed = world.shake_hands(end);
  if (failed) {
    MESSAGE("not tested: there is no TLS 1.1 here: " << end.handshake_error(failed).what());
    return false;
  }
  CHECK(end.tls_info().version == "TLSv1.1");
  return true;
}

Task<void> receive_into(TlsClient& client, std::string& line) {
  line = co_await client.recv_packet();
}

}  // namespace

TEST_CASE("tls: a dialogue, in the smallest pieces and in large ones") {
  const MemoryOptions small{.max_read = 1, .max_write = 1};
  for (const auto& [from_client, from_server] :
       {std::pair(MemoryOptions{}, MemoryOptions{}), std::pair(small, small),
        std::pair(MemoryOptions{.max_read = 7}, MemoryOptions{.capacity = 100})}) {
    TlsServer world;
    Guest guest =
        world.tls_guest(world.end(test_client_context(), "localhost", from_client, from_server));
    const std::string line(3'000, 'x');
    guest.say("hello\n" + line + "\nworld\n");
    world.settle();
    CHECK(guest.heard() == "hello\n" + line + "\nworld\n");
    guest.half_close();
    world.settle();
    CHECK(guest.ended() == asio::error::eof);
    CHECK(world.records.complaints() == "");
    CHECK(world->stats().ended_by_peer == 1);
  }
}

TEST_CASE("tls: plain and TLS connections are served by one handler") {
  TlsServer world;
  Guest secret = world.tls_guest();
  Guest plain = world.guest();
  secret.say("a\n");
  plain.say("b\n");
  world.settle();
  CHECK(secret.heard() == "a\n");
  CHECK(plain.heard() == "b\n");
  CHECK(world->stats().accepted == 2);
}

TEST_CASE("L2: plain text at a TLS port: the log says what came, no hook runs") {
  std::string journal;
  Script script;
  script.hello = [&](::Client&) { return note(journal, "hello"); };
  script.bye = [&](::Client&) { return note(journal, "bye"); };
  TlsServer world(script);
  Guest guest = guest_on(world.tls_door.connect());
  guest.say("GET / HTTP/1.1\r\n\r\n");
  world.settle();
  CHECK(guest.has_ended());
  CHECK(journal == "");
  CHECK(world.handshake_warnings() == 1);
  CHECK(world.records.count("the peer does not speak TLS") == 1);
  CHECK(world.records.count("this looks like an HTTP request, is it meant for another port?") == 1);
  CHECK(world.records.count("Accepted") == 0);
  CHECK(world.records.count("disconnected") == 0);
  CHECK(world->stats().handshakes_failed == 1);
  CHECK(world->connections() == 1);  // As long as the peer may still read why.
  guest.close();
  world.settle();
  CHECK(world->connections() == 0);
}

TEST_CASE("a TLS client at a plain port: the log says so") {
  for (const bool is_a_line : {false, true}) {
    for (const bool gives_up : {false, true}) {
      CAPTURE(is_a_line);
      CAPTURE(gives_up);
      TlsServer world;
      Guest guest = world.guest();
      guest.say(std::string("\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", 11) +
                (is_a_line ? "\n" : ""));
      world.settle();
      if (gives_up) {
        guest.close();
        world.settle();
      } else {
        world.pass(6min);
      }
      CHECK(world.records.count("looks like a TLS ClientHello, is it meant for another port?",
                                LogLevel::warning) == 1);
    }
  }
}

TEST_CASE("L1: a handshake that is not finished in time ends the connection, silently") {
  TlsServer world;
  Guest guest = guest_on(world.tls_door.connect());
  SUBCASE("nothing came") {}
  SUBCASE("the begin of it came") { guest.say("\x16\x03\x01\x02"); }
  world.settle();
  world.pass(9999ms);
  CHECK(!guest.has_ended());
  CHECK(world->connections() == 1);
  world.pass(1ms);
  CHECK(guest.has_ended());
  CHECK(world->connections() == 0);
  CHECK(world.records.complaints() == "");
  CHECK(world.records.count("was not finished within the time limit (time limit 10 s") == 1);
  CHECK(world->stats().handshakes_failed == 1);
}

TEST_CASE("L2: a peer that leaves during the handshake is not worth a warning") {
  TlsServer world;
  Guest guest = guest_on(world.tls_door.connect());
  guest.say("\x16\x03\x01\x02");
  world.settle();
  SUBCASE("by closing") { guest.close(); }
  SUBCASE("by a reset") { guest.reset(); }
  world.settle();
  CHECK(world->connections() == 0);
  CHECK(world.records.complaints() == "");
  CHECK(world->stats().handshakes_failed == 1);
}

TEST_CASE(
    "L1: a handshake that is slow keeps nobody waiting, and a shutdown does not wait for it") {
  TlsServer world;
  Guest slow = guest_on(world.tls_door.connect());
  world.settle();
  Guest quick = world.tls_guest();
  quick.say("a\n");
  world.settle();
  CHECK(quick.heard() == "a\n");
  quick.close();
  world.settle();
  SUBCASE("a shutdown") {
    const auto stopped = world.run(world->shutdown(1h));
    CHECK(stopped->succeeded());
    CHECK(world.serving->succeeded());
  }
  SUBCASE("the server is destroyed") { world.server.reset(); }
  world.settle();
  CHECK(slow.has_ended());
  CHECK(world.records.complaints() == "");
}

TEST_CASE("L7: a client's certificate can be required, and read from the peer") {
  std::vector<TlsInfo> seen;
  Script script;
  script.hello = [&](::Client& client) -> Task<void> {
    seen.push_back(client.tls().value());
    co_return;
  };
  TlsServerOptions options;
  options.client_ca = test_authority().pem();
  SUBCASE("required, and given") {
    options.client_certificates = ClientCertificates::required;
    TlsServer world(script, TlsServerContext(test_authority().issue(), options));
    const auto context = client_context([](TlsClientOptions& mine) {
      CertificateRequest request;
      request.name = "alice";
      mine.identity = test_authority().issue(request);
    });
    Guest guest = world.tls_guest(world.end(context));
    guest.say("a\n");
    world.settle();
    CHECK(guest.heard() == "a\n");
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].peer_subject == "CN=alice");
    CHECK(seen[0].peer_verified);
    CHECK(seen[0].peer_certificate.find("BEGIN CERTIFICATE") != std::string::npos);
  }
  SUBCASE("required, and missing") {
    options.client_certificates = ClientCertificates::required;
    TlsServer world(script, TlsServerContext(test_authority().issue(), options));
    TlsEnd end = world.end();
    world.shake_hands(end);  // In TLS 1.3 the client hears of it later.
    world.settle();
    CHECK(world.handshake_warnings() == 1);
    CHECK(world.records.count("peer did not return a certificate") == 1);
    end.close();
    world.settle();
    CHECK(world->connections() == 0);
    CHECK(seen.empty());
  }
  SUBCASE("given by an issuer that is not trusted") {
    options.client_certificates = ClientCertificates::optional;
    TlsServer world(script, TlsServerContext(test_authority().issue(), options));
    const auto context = client_context([](TlsClientOptions& mine) {
      mine.identity = CertificateAuthority("Somebody else").issue();
    });
    TlsEnd end = world.end(context);
    world.shake_hands(end);
    world.settle();
    CHECK(world.handshake_warnings() == 1);
    CHECK(world.records.count("the peer's certificate is not accepted") == 1);
    CHECK(seen.empty());
  }
  SUBCASE("optional, and not given") {
    options.client_certificates = ClientCertificates::optional;
    TlsServer world(script, TlsServerContext(test_authority().issue(), options));
    const Guest guest = world.tls_guest();
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].peer_certificate == "");
    CHECK(!seen[0].peer_verified);
  }
}

TEST_CASE("tls: the application protocol that the server likes best") {
  std::string chosen = "none";
  Script script;
  script.hello = [&](::Client& client) -> Task<void> {
    chosen = client.tls()->alpn;
    co_return;
  };
  TlsServerOptions options;
  options.alpn = {"two", "one"};
  TlsServer world(script, TlsServerContext(test_authority().issue(), options));
  SUBCASE("one is common") {
    const auto context =
        client_context([](TlsClientOptions& mine) { mine.alpn = {"zero", "one", "two"}; });
    const Guest guest = world.tls_guest(world.end(context));
    CHECK(chosen == "two");
  }
  SUBCASE("the client offers none") {
    const Guest guest = world.tls_guest();
    CHECK(chosen == "");
  }
  SUBCASE("none is common") {
    bool accepts_any = false;
    SUBCASE("for who checks certificates") {}
    SUBCASE("for who would accept any") { accepts_any = true; }
    const auto context = client_context([&](TlsClientOptions& mine) {
      mine.alpn = {"three"};
      mine.dangerous_accept_any_certificate = accepts_any;
      mine.trusted_ca = accepts_any ? CertificateAuthority("Somebody else").pem() : mine.trusted_ca;
    });
    TlsEnd end = world.end(context);
    const std::error_code failed = world.shake_hands(end);
    CHECK(failed);
    const std::string text = end.handshake_error(failed).what();
    CAPTURE(text);
    CHECK(text.find("no application protocol") != std::string::npos);
    world.settle();
    CHECK(world.handshake_warnings() == 1);
    CHECK(chosen == "none");
  }
}

TEST_CASE("L4, L5: a connection that is cut is a disconnect, silently, and no end of the stream") {
  std::string journal;
  Script script;
  script.bye = [&](::Client&) { return note(journal, "bye"); };
  SUBCASE("as it should be") {
    TlsServer world(script);
    auto pipe = world.tls_door.connect();
    Guest guest = world.tls_guest(world.end());
    guest.say("a\n");
    world.settle();
    guest.close();  // No close_notify.
    world.settle();
    CHECK(journal == "bye");
    CHECK(world.records.complaints() == "");
    CHECK(world.records.count("without a close_notify") == 1);
    CHECK(world->stats().broken == 1);
    CHECK(world->stats().ended_by_peer == 0);
  }
  SUBCASE("when such peers are known") {
    TlsServerOptions options;
    options.accept_missing_close_notify = true;
    TlsServer world(script, TlsServerContext(test_authority().issue(), options));
    Guest guest = world.tls_guest();
    guest.close();
    world.settle();
    CHECK(journal == "bye");
    CHECK(world->stats().ended_by_peer == 1);
    const Guest told = world.tls_guest();  // Its own end is said all the same.
    world->request_shutdown();
    world.settle();
    CHECK(told.ended() == asio::error::eof);
  }
}

TEST_CASE("tls: a new certificate is for new connections") {
  TlsServerContext context(test_authority().issue());
  TlsServer world({}, context);
  Guest old = world.tls_guest();
  CertificateRequest request;
  request.name = "renewed";
  context.replace(test_authority().issue(request));
  TlsEnd end = world.end();
  REQUIRE(world.shake_hands(end) == std::error_code());
  CHECK(end.tls_info().peer_subject == "CN=renewed");
  old.say("still here\n");
  world.settle();
  CHECK(old.heard() == "still here\n");
}

TEST_CASE("C22: tls client: whom it does not trust, and why") {
  CertificateRequest request;
  std::string name = "localhost";
  const CertificateAuthority other("Somebody else");
  const CertificateAuthority* authority = &test_authority();
  const char* reason = nullptr;
  SUBCASE("an issuer that is not trusted") {
    authority = &other;
    reason = "unable to get local issuer certificate";
  }
  SUBCASE("another host") {
    name = "example.org";
    reason = "hostname mismatch";
  }
  SUBCASE("another address") {
    name = "127.0.0.2";
    reason = "IP address mismatch";
  }
  SUBCASE("a certificate without names") {
    request.alternative_names = "";
    reason = "hostname mismatch";
  }
  SUBCASE("an expired certificate") {
    request.valid_from = -48h;
    request.valid_until = -24h;
    reason = "certificate has expired";
  }
  SUBCASE("a certificate that is not valid yet") {
    request.valid_from = 24h;
    request.valid_until = 48h;
    reason = "certificate is not yet valid";
  }
  TlsServer world({}, TlsServerContext(authority->issue(request)));
  TlsEnd end = world.end(test_client_context(), name);
  const std::error_code failed = world.shake_hands(end);
  REQUIRE(failed);
  const Error error = end.handshake_error(failed);
  CHECK(error.code() == errc::handshake_failed);
  const std::string text = error.what();
  CAPTURE(text);
  CHECK(text.find("the peer's certificate is not accepted: ") != std::string::npos);
  CHECK(text.find(reason) != std::string::npos);
  world.settle();
  CHECK(world.handshake_warnings() == 1);  // The client has said so.

  TlsEnd reckless = world.end(
      client_context([](TlsClientOptions& mine) { mine.dangerous_accept_any_certificate = true; }),
      name);
  CHECK(world.shake_hands(reckless) == std::error_code());
  CHECK(!reckless.tls_info().peer_verified);
}

TEST_CASE("tls client: a server that speaks less than TLS 1.2 is refused, and the error says so") {
  TlsServerContext old(test_authority().issue());
  make_old(*old.settings());
  TlsServer world({}, old);
  const TlsClientContext context = client_context([](TlsClientOptions&) {});
  allow_weakness(*context.settings());
  std::shared_ptr<MemoryEnd> end;
  std::optional<Guest> impostor;
  std::string reason = "alert protocol version";
  SUBCASE("it says so") {
    if (!has_old_versions()) {
      return;
    }
    end = std::make_shared<MemoryEnd>(world.tls_door.connect());
  }
  SUBCASE("it does not ask") {
    auto ends = MemoryEnd::pair(world.io.get_executor());
    end = std::make_shared<MemoryEnd>(std::move(ends.first));
    impostor.emplace(guest_on(std::move(ends.second)));
    reason = "unsupported protocol";
    // RFC 4346, section 7.4.1.3: a ServerHello of TLS 1.1, whatever the client offers.
    const std::string hello =
        std::string{2, 0, 0, 38, 3, 2} + std::string(32, 'r') + std::string{0, '\xc0', '\x09', 0};
    impostor->say(std::string{22, 3, 2, 0, 42} + hello);
  }
  TlsClient client(world.io.get_executor(), Lines{});
  const auto connecting =
      world.run(client.connect(TlsConnector<Through>(Through{end}, "localhost", context)));
  REQUIRE(connecting->done);
  REQUIRE(connecting->code() == errc::handshake_failed);
  const std::string text = thrown([&] { std::rethrow_exception(connecting->error); })->what();
  CAPTURE(text);
  CHECK(text.find("the TLS handshake failed: ") != std::string::npos);
  CHECK(text.find(reason) != std::string::npos);
  CHECK(!client.is_connected());
}

TEST_CASE("tls: a client that speaks less than TLS 1.2 is refused, and hears why") {
  if (!has_old_versions()) {
    return;
  }
  TlsServerContext context(test_authority().issue());
  allow_weakness(*context.settings());
  TlsServer world({}, context);
  TlsClientContext old = client_context([](TlsClientOptions&) {});
  make_old(*old.settings());
  TlsEnd end = world.end(old);
  const std::error_code failed = world.shake_hands(end);
  REQUIRE(failed);
  const std::string text = end.handshake_error(failed).what();
  CAPTURE(text);
  CHECK(text.find("alert protocol version") != std::string::npos);
  CHECK(world.handshake_warnings() == 1);
  CHECK(world.records.count("unsupported protocol", LogLevel::warning) == 1);
  CHECK(world->stats().handshakes_failed == 1);
}

TEST_CASE("tls client: what is no name of a server is refused, and never means any name") {
  TlsServer world({}, TlsServerContext(test_authority().issue()));
  for (const std::string& name : {std::string(), std::string("."), std::string(".localhost"),
                                  std::string("localhost\0x", 11)}) {
    CAPTURE(name);
    const auto refused = thrown([&] { world.end(test_client_context(), name); });
    REQUIRE(refused);
    CHECK(refused->code() == errc::invalid_argument);
    CHECK(refused->context().detail.find("is no name of a server") != std::string::npos);
    CHECK(thrown([&] { TlsConnector(name, 443, test_client_context()); }));
  }
  for (const char* other : {"fe80::1%1", "2001:db8::1", "10.0.0.1", "ocalhost", "localhost.x"}) {
    CAPTURE(other);
    TlsEnd end = world.end(test_client_context(), other);
    CHECK(world.shake_hands(end));
  }
  TlsEnd qualified = world.end(test_client_context(), "localhost.");
  CHECK(world.shake_hands(qualified) == std::error_code());
}

TEST_CASE("tls client: the subject of a certificate is no name of a host") {
  CertificateRequest request;
  request.name = "localhost";
  request.alternative_names = "";
  TlsServer world({}, TlsServerContext(test_authority().issue(request)));
  TlsEnd end = world.end();
  CHECK(world.shake_hands(end));
}

TEST_CASE("C22: tls client: by name and by address") {
  TlsServer world;
  for (const char* name : {"localhost", "127.0.0.1", "::1"}) {
    TlsEnd end = world.end(test_client_context(), name);
    CHECK(world.shake_hands(end) == std::error_code());
    CHECK(end.tls_info().peer_verified);
  }
}

TEST_CASE("L6: tls client: the end of the stream, and a stream that was cut") {
  TlsServer world;
  Connected test(world, world.end());
  std::string line;
  CHECK(test.client.tls()->peer_subject == "CN=server");
  const auto receiving = spawn(world.io, receive_into(test.client, line));
  world.settle();
  SUBCASE("an answer") {
    test.client.send_packet("hello");
    world.settle();
    CHECK(receiving->succeeded());
    CHECK(line == "hello");
  }
  SUBCASE("the server ends it") {
    const auto stopping = world.run(world->shutdown());
    CHECK(receiving->code() == errc::end_of_stream);
  }
  SUBCASE("it is cut") {
    world.server.reset();  // Aborts.
    world.settle();
    CHECK(receiving->code() == asio::error::connection_reset);
  }
}

TEST_CASE("L8: the end of the output can be said over TLS, and answers still come") {
  Script script;
  script.talk = [](::Client& client) -> Generator<Line> {
    std::string all;
    for (int i = 0; i < 2; ++i) {
      all += co_yield {};
    }
    client.send_packet(all);
  };
  TlsServer world(script);
  Connected test(world, world.end());
  std::string line;
  test.client.send_packet("one");
  test.client.send_packet("two");
  test.client.send_eof();
  const auto receiving = spawn(world.io, receive_into(test.client, line));
  world.settle();
  CHECK(receiving->succeeded());
  CHECK(line == "onetwo");
}

TEST_CASE("tls client: connects through TCP; what fails is in the Error, with the address") {
  asio::io_context io;
  Server server(io.get_executor(), Lines{}, Script{});
  for (auto& listener : listen_tls(io.get_executor(), "127.0.0.1", 0, test_server_context())) {
    server.add_listener(std::move(listener));
  }
  const auto serving = spawn(io, server.serve_forever());
  settle(io);
  cowire::Client<Lines> client{io, Lines{}};
  SUBCASE("a dialogue") {
    const auto connecting =
        spawn(io, client.connect(TlsConnector("127.0.0.1", server.port(), test_client_context())));
    REQUIRE(run_until(io, [&] { return connecting->done; }));
    REQUIRE(connecting->succeeded());
    CHECK(client.tls()->version == "TLSv1.3");
    CHECK(client.remote_endpoint() == Endpoint{"127.0.0.1", server.port()});
    client.send_packet("hello");
    std::string line;
    const auto receiving = spawn(io, [](auto& from, std::string& into) -> Task<void> {
      into = co_await from.recv_packet();
    }(client, line));
    REQUIRE(run_until(io, [&] { return receiving->done; }));
    CHECK(line == "hello");
  }
  SUBCASE("not trusted") {
    const auto connecting = spawn(io, client.connect(TlsConnector("127.0.0.1", server.port())));
    REQUIRE(run_until(io, [&] { return connecting->done; }));
    CHECK(connecting->code() == errc::handshake_failed);
    const std::string text = thrown([&] { std::rethrow_exception(connecting->error); })->what();
    CHECK(text.find("cannot connect to 127.0.0.1:") != std::string::npos);
    CHECK(text.find("the peer's certificate is not accepted") != std::string::npos);
  }
  SUBCASE("a server that says nothing") {
    TcpListener silent(io.get_executor(), {asio::ip::make_address("127.0.0.1"), 0});
    const auto connecting = spawn(
        io,
        client.connect(
            TlsConnector("127.0.0.1", silent.local_endpoint().port, test_client_context()), 50ms));
    REQUIRE(run_until(io, [&] { return connecting->done; }));
    CHECK(connecting->code() == errc::connect_timeout);
  }
  SUBCASE("a server without TLS") {
    Script script;
    script.hello = [](::Client& peer) -> Task<void> {
      peer.send_packet("220 Service ready");
      co_return;
    };
    Server plain(io, "127.0.0.1", 0, Lines{}, script);
    const auto both = spawn(io, plain.serve_forever());
    const auto connecting =
        spawn(io, client.connect(TlsConnector("127.0.0.1", plain.port(), test_client_context())));
    REQUIRE(run_until(io, [&] { return connecting->done; }));
    CHECK(connecting->code() == errc::handshake_failed);
    const auto error = thrown([&] { std::rethrow_exception(connecting->error); });
    REQUIRE(error);
    CHECK(error->context().detail.find("the peer does not speak TLS") != std::string::npos);
  }
}
