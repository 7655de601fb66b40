// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/basic_stream_socket.hpp>
#include <asio/buffer.hpp>
#include <asio/socket_base.hpp>

#include <cstddef>
#include <system_error>
#include <utility>

namespace cowire::detail {

// What transports on a stream socket of the system have in common: all but the addresses.
template <class SocketProtocol, class Executor>
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
  int native_handle() { return static_cast<int>(socket_.native_handle()); }

 protected:
  explicit SocketTransport(socket_type socket) : socket_(std::move(socket)) {
    std::error_code ignored;  // Without it the first direct write would block; Asio sets it anyway.
    socket_.non_blocking(true, ignored);
  }

  socket_type socket_;
};

}  // namespace cowire::detail
