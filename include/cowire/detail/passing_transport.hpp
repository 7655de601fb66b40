// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/tls_info.hpp"
#include "cowire/transport.hpp"

#include <optional>
#include <utility>
#include <variant>

namespace cowire::detail {

// A transport that goes at the end of its connection. A connection lives as long as somebody keeps
// a Peer of it, perhaps longer than the execution context: only the addresses are left then.
template <Transport T>
class PassingTransport {
 public:
  explicit PassingTransport(T transport) : state_(std::move(transport)) {}

  // @pre release() was not called
  T* operator->() noexcept { return std::get_if<T>(&state_); }

  Endpoint local_endpoint() const {
    return std::visit([](const auto& state) { return state.local_endpoint(); }, state_);
  }
  Endpoint remote_endpoint() const {
    return std::visit([](const auto& state) { return state.remote_endpoint(); }, state_);
  }
  int native_handle() {
    T* const transport = std::get_if<T>(&state_);
    return transport == nullptr ? -1 : transport->native_handle();
  }

  // Nothing once it is gone, and for transports without TLS.
  std::optional<TlsInfo> tls_info() const {
    if constexpr (requires(const T& transport) { transport.tls_info(); }) {
      if (const T* const transport = std::get_if<T>(&state_)) {
        return transport->tls_info();
      }
    }
    return std::nullopt;
  }

  // Closes and destroys it.
  void release() {
    if (T* const transport = std::get_if<T>(&state_)) {
      transport->close();  // The first: asking the system for addresses costs a call.
      state_ = Addresses{transport->local_endpoint(), transport->remote_endpoint()};
    }
  }

 private:
  struct Addresses {
    Endpoint local;
    Endpoint remote;

    const Endpoint& local_endpoint() const noexcept { return local; }
    const Endpoint& remote_endpoint() const noexcept { return remote; }
  };

  std::variant<T, Addresses> state_;
};

}  // namespace cowire::detail
