// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/socket_transport.hpp"
#include "cowire/transport.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/socket_base.hpp>

#if __has_include(<unistd.h>)
#include <fcntl.h>
#include <unistd.h>
#endif

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cowire {

/// An address and port as an Endpoint.
inline Endpoint to_endpoint(const asio::ip::tcp::endpoint& endpoint) {
  return {endpoint.address().to_string(), endpoint.port()};
}

/// A connected TCP socket. A Transport.
///
/// With the executor type of an io_context, `BasicTcpTransport<asio::io_context::executor_type>`,
/// Asio's type-erased executor stays out of the path of the packets.
template <class Executor = asio::any_io_executor>
class BasicTcpTransport : public detail::SocketTransport<asio::ip::tcp, Executor, &to_endpoint> {
  using Base = detail::SocketTransport<asio::ip::tcp, Executor, &to_endpoint>;
  using Base::socket_;

 public:
  using typename Base::socket_type;

  /// Takes over a connected socket; `remote` is kept, because the system forgets it when the
  /// connection breaks.
  BasicTcpTransport(socket_type socket, const asio::ip::tcp::endpoint& remote)
      : Base(std::move(socket)), remote_(remote) {}

  /// The same for a socket from elsewhere. @throws std::system_error not_connected
  explicit BasicTcpTransport(socket_type socket)
      : Base(std::move(socket)), remote_(socket_.remote_endpoint()) {}

  void abort() {
    std::error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);  // RST instead of FIN.
    socket_.close(ignored);
  }

  Endpoint remote_endpoint() const { return to_endpoint(remote_); }

  void apply(const SocketOptions& options) {
    std::error_code ignored;
    if (options.no_delay) {
      socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    }
    if (options.keep_alive) {
      socket_.set_option(asio::socket_base::keep_alive(true), ignored);
    }
  }

 private:
  asio::ip::tcp::endpoint remote_;
};

using TcpTransport = BasicTcpTransport<>;

#ifdef SO_REUSEPORT
namespace detail {

// SO_REUSEPORT = 1, which Asio has no name for. The functions are Asio's SettableSocketOption.
struct ReusePort {
  template <class P>
  int level(const P&) const noexcept {
    return SOL_SOCKET;
  }
  template <class P>
  int name(const P&) const noexcept {
    return SO_REUSEPORT;
  }
  template <class P>
  const void* data(const P&) const noexcept {
    return &value;
  }
  template <class P>
  std::size_t size(const P&) const noexcept {
    return sizeof(value);
  }

  int value = 1;
};

}  // namespace detail
#endif

/// How a TCP listener is opened.
struct TcpListenOptions {
  int backlog = 128;        ///< Connections that may wait to be accepted. At least 1.
  bool reuse_port = false;  ///< SO_REUSEPORT: several listeners share the port, where it exists.
};

/// A listening TCP socket. A Listener.
template <class Executor = asio::any_io_executor>
class BasicTcpListener : public detail::SocketListener<asio::ip::tcp, BasicTcpTransport<Executor>> {
  using Base = detail::SocketListener<asio::ip::tcp, BasicTcpTransport<Executor>>;
  using Base::acceptor_;

 public:
  /// Binds to one address and listens. @throws std::system_error
  BasicTcpListener(const Executor& executor, const asio::ip::tcp::endpoint& endpoint,
                   const TcpListenOptions& options = {})
      : Base(executor) {
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
#ifdef SO_REUSEPORT
    if (options.reuse_port) {
      acceptor_.set_option(detail::ReusePort());
    }
#endif
    if (endpoint.protocol() == asio::ip::tcp::v6()) {
      acceptor_.set_option(asio::ip::v6_only(true));
    }
    acceptor_.bind(endpoint);
    acceptor_.listen(options.backlog);
    local_ = acceptor_.local_endpoint();
  }

  Endpoint local_endpoint() const { return to_endpoint(local_); }

#ifdef F_DUPFD_CLOEXEC
  /// A second listener on the same socket, for another executor: a connection goes to whichever
  /// accepts it first. The socket is closed when both are. @throws std::system_error
  BasicTcpListener duplicate(const Executor& executor) {
    const int copy = ::fcntl(acceptor_.native_handle(), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      throw std::system_error(errno, std::generic_category(), "a listener cannot be duplicated");
    }
    return BasicTcpListener(executor, copy, local_);
  }
#endif

 private:
#ifdef F_DUPFD_CLOEXEC
  BasicTcpListener(const Executor& executor, int handle, const asio::ip::tcp::endpoint& local)
      : Base(executor), local_(local) {
    std::error_code ec;
    acceptor_.assign(local.protocol(), handle, ec);
    if (ec) {
      ::close(handle);
      throw std::system_error(ec, "a listener cannot be duplicated");
    }
  }
#endif

  asio::ip::tcp::endpoint local_;
};

using TcpListener = BasicTcpListener<>;

/// Listens on every address of a host: "localhost", "127.0.0.1", "::1", or "" for all interfaces.
///
/// Blocks while a name is resolved. With port 0 the system chooses one port for all of them.
/// An address family that this machine does not have is left out.
/// @throws Error listen_failed, with each address's reason; then nothing listens.
template <class Executor>
std::vector<BasicTcpListener<Executor>> listen_tcp(const Executor& executor,
                                                   const std::string& host, std::uint16_t port,
                                                   const TcpListenOptions& options = {});

}  // namespace cowire

#include "cowire/impl/tcp.hpp"
