// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/ancillary.hpp"
#include "cowire/connector.hpp"
#include "cowire/detail/descriptor_messages.hpp"
#include "cowire/detail/socket_file.hpp"
#include "cowire/detail/socket_transport.hpp"
#include "cowire/error.hpp"
#include "cowire/task.hpp"
#include "cowire/transport.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/buffer.hpp>
#include <asio/compose.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/redirect_error.hpp>
#include <asio/socket_base.hpp>
#include <asio/use_awaitable.hpp>

#ifndef ASIO_HAS_LOCAL_SOCKETS
#error "this platform has no Unix domain sockets: do not include cowire/transports/unix.hpp"
#endif

#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cowire {

namespace detail {

inline Endpoint endpoint_of_path(std::string path) {
  if (path.empty()) {
    return {"(unnamed)", 0};
  }
  if (path.front() == '\0') {
    path.front() = '@';
  }
  return {std::move(path), 0};
}

}  // namespace detail

/// An address as an Endpoint: the path; "@name" for the abstract name "name"; "(unnamed)" for a
/// socket that was not bound, as clients' sockets usually are.
inline Endpoint to_endpoint(const asio::local::stream_protocol::endpoint& endpoint) {
  return detail::endpoint_of_path(endpoint.path());
}

/// An address that is no file, but a name in a space of its own (Linux): for UnixListener and
/// UnixConnector. Everybody on the machine may connect to it.
inline std::string abstract_name(std::string_view name) { return '\0' + std::string(name); }

/// A connected Unix domain socket. A Transport.
template <class Executor = asio::any_io_executor>
class BasicUnixTransport
    : public detail::SocketTransport<asio::local::stream_protocol, Executor, &to_endpoint> {
  using Base = detail::SocketTransport<asio::local::stream_protocol, Executor, &to_endpoint>;

 public:
  using typename Base::socket_type;

  /// Takes over a connected socket; `remote` is kept, because the system forgets it when the
  /// connection breaks. At most `receive_descriptors` may come with a packet; 0: none are taken,
  /// and those that come are closed by the system.
  BasicUnixTransport(socket_type socket, const asio::local::stream_protocol::endpoint& remote,
                     std::size_t receive_descriptors = 0)
      : Base(std::move(socket)),
        remote_(to_endpoint(remote)),
        receive_descriptors_(receive_descriptors) {
    if (receive_descriptors != 0) {
      receiver_ =
          std::make_shared<detail::DescriptorReceiver>(this->native_handle(), receive_descriptors);
    }
  }

  template <class Token>
  auto async_read_some(asio::mutable_buffer buffer, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
        [](auto handler, BasicUnixTransport* self, asio::mutable_buffer into) {
          if (self->receiver_ == nullptr) {
            self->socket_.async_read_some(into, std::move(handler));
          } else {
            using Handler = decltype(handler);
            asio::async_compose<Handler, void(std::error_code, std::size_t)>(
                detail::ReadWithDescriptors<socket_type>(self->socket_, self->receiver_, into),
                handler, self->socket_);
          }
        },
        token, this, buffer);
  }

  std::size_t try_write_with(asio::const_buffer buffer, const Ancillary& ancillary,
                             std::error_code& ec) {
    return detail::send_with_descriptors(this->native_handle(), buffer, ancillary, ec);
  }
  template <class Token>
  auto async_wait_write(Token&& token) {
    return socket_.async_wait(asio::socket_base::wait_write, std::forward<Token>(token));
  }
  std::size_t receive_descriptors() const noexcept { return receive_descriptors_; }
  std::optional<Ancillary> take_ancillary() {
    return receiver_ != nullptr ? receiver_->take() : std::optional<Ancillary>(std::in_place);
  }

  void close() {
    receiver_.reset();  // A read whose wait has ended must not touch the number any more.
    Base::close();
  }

  /// There is no reset on such sockets: the peer sees the end of the stream, or connection_reset
  /// if there were bytes that nobody read.
  void abort() { close(); }

  Endpoint remote_endpoint() const { return remote_; }

  void apply(const SocketOptions&) const noexcept {}

 private:
  using Base::socket_;

  Endpoint remote_;
  std::size_t receive_descriptors_;
  std::shared_ptr<detail::DescriptorReceiver> receiver_;  // Null: none are taken.
};

