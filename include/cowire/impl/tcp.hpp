// SPDX-License-Identifier: BSL-1.0
// The longer bodies of cowire/transports/tcp.hpp, which includes this file.
#pragma once

#include "cowire/transports/tcp.hpp"

#include <asio/ip/basic_resolver.hpp>

#include <set>
#include <string>

namespace cowire {

namespace detail {

// The addresses that a host name stands for here, without duplicates; "" is every interface.
template <class Executor>
std::set<asio::ip::tcp::endpoint> resolve_to_listen(const Executor& executor,
                                                    const std::string& host, std::uint16_t port) {
  using asio::ip::tcp;
  if (host.empty()) {
    return {tcp::endpoint(tcp::v4(), port), tcp::endpoint(tcp::v6(), port)};
  }
  std::error_code ec;
  if (const auto address = asio::ip::make_address(host, ec); !ec) {
    return {tcp::endpoint(address, port)};
  }
  asio::ip::basic_resolver<tcp, Executor> resolver(executor);
  std::set<tcp::endpoint> endpoints;
  for (const auto& found : resolver.resolve(host, "", tcp::resolver::passive, ec)) {
    endpoints.insert(tcp::endpoint(found.endpoint().address(), port));
  }
  if (endpoints.empty()) {
    throw Error(errc::listen_failed,
                "cannot listen on \"" + host +
                    "\": " + (ec ? ec.message() : std::string("the name has no address")));
  }
  return endpoints;
}

// Opens all addresses or none. With port 0 the first one's port is tried for the others too; that
// it is taken there is no failure but a reason to start again.
template <class Executor>
bool try_listen(const Executor& executor, const std::set<asio::ip::tcp::endpoint>& endpoints,
                const TcpListenOptions& options, bool may_retry,
                std::vector<BasicTcpListener<Executor>>& listeners, std::string& failures) {
  std::uint16_t chosen = 0;
  for (asio::ip::tcp::endpoint endpoint : endpoints) {
    const bool any_port = endpoint.port() == 0;
    if (any_port) {
      endpoint.port(chosen);
    }
    try {
      listeners.emplace_back(executor, endpoint, options);
      chosen = listeners.back().local_endpoint().port;
    } catch (const std::system_error& error) {
      const std::error_code code = as_system_error(error.code());
      const bool no_family = code == std::errc::address_family_not_supported ||
                             code == std::errc::address_not_available;
      if (no_family && endpoints.size() > 1) {
        continue;
      }
      if (any_port && chosen != 0 && may_retry) {
        listeners.clear();
        return false;
      }
      failures += failures.empty() ? "" : "; ";
      failures += to_string(to_endpoint(endpoint)) + ": " + error.code().message();
    }
  }
  return true;
}

}  // namespace detail

template <class Executor>
std::vector<BasicTcpListener<Executor>> listen_tcp(const Executor& executor,
                                                   const std::string& host, std::uint16_t port,
                                                   const TcpListenOptions& options) {
  const auto endpoints = detail::resolve_to_listen(executor, host, port);
  std::vector<BasicTcpListener<Executor>> listeners;
  std::string failures;
  constexpr int most_tries = 10;
  int tries = 1;
  while (
      !detail::try_listen(executor, endpoints, options, tries < most_tries, listeners, failures)) {
    ++tries;
  }
  if (!failures.empty() || listeners.empty()) {
    throw Error(errc::listen_failed,
                "cannot listen on " +
                    (failures.empty() ? "\"" + host + "\": no address of this machine" : failures));
  }
  return listeners;
}

}  // namespace cowire
