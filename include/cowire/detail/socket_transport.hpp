// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/task.hpp"
#include "cowire/transport.hpp"

#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/buffer.hpp>
#include <asio/socket_base.hpp>
#include <asio/use_awaitable.hpp>

#include <cstddef>
#include <system_error>
#include <utility>

namespace cowire::detail {

// What transports on a stream socket of the system have in common. `to_endpoint` puts an address
// of the protocol's into words.
template <class SocketProtocol, class Executor,
          Endpoint (*to_endpoint)(const typename SocketProtocol::endpoint&)>
class SocketTransport {
 public:
  using executor_type = Executor;
  using socket_type = asio::basic_stream_socket<SocketProtocol, Executor>;

  executor_type get_executor() { return socket_.get_executor(); }

  template <class Token>
  auto async_read_some(asio::mutable_buffer buffer, Token&& token) {
    return socket_.async_read_some(buffer, std::forward<Token>(token));
  }
  template <class Token>
  auto async_write_some(asio::const_buffer buffer, Token&& token) {
    return socket_.async_write_some(buffer, std::forward<Token>(token));
  }
  std::size_t try_write_some(asio::const_buffer buffer, std::error_code& ec) {
    return socket_.write_some(buffer, ec);
  }
  template <class Token>
  auto async_wait_read(Token&& token) {
    return socket_.async_wait(asio::socket_base::wait_read, std::forward<Token>(token));
  }
  void cancel() {
    std::error_code ignored;
    socket_.cancel(ignored);
  }

  void shutdown_send(std::error_code& ec) {
    socket_.shutdown(asio::socket_base::shutdown_send, ec);
  }
  void close() {
    std::error_code ignored;
    socket_.close(ignored);
  }

  // Unknown (an empty address) once the socket is closed.
  Endpoint local_endpoint() const {
    std::error_code ec;
    const auto local = socket_.local_endpoint(ec);
    return ec ? Endpoint{} : to_endpoint(local);
  }
  int native_handle() { return static_cast<int>(socket_.native_handle()); }

 protected:
  explicit SocketTransport(socket_type socket) : socket_(std::move(socket)) {
    std::error_code ignored;  // Without it the first direct write would block; Asio sets it anyway.
    socket_.non_blocking(true, ignored);
  }

  socket_type socket_;
};

// What the listeners of such transports have in common.
template <class SocketProtocol, class Transport>
class SocketListener {
 public:
  using executor_type = typename Transport::executor_type;
  using transport_type = Transport;

  executor_type get_executor() { return acceptor_.get_executor(); }

  // The next connection. @throws std::system_error @cancellation Total.
  Task<transport_type> accept() {
    typename SocketProtocol::endpoint remote;
    auto socket = co_await acceptor_.async_accept(remote, asio::use_awaitable);
    co_return transport_type(std::move(socket), remote);
  }

  bool is_open() const { return acceptor_.is_open(); }
  void cancel() {
    std::error_code ignored;
    acceptor_.cancel(ignored);
  }
  void close() {
    std::error_code ignored;
    acceptor_.close(ignored);
  }
  int native_handle() { return static_cast<int>(acceptor_.native_handle()); }

 protected:
  explicit SocketListener(const executor_type& executor) : acceptor_(executor) {}

  asio::basic_socket_acceptor<SocketProtocol, executor_type> acceptor_;
};

}  // namespace cowire::detail