using UnixTransport = BasicUnixTransport<>;

/// Who is at the other end of a Unix domain socket.
struct UnixCredentials {
  pid_t pid;  ///< The process that connected, or listened.
  uid_t uid;  ///< Its effective user.
  gid_t gid;  ///< Its effective group.
};

/// Asks the system who is at the other end, as it was when the connection was made:
///
///     if (unix_peer_credentials(client.native_handle()).uid != ::geteuid()) { client.close(); }
///
/// @throws std::system_error, for example if the handle is no Unix domain socket.
inline UnixCredentials unix_peer_credentials(int native_handle) {
  UnixCredentials credentials{-1, 0, 0};
#ifdef SO_PEERCRED
  struct ucred given = {};
  socklen_t size = sizeof(given);
  const int result = ::getsockopt(native_handle, SOL_SOCKET, SO_PEERCRED, &given, &size);
  credentials = {given.pid, given.uid, given.gid};
  // Other kinds of sockets answer without an error, and without an answer.
  const bool unknown = result == 0 && given.pid == 0 && given.uid == static_cast<uid_t>(-1);
#else
  const int result = ::getpeereid(native_handle, &credentials.uid, &credentials.gid);
  const bool unknown = false;
#endif
  if (result != 0 || unknown) {
    throw std::system_error(result != 0 ? errno : ENOTSUP, std::generic_category(),
                            "the credentials of the peer are not known");
  }
  return credentials;
}

/// How a Unix domain socket is connected.
struct UnixConnectOptions {
  /// How many descriptors may come with one packet: see UnixListenOptions.
  std::size_t receive_descriptors = 0;
};

/// Reaches a server at a path, or an abstract_name(). A Connector:
///
///     co_await client.connect(UnixConnector("/run/my.sock"));
///
/// If the server has no room for one more, the connector waits and tries again.
class UnixConnector {
 public:
  using transport_type = UnixTransport;

  explicit UnixConnector(std::string path, const UnixConnectOptions& options = {})
      : path_(std::move(path)), options_(options) {}

  std::string name() const { return to_string(detail::endpoint_of_path(path_)); }

  /// For the client: see Connector.
  template <class C>
  Task<std::optional<UnixTransport>> connect(asio::any_io_executor executor,
                                             std::shared_ptr<ConnectAttempt> attempt) const {
    if (const std::string problem = detail::unusable_path(path_); !problem.empty()) {
      attempt->failed("", problem);
      co_return std::nullopt;
    }
    const asio::local::stream_protocol::endpoint to(path_);
    std::chrono::milliseconds pause(5);
    for (;;) {
      UnixTransport::socket_type socket(executor);
      std::error_code ec;
      co_await socket.async_connect(to, asio::redirect_error(asio::use_awaitable, ec));
      if (!ec) {
        socket.remote_endpoint(ec);  // Newer versions of Asio may be wrong: not_connected.
      }
      if (!ec) {
        co_return UnixTransport(std::move(socket), to, options_.receive_descriptors);
      }
      // The queue of the server is full: the system does not wait, as it does for TCP.
      if (ec != asio::error::no_buffer_space && ec != asio::error::try_again &&
          ec != asio::error::not_connected) {
        attempt->failed("", ec.message());
        co_return std::nullopt;
      }
      typename C::template Timer<asio::any_io_executor> timer(executor);
      timer.expires_at(C::now(executor) + pause);
      co_await timer.async_wait(asio::use_awaitable);
      pause = std::min(2 * pause, std::chrono::milliseconds(200));
    }
  }

