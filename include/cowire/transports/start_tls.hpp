// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/transports/tls.hpp"

#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/buffer.hpp>
#include <asio/post.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace cowire {

/// A connection that begins without TLS, and may go on with it. A Transport.
///
///     Next, until async_start_tls(); then BasicTlsTransport<Next>
///
/// Made by a StartTlsListener or a StartTlsConnector; Peer::start_tls() and Client::start_tls() do
/// what must be done around the handshake.
template <Transport Next>
class BasicStartTlsTransport {
  using Tls = BasicTlsTransport<Next>;

 public:
  using executor_type = typename Next::executor_type;

  /// The server's end of a connection.
  BasicStartTlsTransport(Next next, TlsServerContext context)
      : state_(std::move(next)), wrap_([context = std::move(context)](Next plain) {
          return Tls(std::move(plain), context);
        }) {}

  /// The client's end of a connection to the server of this name, or address, which its
  /// certificate must have.
  BasicStartTlsTransport(Next next, TlsClientContext context, std::string server_name)
      : state_(std::move(next)),
        wrap_([context = std::move(context), name = std::move(server_name)](Next plain) {
          return Tls(std::move(plain), context, name);
        }) {}

  executor_type get_executor() {
    return visit([](auto& now) { return now.get_executor(); });
  }

  /// Whether TLS was started, be it that its handshake goes on or has failed.
  bool has_started_tls() const noexcept { return std::holds_alternative<Tls>(state_); }

  /// Makes the handshake of TLS: (ec). From here on everything goes through it.
  /// @pre !has_started_tls(); nothing is being read or written. @cancellation The connection is of
  /// no use then.
  template <class Token>
  auto async_start_tls(Token&& token) {
    state_ = wrap_(std::move(std::get<Next>(state_)));
    return std::get<Tls>(state_).async_handshake(std::forward<Token>(token));
  }

  /// Why the handshake failed, in words. @pre has_started_tls()
  Error handshake_error(std::error_code ec) const {
    return std::get<Tls>(state_).handshake_error(ec);
  }

  template <class Token>
  auto async_read_some(asio::mutable_buffer buffer, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
        [this](auto handler, asio::mutable_buffer into) {
          this->visit([&](auto& now) { now.async_read_some(into, std::move(handler)); });
        },
        token, buffer);
  }
  template <class Token>
  auto async_write_some(asio::const_buffer buffer, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
        [this](auto handler, asio::const_buffer from) {
          this->visit([&](auto& now) { now.async_write_some(from, std::move(handler)); });
        },
        token, buffer);
  }
  std::size_t try_write_some(asio::const_buffer buffer, std::error_code& ec)
    requires WritesDirectly<Next>
  {
    return visit([&](auto& now) { return now.try_write_some(buffer, ec); });
  }
  template <class Token>
  auto async_wait_read(Token&& token)
    requires WaitsForRead<Next>
  {
    return asio::async_initiate<Token, void(std::error_code)>(
        [this](auto handler) {
          this->visit([&](auto& now) { now.async_wait_read(std::move(handler)); });
        },
        token);
  }
  void cancel()
    requires WaitsForRead<Next>
  {
    visit([](auto& now) { now.cancel(); });
  }

  void shutdown_send(std::error_code& ec) {
    visit([&](auto& now) { now.shutdown_send(ec); });
  }
  template <class Token>
  auto async_shutdown_send(Token&& token) {
    return asio::async_initiate<Token, void(std::error_code)>(
        [this](auto handler) {
          if (Tls* const tls = std::get_if<Tls>(&state_)) {
            tls->async_shutdown_send(std::move(handler));
            return;
          }
          std::error_code ec;
          std::get<Next>(state_).shutdown_send(ec);
          auto executor = asio::get_associated_executor(handler, get_executor());
          asio::post(executor,
                     [handler = std::move(handler), ec]() mutable { std::move(handler)(ec); });
        },
        token);
  }
  void close() {
    visit([](auto& now) { now.close(); });
  }
  void abort() {
    visit([](auto& now) { now.abort(); });
  }

  Endpoint local_endpoint() const {
    return std::visit([](const auto& now) { return now.local_endpoint(); }, state_);
  }
  Endpoint remote_endpoint() const {
    return std::visit([](const auto& now) { return now.remote_endpoint(); }, state_);
  }
  int native_handle() {
    return visit([](auto& now) { return now.native_handle(); });
  }
  void apply(const SocketOptions& options) {
    visit([&](auto& now) { now.apply(options); });
  }

  /// What TLS says of the connection; nothing before it was started.
  std::optional<TlsInfo> tls_info() const {
    const Tls* const tls = std::get_if<Tls>(&state_);
    return tls != nullptr ? std::optional(tls->tls_info()) : std::nullopt;
  }

 private:
  template <class F>
  decltype(auto) visit(F f) {
    return std::visit(std::move(f), state_);
  }

  std::variant<Next, Tls> state_;
  std::function<Tls(Next)> wrap_;  // Gives the connection TLS, when it is to start.
};

