// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/event.hpp"
#include "cowire/error.hpp"
#include "cowire/task.hpp"
#include "cowire/transports/tcp.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/ip/basic_resolver.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cowire::detail {

// One attempt to reach a host, shared by those who try and those who wait: a name resolution that
// hangs is left behind when the time is over, since it cannot be cancelled.
struct ConnectAttempt {
  ConnectAttempt(const asio::any_io_executor& executor, std::string to_host, std::uint16_t to_port)
      : host(std::move(to_host)), port(to_port), changed(executor), resolver(executor) {}

  // Nobody wants the connection any more.
  void abandon() {
    abandoned = true;
    changed.notify();
  }

  std::string name() const { return to_string(Endpoint{host, port}); }

  std::string host;
  std::uint16_t port;
  Event changed;
  asio::ip::basic_resolver<asio::ip::tcp, asio::any_io_executor> resolver;
  asio::cancellation_signal cancel;
  std::optional<TcpTransport> connected;
  std::string failures;
  bool done = false;
  bool too_late = false;
  bool abandoned = false;
};

inline Task<std::vector<asio::ip::tcp::endpoint>> resolve_to_connect(ConnectAttempt& attempt) {
  std::vector<asio::ip::tcp::endpoint> endpoints;
  std::error_code ec;
  if (const auto address = asio::ip::make_address(attempt.host, ec); !ec) {
    endpoints.emplace_back(address, attempt.port);
    co_return endpoints;
  }
  const auto found = co_await attempt.resolver.async_resolve(
      attempt.host, "", asio::redirect_error(asio::use_awaitable, ec));
  for (const auto& entry : found) {
    endpoints.emplace_back(entry.endpoint().address(), attempt.port);
  }
  if (ec) {
    attempt.failures = ec.message();
  }
  co_return endpoints;
}

// Tries the addresses in the resolver's order.
inline Task<void> try_to_connect(std::shared_ptr<ConnectAttempt> attempt) {
  const auto endpoints = co_await resolve_to_connect(*attempt);
  for (const auto& endpoint : endpoints) {
    TcpTransport::socket_type socket(attempt->resolver.get_executor());
    std::error_code ec;
    co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, ec));
    if (!ec) {
      attempt->connected.emplace(std::move(socket), endpoint);
      co_return;
    }
    attempt->failures += attempt->failures.empty() ? "" : "; ";
    attempt->failures += to_string(to_endpoint(endpoint)) + ": " + ec.message();
  }
}

// Connects to the first address of a host that answers.
// Throws Error connect_failed with each address's reason, connect_timeout, or cancelled after
// abandon().
template <class C>
Task<TcpTransport> connect_tcp(std::shared_ptr<ConnectAttempt> attempt,
                               std::chrono::nanoseconds time_limit) {
  const asio::any_io_executor executor = attempt->resolver.get_executor();
  asio::co_spawn(
      executor, try_to_connect(attempt),
      asio::bind_cancellation_slot(attempt->cancel.slot(), [attempt](const std::exception_ptr&) {
        attempt->done = true;
        attempt->changed.notify();
      }));
  typename C::template Timer<asio::any_io_executor> timer(executor);
  if (time_limit.count() > 0) {
    timer.expires_at(C::now(executor) + time_limit);
    timer.async_wait([attempt](std::error_code ec) {
      if (!ec) {
        attempt->too_late = true;
        attempt->changed.notify();
      }
    });
  }
  std::exception_ptr cancelled;
  try {
    while (!attempt->done && !attempt->too_late && !attempt->abandoned) {
      co_await attempt->changed.wait();
    }
    if (attempt->abandoned) {
      throw Error(errc::cancelled);
    }
  } catch (...) {
    cancelled = std::current_exception();
  }
  timer.cancel();
  if (attempt->connected && !cancelled) {
    co_return std::move(*attempt->connected);
  }
  attempt->resolver.cancel();
  attempt->cancel.emit(asio::cancellation_type::terminal);
  if (cancelled) {
    std::rethrow_exception(cancelled);
  }
  ErrorContext context;
  context.detail = "cannot connect to " + attempt->name();
  if (attempt->too_late) {
    context.detail +=
        " within " +
        std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time_limit).count()) +
        " ms";
  }
  if (!attempt->failures.empty()) {
    context.detail += ": " + attempt->failures;
  }
  throw Error(attempt->too_late ? errc::connect_timeout : errc::connect_failed, std::move(context));
}

}  // namespace cowire::detail
