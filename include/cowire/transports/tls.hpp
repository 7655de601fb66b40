// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/connector.hpp"
#include "cowire/detail/tls_listener.hpp"
#include "cowire/detail/tls_operations.hpp"
#include "cowire/error.hpp"
#include "cowire/task.hpp"
#include "cowire/tls_info.hpp"
#include "cowire/transport.hpp"
#include "cowire/transports/tcp.hpp"
#include "cowire/transports/tcp_connector.hpp"
#include "cowire/transports/tls_context.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cowire {

/// TLS on another transport. A Transport; after the handshake it carries plain text.
///
/// The end of the stream is TLS's own (close_notify, RFC 8446, section 6.1): shutdown_send() says
/// it, and the peer may still answer. A stream that ends without it was cut, perhaps by an
/// attacker: reading ends with errc::truncated then, as if a packet had been cut.
///
/// After a failure the peer is told why, by an alert. It may be lost if the connection is closed
/// while bytes of the peer are unread. So async_shutdown_send() ends the stream below too then, and
/// reading, once it has told the failure, throws away what comes until the peer has ended.
template <Transport Next>
class BasicTlsTransport {
 public:
  using executor_type = typename Next::executor_type;

  /// The server's end of a connection.
  BasicTlsTransport(Next next, const TlsServerContext& context)
      : BasicTlsTransport(std::move(next), context.settings()) {}

  /// The client's end of a connection to the server of this name, or address, which its
  /// certificate must have. @throws Error invalid_argument if that is no name.
  BasicTlsTransport(Next next, const TlsClientContext& context, const std::string& server_name)
      : stream_(std::make_shared<Stream>(std::move(next), context.settings(),
                                         detail::client_engine(*context.settings(), server_name))) {
  }

  executor_type get_executor() { return stream_->next().get_executor(); }

  /// To be done before anything is read or written: (ec). @cancellation The connection is of no
  /// use then.
  template <class Token>
  auto async_handshake(Token&& token) {
    return asio::async_initiate<Token, void(std::error_code)>(
        [](auto handler, std::shared_ptr<Stream> stream) {
          detail::TlsHandshake<Stream, decltype(handler)>(std::move(stream), std::move(handler))
              .begin();
        },
        token, stream_);
  }

  /// Why the handshake failed, in words.
  Error handshake_error(std::error_code ec) const {
    const detail::TlsEngine& engine = stream_->engine();
    ErrorContext context;
    context.peer = to_string(remote_endpoint());
    context.detail = "the TLS handshake failed";
    if (engine.is_called_without_tls()) {
      context.detail += ": the peer does not speak TLS";
      context.first_bytes = engine.first_bytes();
    } else {
      context.detail += ": " + (engine.error() == ec ? engine.error_text() : ec.message());
    }
    return Error(errc::handshake_failed, std::move(context));
  }