using StartTlsTransport = BasicStartTlsTransport<TcpTransport>;

static_assert(StartsTls<StartTlsTransport> && !NeedsHandshake<StartTlsTransport>);

/// What another listener accepts, ready to start TLS when the handler says so. A Listener.
///
/// A protocol in which clients ask for TLS (SMTP, IMAP, LDAP, PostgreSQL ...) leaves it to the
/// attacker between the two whether they ever do: where one may choose, listen with TLS from the
/// first byte (TlsListener), or refuse all but the request for it until it was started.
template <Listener L>
class StartTlsListener
    : public detail::WrappingListener<StartTlsListener<L>, L,
                                      BasicStartTlsTransport<typename L::transport_type>> {
 public:
  StartTlsListener(L listener, TlsServerContext context)
      : StartTlsListener::WrappingListener(std::move(listener), std::move(context)) {}
};

/// Listens on every address of a host, for connections that may start TLS: see listen_tcp().
/// @throws Error listen_failed
template <class Executor>
std::vector<StartTlsListener<BasicTcpListener<Executor>>> listen_start_tls(
    const Executor& executor, const std::string& host, std::uint16_t port,
    const TlsServerContext& context, const TcpListenOptions& options = {}) {
  return detail::listen_wrapping<StartTlsListener>(executor, host, port, context, options);
}

/// Reaches a server without TLS, for a client that starts it later. A Connector:
///
///     co_await client.connect(StartTlsConnector("mail.example.org", 587));
///     ... asks for it ...
///     co_await client.start_tls();
///
/// The server's certificate is checked as TlsConnector does it.
template <Connector K = TcpConnector>
class StartTlsConnector {
 public:
  using transport_type = BasicStartTlsTransport<typename K::transport_type>;

  /// Through TCP.
  StartTlsConnector(std::string host, std::uint16_t port,
                    TlsClientContext context = TlsClientContext::system())
      : StartTlsConnector(TcpConnector(host, port), host, std::move(context)) {}

  /// By other means, to a server of this name. @throws Error invalid_argument if that is no name.
  StartTlsConnector(K connector, std::string server_name,
                    TlsClientContext context = TlsClientContext::system())
      : connector_(std::move(connector)),
        server_name_(detail::checked_server_name(server_name)),
        context_(std::move(context)) {}

  std::string name() const { return connector_.name(); }

  /// For the client: see Connector.
  template <class C>
  Task<std::optional<transport_type>> connect(asio::any_io_executor executor,
                                              std::shared_ptr<ConnectAttempt> attempt) const {
    auto next = co_await connector_.template connect<C>(executor, attempt);
    if (!next) {
      co_return std::nullopt;
    }
    co_return transport_type(*std::move(next), context_, server_name_);
  }

 private:
  K connector_;
  std::string server_name_;
  TlsClientContext context_;
};

StartTlsConnector(std::string, std::uint16_t) -> StartTlsConnector<TcpConnector>;
StartTlsConnector(std::string, std::uint16_t, TlsClientContext) -> StartTlsConnector<TcpConnector>;

static_assert(Connector<StartTlsConnector<>>);

}  // namespace cowire
