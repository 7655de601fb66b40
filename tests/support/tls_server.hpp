// SPDX-License-Identifier: BSL-1.0
// The line server with a door for TLS too, and clients that come in by it.
#pragma once

#include "cowire/client.hpp"
#include "cowire/connector.hpp"
#include "cowire/transports/tls.hpp"
#include "support/certificates.hpp"
#include "support/journal.hpp"
#include "support/memory_server.hpp"

#include <asio/any_io_executor.hpp>
#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

using TlsEnd = cowire::BasicTlsTransport<MemoryEnd>;
using TlsClient = cowire::Client<Lines, cowire::testing::ManualClock>;

/// A connector to what was connected before.
struct Through {
  using transport_type = MemoryEnd;

  std::string name() const { return "the other end"; }
  template <class C>
  cowire::Task<std::optional<MemoryEnd>> connect(asio::any_io_executor,
                                                 std::shared_ptr<cowire::ConnectAttempt>) const {
    co_return std::move(*end);
  }

  std::shared_ptr<MemoryEnd> end;
};

/// A server with a door for TLS beside the plain one.
struct TlsServer : MemoryServer {
  explicit TlsServer(Script script = {},
                     const cowire::TlsServerContext& context = test_server_context(),
                     cowire::ServerOptions options = {})
      : MemoryServer(std::move(script), std::move(options)) {
    server->add_listener(cowire::TlsListener(tls_door, context));
    serving = serve();
  }

  /// Connects and makes the handshake. @returns What came of it.
  std::error_code shake_hands(TlsEnd& end) {
    std::optional<std::error_code> done;
    end.async_handshake([&done](std::error_code ec) { done = ec; });
    settle();
    REQUIRE(done);
    return *done;
  }
  TlsEnd end(const cowire::TlsClientContext& context = test_client_context(),
             const std::string& name = "localhost", const cowire::MemoryOptions& from_client = {},
             const cowire::MemoryOptions& from_server = {}) {
    return TlsEnd(tls_door.connect(from_client, from_server), context, name);
  }
  Guest tls_guest(TlsEnd end) {
    REQUIRE(shake_hands(end) == std::error_code());
    Guest guest(AnyTransport(std::move(end)));
    guest.listen();
    settle();
    return guest;
  }
  Guest tls_guest() { return tls_guest(end()); }

  std::size_t handshake_warnings() const {
    return records.count("Error in client task (during TLS handshake)", cowire::LogLevel::warning);
  }

  MemoryDoor tls_door{io.get_executor()};
  std::shared_ptr<Outcome> serving;
};

/// A client, connected through the TLS door; the test is over if that fails.
struct Connected {
  Connected(TlsServer& world, TlsEnd end, cowire::ClientOptions options = {})
      : client(hands_shaken(world, std::move(end)), Lines{}, std::move(options)) {}

  static TlsEnd hands_shaken(TlsServer& world, TlsEnd end) {
    REQUIRE(world.shake_hands(end) == std::error_code());
    return end;
  }

  TlsClient client;
};