 private:
  std::string path_;
  UnixConnectOptions options_;
};

static_assert(Connector<UnixConnector>);

/// How a Unix domain listener is opened.
struct UnixListenOptions {
  int backlog = 128;          ///< Connections that may wait to be accepted. At least 1.
  int mode = -1;              ///< Permissions of the file, such as 0600; -1: what the umask leaves.
  bool replace_stale = true;  ///< Replaces a socket file that a crashed server has left.

  /// How many descriptors may come with one packet, for RecvParams::with_ancillary; 0: none are
  /// taken. A packet with more is errc::too_many_descriptors at the yield, and they are closed.
  std::size_t receive_descriptors = 0;
};

/// A listening Unix domain socket. A Listener.
///
///     server.add_listener(UnixListener(executor, "/run/my.sock"));
///
/// Removes its file when it is closed or destroyed, unless the file is another one by then.
template <class Executor = asio::any_io_executor>
class BasicUnixListener
    : public detail::SocketListener<asio::local::stream_protocol, BasicUnixTransport<Executor>> {
  using SocketProtocol = asio::local::stream_protocol;
  using Base = detail::SocketListener<SocketProtocol, BasicUnixTransport<Executor>>;
  using Base::acceptor_;

 public:
  /// Binds to a path, or an abstract_name(), and listens. With "" the system chooses an abstract
  /// name (Linux).
  ///
  /// A file at the path is replaced if it is a socket on which nobody listens (EasyNetwork, as
  /// asyncio, leaves it, so that a server that crashed cannot start again).
  /// @throws Error listen_failed
  BasicUnixListener(const Executor& executor, const std::string& path,
                    const UnixListenOptions& options = {})
      : Base(executor), receive_descriptors_(options.receive_descriptors) {
    std::string problem = detail::unusable_path(path);
    try {
      if (problem.empty()) {
        open(SocketProtocol::endpoint(path), options);
        return;
      }
    } catch (const std::system_error& error) {
      const auto code = detail::as_system_error(error.code());
      problem = code == std::errc::address_in_use ? detail::why_in_use(path) : code.message();
    }
    throw Error(errc::listen_failed,
                "cannot listen on " + to_string(detail::endpoint_of_path(path)) + ": " + problem);
  }

  /// The next connection. @throws std::system_error @cancellation Total.
  Task<BasicUnixTransport<Executor>> accept() {
    SocketProtocol::endpoint remote;
    auto socket = co_await acceptor_.async_accept(remote, asio::use_awaitable);
    co_return BasicUnixTransport<Executor>(std::move(socket), remote, receive_descriptors_);
  }

  /// @returns Why the file could not be removed, if so.
  std::error_code close() {
    const std::error_code failed = file_.remove();
    Base::close();
    return failed;
  }
  Endpoint local_endpoint() const { return local_; }

 private:
  void open(const SocketProtocol::endpoint& endpoint, const UnixListenOptions& options) {
    const detail::StartLock lock(endpoint.path());
    acceptor_.open(endpoint.protocol());
    std::error_code ec;
    acceptor_.bind(endpoint, ec);
    if (detail::as_system_error(ec) == std::errc::address_in_use && options.replace_stale &&
        detail::remove_stale_socket(endpoint.path())) {
      ec.clear();
      acceptor_.bind(endpoint, ec);
    }
    if (ec) {
      throw std::system_error(ec);
    }
    const auto bound = acceptor_.local_endpoint();
    local_ = to_endpoint(bound);
    file_ = detail::SocketFile(bound.path());
    if (options.mode >= 0) {
      file_.set_mode(static_cast<mode_t>(options.mode));  // Nobody could connect yet.
    }
    acceptor_.listen(options.backlog);
  }

  std::size_t receive_descriptors_;
  detail::SocketFile file_;
  Endpoint local_;
};

using UnixListener = BasicUnixListener<>;

}  // namespace cowire