  template <class Token>
  auto async_read_some(asio::mutable_buffer buffer, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
        [](auto handler, std::shared_ptr<Stream> stream, asio::mutable_buffer into) {
          detail::TlsRead<Stream, decltype(handler)>(std::move(stream), std::move(handler), into)
              .begin();
        },
        token, stream_, buffer);
  }
  template <class Token>
  auto async_write_some(asio::const_buffer buffer, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
        [](auto handler, std::shared_ptr<Stream> stream, asio::const_buffer from) {
          detail::TlsWrite<Stream, decltype(handler)>(std::move(stream), std::move(handler), from)
              .begin();
        },
        token, stream_, buffer);
  }
  std::size_t try_write_some(asio::const_buffer buffer, std::error_code& ec)
    requires WritesDirectly<Next>
  {
    const Bytes bytes(static_cast<const std::byte*>(buffer.data()), buffer.size());
    std::size_t written = 0;
    while (written < bytes.size() && stream_->encrypted == 0 && !stream_->has_output()) {
      if (!stream_->encrypt(bytes.subspan(written), ec) || !stream_->send_directly(ec)) {
        break;
      }
      written += std::exchange(stream_->encrypted, 0);
    }
    if (written == 0 && !ec) {
      ec = asio::error::would_block;
    }
    return written;
  }
  template <class Token>
  auto async_wait_read(Token&& token)
    requires WaitsForRead<Next>
  {
    return stream_->next().async_wait_read(std::forward<Token>(token));
  }
  void cancel()
    requires WaitsForRead<Next>
  {
    stream_->next().cancel();
  }

  void shutdown_send(std::error_code& ec) {
    ec = {};
    stream_->engine().end_output();
    stream_->push();
  }
  template <class Token>
  auto async_shutdown_send(Token&& token) {
    return asio::async_initiate<Token, void(std::error_code)>(
        [](auto handler, std::shared_ptr<Stream> stream) {
          stream->engine().end_output();
          detail::TlsPush<Stream, decltype(handler)>(std::move(stream), std::move(handler)).begin();
        },
        token, stream_);
  }
  void close() { stream_->next().close(); }

  /// As the transport below does it, without a word in TLS: the peer is to see that it was cut.
  void abort() { stream_->next().abort(); }

  Endpoint local_endpoint() const { return stream_->next().local_endpoint(); }
  Endpoint remote_endpoint() const { return stream_->next().remote_endpoint(); }
  int native_handle() { return stream_->next().native_handle(); }
  void apply(const SocketOptions& options) { stream_->next().apply(options); }

  /// What TLS says of the connection.
  TlsInfo tls_info() const { return stream_->engine().info(); }

 private:
  using Stream = detail::TlsStream<Next>;

  BasicTlsTransport(Next next, const std::shared_ptr<detail::TlsSettings>& settings)
      : stream_(std::make_shared<Stream>(std::move(next), settings,
                                         detail::server_engine(*settings))) {}

  std::shared_ptr<Stream> stream_;
};

using TlsTransport = BasicTlsTransport<TcpTransport>;

/// TLS for what another listener accepts. A Listener. The handshake is made by the connection
/// itself, within Limits::handshake_timeout: one that is slow keeps nobody waiting.
template <Listener L>
class TlsListener : public detail::WrappingListener<TlsListener<L>, L,
                                                    BasicTlsTransport<typename L::transport_type>> {
 public:
  TlsListener(L listener, TlsServerContext context)
      : TlsListener::WrappingListener(std::move(listener), std::move(context)) {}
};

/// Listens with TLS on every address of a host: see listen_tcp().
/// @throws Error listen_failed
template <class Executor>
std::vector<TlsListener<BasicTcpListener<Executor>>> listen_tls(
    const Executor& executor, const std::string& host, std::uint16_t port,
    const TlsServerContext& context, const TcpListenOptions& options = {}) {
  return detail::listen_wrapping<TlsListener>(executor, host, port, context, options);
}

/// Reaches a server through TLS. A Connector:
///
///     co_await client.connect(TlsConnector("example.org", 443));
///
/// The certificate must come from an issuer that the system trusts, and name the host; another
/// context trusts others. Connecting includes the handshake, and its time limit too: one that fails
/// is errc::handshake_failed, with the reason.
template <Connector K = TcpConnector>
class TlsConnector {
 public:
  using transport_type = BasicTlsTransport<typename K::transport_type>;

  /// Through TCP.
  TlsConnector(std::string host, std::uint16_t port,
               TlsClientContext context = TlsClientContext::system())
      : TlsConnector(TcpConnector(host, port), host, std::move(context)) {}

  /// By other means, to a server of this name:
  /// `TlsConnector(UnixConnector("/run/my.sock"), "my-server", context)`.
  /// @throws Error invalid_argument if that is no name; it fails closed.
  TlsConnector(K connector, std::string server_name,
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
    transport_type transport(std::move(*next), context_, server_name_);
    std::error_code ec;
    co_await transport.async_handshake(asio::redirect_error(asio::use_awaitable, ec));
    if (ec) {
      attempt->failed(to_string(transport.remote_endpoint()),
                      transport.handshake_error(ec).context().detail, errc::handshake_failed);
      co_return std::nullopt;
    }
    co_return transport;
  }

 private:
  K connector_;
  std::string server_name_;
  TlsClientContext context_;
};

TlsConnector(std::string, std::uint16_t) -> TlsConnector<TcpConnector>;
TlsConnector(std::string, std::uint16_t, TlsClientContext) -> TlsConnector<TcpConnector>;

static_assert(Connector<TlsConnector<>>);

}  // namespace cowire
