// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "process.hpp"

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <cstddef>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

namespace cowire::benchmark {

/// What everybody writes first with Asio's coroutines: one read and one write for each packet.
inline asio::awaitable<void> asio_echo(asio::ip::tcp::socket socket) {
  constexpr std::size_t line_limit = 64 * 1024;
  try {
    const asio::ip::tcp::no_delay no_delay(true);
    socket.set_option(no_delay);
    std::string received;
    auto buffer = asio::dynamic_buffer(received, line_limit);
    for (;;) {
      const std::size_t size =
          co_await asio::async_read_until(socket, buffer, '\n', asio::use_awaitable);
      const auto line = asio::buffer(received.data(), size);
      co_await asio::async_write(socket, line, asio::use_awaitable);
      buffer.consume(size);
    }
  } catch (const std::system_error&) {
    // The peer has left.
  }
}

inline asio::awaitable<void> asio_accept(asio::ip::tcp::acceptor& acceptor) {
  for (;;) {
    asio::ip::tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), asio_echo(std::move(socket)), asio::detached);
  }
}

inline void serve_asio(const Announce& announce) {
  asio::io_context context(1);
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  announce(acceptor.local_endpoint().port());
  asio::co_spawn(context, asio_accept(acceptor), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
  context.run();
}

}  // namespace cowire::benchmark
