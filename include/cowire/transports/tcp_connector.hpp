// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/connector.hpp"
#include "cowire/detail/event.hpp"
#include "cowire/detail/wait_until.hpp"
#include "cowire/task_group.hpp"
#include "cowire/transports/tcp.hpp"

#include <asio/ip/basic_resolver.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cowire {

namespace detail {

// The families of addresses in turns, beginning with that of the first (RFC 8305, section 4).
inline std::vector<asio::ip::tcp::endpoint> in_turns(
    const std::vector<asio::ip::tcp::endpoint>& endpoints) {
  std::vector<asio::ip::tcp::endpoint> turns[2];
  for (const auto& endpoint : endpoints) {
    turns[endpoint.protocol() == endpoints.front().protocol() ? 0 : 1].push_back(endpoint);
  }
  std::vector<asio::ip::tcp::endpoint> all;
  for (std::size_t i = 0; i < std::max(turns[0].size(), turns[1].size()); ++i) {
    for (const auto& family : turns) {
      if (i < family.size()) {
        all.push_back(family[i]);
      }
    }
  }
  return all;
}

struct ConnectRace {
  explicit ConnectRace(const asio::any_io_executor& executor) : changed(executor) {}

  Event changed;
  std::optional<TcpTransport> winner;
  std::size_t failed = 0;
};

// Opens a socket, and binds it to the local address that was asked for.
inline std::error_code prepare_to_connect(TcpTransport::socket_type& socket,
                                          const asio::ip::tcp::endpoint& to,
                                          const Endpoint& local) {
  std::error_code ec;
  socket.open(to.protocol(), ec);
  if (ec || local == Endpoint{}) {
    return ec;
  }
  asio::ip::tcp::endpoint from(to.protocol(), local.port);
  if (!local.address.empty()) {
    from.address(asio::ip::make_address(local.address, ec));
  }
  if (!ec && from.protocol() != to.protocol()) {
    return make_error_code(std::errc::address_family_not_supported);
  }
  if (!ec) {
    socket.set_option(asio::socket_base::reuse_address(true), ec);
    socket.bind(from, ec);
  }
  return ec;
}

inline Task<void> run_in_race(asio::any_io_executor executor,
                              std::shared_ptr<ConnectAttempt> attempt,
                              std::shared_ptr<ConnectRace> race, asio::ip::tcp::endpoint endpoint,
                              Endpoint local) {
  TcpTransport::socket_type socket(executor);
  std::error_code ec = prepare_to_connect(socket, endpoint, local);
  if (!ec) {
    co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, ec));
  }
  if (ec) {
    ++race->failed;
    attempt->failed(to_string(to_endpoint(endpoint)), ec.message());
  } else if (!race->winner) {
    race->winner.emplace(std::move(socket), endpoint);
  }
  race->changed.notify();
}

// Tries the addresses in their order, the next one when all before it have failed or `delay` has
// passed. Gives the first connection; nothing if all fail.
template <class C>
Task<std::optional<TcpTransport>> connect_to_first(asio::any_io_executor executor,
                                                   std::shared_ptr<ConnectAttempt> attempt,
                                                   std::vector<asio::ip::tcp::endpoint> endpoints,
                                                   Endpoint local, std::chrono::nanoseconds delay) {
  const auto race = std::make_shared<ConnectRace>(executor);
  TaskGroup runners(executor);  // Its end cancels the losers.
  std::size_t started = 0;
  const auto is_over = [&] { return race->winner || race->failed == started; };
  while (started < endpoints.size() && !race->winner) {
    runners.spawn(run_in_race(executor, attempt, race, endpoints[started], local));
    ++started;
    std::optional<typename C::time_point> until;
    if (started < endpoints.size()) {
      until = C::now(executor) + delay;
    }
    co_await wait_until<C>(executor, race->changed, until, is_over);
  }
  co_return std::move(race->winner);
}

}  // namespace detail

/// Reaches a host and port through TCP. A Connector; `Client::connect(host, port)` uses it.
///
/// If a name has several addresses, they are tried one after the other, IPv6 and IPv4 in turns; a
/// further one when the last has failed, or has not answered for `delay`. The first that answers
/// wins ("Happy Eyeballs", RFC 8305).
class TcpConnector {
 public:
  using transport_type = TcpTransport;

  TcpConnector(std::string host, std::uint16_t port, Endpoint local = {},
               std::chrono::nanoseconds delay = std::chrono::milliseconds(250))
      : to_{std::move(host), port}, local_(std::move(local)), delay_(delay) {}

  std::string name() const { return to_string(to_); }

  /// For the client: see Connector.
  template <class C>
  Task<std::optional<TcpTransport>> connect(asio::any_io_executor executor,
                                            std::shared_ptr<ConnectAttempt> attempt) const {
    const auto endpoints = co_await resolve(executor, *attempt);
    auto connecting =
        detail::connect_to_first<C>(executor, attempt, detail::in_turns(endpoints), local_, delay_);
    co_return co_await std::move(connecting);  // g++ 12.2 destroys an Endpoint in there twice.
  }

 private:
  using tcp = asio::ip::tcp;

  Task<std::vector<tcp::endpoint>> resolve(asio::any_io_executor executor,
                                           ConnectAttempt& attempt) const {
    std::vector<tcp::endpoint> endpoints;
    std::error_code ec;
    if (const auto address = asio::ip::make_address(to_.address, ec); !ec) {
      endpoints.emplace_back(address, to_.port);
      co_return endpoints;
    }
    using Resolver = asio::ip::basic_resolver<tcp, asio::any_io_executor>;
    const auto resolver = std::make_shared<Resolver>(executor);
    attempt.on_give_up([resolver] { resolver->cancel(); });  // Those that queue behind another one.
    const auto found = co_await resolver->async_resolve(
        to_.address, "", asio::redirect_error(asio::use_awaitable, ec));
    for (const auto& entry : found) {
      endpoints.emplace_back(entry.endpoint().address(), to_.port);
    }
    if (ec) {
      attempt.failed("", ec.message());
    }
    co_return endpoints;
  }

  Endpoint to_;
  Endpoint local_;
  std::chrono::nanoseconds delay_;
};

static_assert(Connector<TcpConnector>);

}  // namespace cowire
