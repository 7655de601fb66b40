// SPDX-License-Identifier: BSL-1.0
#include "cowire/detail/tls_engine.hpp"

#include "cowire/transports/tls_context.hpp"
#include "support/certificates.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>

using namespace cowire;
using detail::TlsEngine;
using Step = TlsEngine::Step;

namespace {

// Two engines, and the wire between them.
struct Talk {
  TlsEngine client = detail::client_engine(*test_client_context().settings(), "localhost");
  TlsEngine server = detail::server_engine(*test_server_context().settings());
  std::size_t at_once = 1 << 20;  // Bytes that are carried at a time.

  // Carries the next bytes. @returns How many.
  std::size_t carry(TlsEngine& from, TlsEngine& to, std::size_t most) const {
    const Bytes out = from.output();
    const MutableBytes in = to.input_room();
    const std::size_t n = std::min({out.size(), in.size(), most, at_once});
    if (n != 0) {
      std::memcpy(in.data(), out.data(), n);
      to.input_received(n);
      from.output_sent(n);
    }
    return n;
  }
  void carry_all(TlsEngine& from, TlsEngine& to) const {
    while (carry(from, to, at_once) != 0) {
    }
  }

  bool shake_hands() {
    Step mine = Step::wants_input;
    Step theirs = Step::wants_input;
    for (int turns = 0; turns < 100'000 && (mine != Step::done || theirs != Step::done); ++turns) {
      mine = client.handshake();
      carry(client, server, at_once);
      theirs = server.handshake();
      carry(server, client, at_once);
      if (mine == Step::failed || theirs == Step::failed) {
        return false;
      }
    }
    carry_all(server, client);  // Tickets.
    return mine == Step::done && theirs == Step::done;
  }
};

// What can be read now.
std::string read_all(TlsEngine& engine, Step& last) {
  std::string all;
  std::array<std::byte, 1000> buffer{};
  std::size_t n = 0;
  while ((last = engine.read(buffer, n)) == Step::done) {
    all += text_of(Bytes(buffer.data(), n));
  }
  return all;
}

}  // namespace

TEST_CASE("tls: a handshake, and bytes in both directions, one byte at a time and at once") {
  for (const std::size_t at_once : std::array<std::size_t, 4>{1, 2, 5, 1 << 20}) {
    CAPTURE(at_once);
    Talk talk;
    talk.at_once = at_once;
    REQUIRE(talk.shake_hands());
    std::size_t n = 0;
    CHECK(talk.client.write(bytes_of("hello"), n) == Step::done);
    CHECK(n == 5);
    talk.carry_all(talk.client, talk.server);
    Step last{};
    CHECK(read_all(talk.server, last) == "hello");
    CHECK(last == Step::wants_input);
    CHECK(talk.server.write(bytes_of("world"), n) == Step::done);
    talk.carry_all(talk.server, talk.client);
    CHECK(read_all(talk.client, last) == "world");

    talk.client.end_output();
    talk.carry_all(talk.client, talk.server);
    CHECK(read_all(talk.server, last) == "");
    CHECK(last == Step::ended);
    // The other direction is still open.
    CHECK(talk.server.write(bytes_of("late"), n) == Step::done);
    talk.carry_all(talk.server, talk.client);
    CHECK(read_all(talk.client, last) == "late");
    CHECK(last == Step::wants_input);
  }
}

TEST_CASE("tls: a write takes what there is room for, and goes on when that has been sent") {
  Talk talk;
  REQUIRE(talk.shake_hands());
  const std::string much(100'000, 'x');
  std::string heard;
  std::size_t written = 0;
  int full = 0;
  while (written < much.size()) {
    std::size_t n = 0;
    const Step step = talk.client.write(bytes_of(much).subspan(written), n);
    if (step == Step::done) {
      written += n;
    } else {
      CHECK(step == Step::wants_output);
      ++full;
      talk.carry_all(talk.client, talk.server);
      Step last{};
      heard += read_all(talk.server, last);
    }
  }
  talk.carry_all(talk.client, talk.server);
  Step last{};
  heard += read_all(talk.server, last);
  CHECK(heard == much);
  CHECK(full > 0);
}

TEST_CASE("tls: a stream that is cut, at every byte, is truncated, and never ended") {
  for (std::size_t cut = 0;; ++cut) {
    CAPTURE(cut);
    Talk talk;
    REQUIRE(talk.shake_hands());
    std::size_t n = 0;
    talk.client.write(bytes_of("hello"), n);
    talk.client.end_output();
    const std::size_t whole = talk.client.output().size();
    talk.carry(talk.client, talk.server, cut);
    talk.server.input_ended();
    Step last{};
    const std::string heard = read_all(talk.server, last);
    if (cut == whole) {
      CHECK(last == Step::ended);
      CHECK(heard == "hello");
      break;
    }
    CHECK(last == Step::failed);
    CHECK(talk.server.error() == errc::truncated);
    CHECK((heard == "" || heard == "hello"));
  }
}

TEST_CASE("tls: a handshake that is cut at every byte fails as truncated, on both sides") {
  std::size_t whole = 0;
  for (std::size_t cut = 0; cut == 0 || cut < whole; cut += 7) {
    CAPTURE(cut);
    Talk talk;
    talk.client.handshake();
    whole = talk.client.output().size();
    talk.carry(talk.client, talk.server, cut);
    talk.server.input_ended();
    CHECK(talk.server.handshake() == Step::failed);
    CHECK(talk.server.error() == errc::truncated);
    talk.client.input_ended();
    CHECK(talk.client.handshake() == Step::failed);
    CHECK(talk.client.error() == errc::truncated);
    CHECK(talk.client.handshake() == Step::failed);  // And stays so.
  }
}

TEST_CASE("tls: bytes that were changed on their way are an error") {
  Talk talk;
  REQUIRE(talk.shake_hands());
  std::size_t n = 0;
  talk.client.write(bytes_of("hello"), n);
  std::string wire(text_of(talk.client.output()));
  wire.back() = static_cast<char>(wire.back() ^ 1);
  std::memcpy(talk.server.input_room().data(), wire.data(), wire.size());
  talk.server.input_received(wire.size());
  Step last{};
  CHECK(read_all(talk.server, last) == "");
  CHECK(last == Step::failed);
  CHECK(talk.server.error());
  CHECK(talk.server.error() != errc::truncated);
  talk.server.end_output();  // Does nothing now.
  CHECK(talk.server.error_text() != "");
}

TEST_CASE("tls: who calls without TLS is recognised by the first bytes") {
  Talk talk;
  const std::string_view request = "GET / HTTP/1.1\r\n\r\n";
  std::memcpy(talk.server.input_room().data(), request.data(), request.size());
  talk.server.input_received(request.size());
  CHECK(talk.server.handshake() == Step::failed);
  CHECK(talk.server.is_called_without_tls());
  CHECK(talk.server.first_bytes() == request);
  CHECK(!talk.client.is_called_without_tls());
}

TEST_CASE("tls: what is known of a connection") {
  Talk talk;
  REQUIRE(talk.shake_hands());
  const TlsInfo client = talk.client.info();
  CHECK(client.version == "TLSv1.3");
  CHECK(client.cipher != "");
  CHECK(client.peer_subject == "CN=server");
  CHECK(client.peer_certificate.find("-----BEGIN CERTIFICATE-----") == 0);
  CHECK(client.peer_verified);
  const TlsInfo server = talk.server.info();
  CHECK(server.server_name == "localhost");
  CHECK(server.peer_subject == "");
  CHECK(server.peer_certificate == "");
  CHECK(!server.peer_verified);
}
