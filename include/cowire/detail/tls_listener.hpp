// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/task.hpp"
#include "cowire/transport.hpp"
#include "cowire/transports/tcp.hpp"
#include "cowire/transports/tls_context.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace cowire::detail {

// What TlsListener and StartTlsListener, which are Self, share: connections of another listener,
// made into Wrapped.
template <class Self, Listener L, class Wrapped>
class WrappingListener {
 public:
  using transport_type = Wrapped;

  WrappingListener(L listener, TlsServerContext context)
      : listener_(std::move(listener)), context_(std::move(context)) {}

  auto get_executor() { return listener_.get_executor(); }

  /// The next connection. @throws std::system_error @cancellation Total.
  Task<transport_type> accept() {
    auto next = co_await listener_.accept();
    co_return transport_type(std::move(next), context_);
  }

  /// A second listener on the same socket, as BasicTcpListener has it.
  template <class Executor>
    requires requires(L& listener, const Executor& executor) { listener.duplicate(executor); }
  Self duplicate(const Executor& executor) {
    return Self(listener_.duplicate(executor), context_);
  }

  bool is_open() const { return listener_.is_open(); }
  void cancel() { listener_.cancel(); }
  auto close() { return listener_.close(); }
  Endpoint local_endpoint() const { return listener_.local_endpoint(); }
  int native_handle() { return listener_.native_handle(); }

 private:
  L listener_;
  TlsServerContext context_;
};

// listen_tcp(), wrapped.
template <template <class> class Wrapping, class Executor>
std::vector<Wrapping<BasicTcpListener<Executor>>> listen_wrapping(const Executor& executor,
                                                                  const std::string& host,
                                                                  std::uint16_t port,
                                                                  const TlsServerContext& context,
                                                                  const TcpListenOptions& options) {
  std::vector<Wrapping<BasicTcpListener<Executor>>> listeners;
  for (auto& listener : listen_tcp(executor, host, port, options)) {
    listeners.emplace_back(std::move(listener), context);
  }
  return listeners;
}

}  // namespace cowire::detail
