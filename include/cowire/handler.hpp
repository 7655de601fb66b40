// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/generator.hpp"
#include "cowire/peer.hpp"
#include "cowire/protocol.hpp"
#include "cowire/service.hpp"
#include "cowire/task.hpp"

#include <concepts>
#include <type_traits>
#include <utility>

namespace cowire {

namespace detail {

template <class P>
using HandlerPeer = Peer<typename P::sent_packet>;
template <class P>
using HandlerGenerator = Generator<typename P::received_packet>;

template <class H, class P>
concept HasHandle = requires(H& handler, HandlerPeer<P>& client) {
  { handler.handle(client) } -> std::same_as<HandlerGenerator<P>>;
};
template <class H, class P>
concept IsHandleFunction = requires(H& handler, HandlerPeer<P>& client) {
  { handler(client) } -> std::same_as<HandlerGenerator<P>>;
};

// A hook that has the name but not the shape is a mistake, not an absent hook.
template <class H>
concept NamesOnConnection = requires { &H::on_connection; };
template <class H>
concept NamesOnDisconnection = requires { &H::on_disconnection; };
template <class H>
concept NamesServiceInit = requires { &H::service_init; };

template <class Result, class... Allowed>
concept OneOf = (std::same_as<Result, Allowed> || ...);

template <class H, class P>
concept HasOnConnection = requires(H& handler, HandlerPeer<P>& client) {
  { handler.on_connection(client) } -> OneOf<void, Task<void>, HandlerGenerator<P>>;
};
template <class H, class P>
concept HasOnDisconnection = requires(H& handler, HandlerPeer<P>& client) {
  { handler.on_disconnection(client) } -> OneOf<void, Task<void>>;
};
template <class H>
concept HasServiceInit = requires(H& handler, Service& service) {
  { handler.service_init(service) } -> OneOf<void, Task<void>>;
};

}  // namespace detail

/// What a server does with its peers, for protocol `P`: any class with `handle`, or any function
/// object with its signature. One object serves all peers; it lives in the server.
///
/// For a handler `h`, a `Peer<P::sent_packet>& c`, a `Service& s`:
///
///     expression             result                         meaning
///     h.handle(c), or h(c)   Generator<P::received_packet>  talks to one peer, see below
///     h.on_connection(c)     void, Task<void> or            optional: runs before handle; may send
///                            Generator<received_packet>     and refuse, a generator may receive
///     h.on_disconnection(c)  void or Task<void>             optional: runs once for each peer
///                                                           whose on_connection was completed
///     h.service_init(s)      void or Task<void>             optional: runs before the first accept
///
/// `handle` is called again whenever its generator has ended after at least one yield, so that it
/// may treat one request, or a whole conversation. It closes the connection by `c.close()`, by
/// returning before its first yield, or by an exception, which is logged. Its local variables
/// belong to one generator, its members to all peers.
template <class H, class P>
concept Handler = Protocol<P> && (detail::HasHandle<H, P> || detail::IsHandleFunction<H, P>) &&
                  (!detail::NamesOnConnection<H> || detail::HasOnConnection<H, P>) &&
                  (!detail::NamesOnDisconnection<H> || detail::HasOnDisconnection<H, P>) &&
                  (!detail::NamesServiceInit<H> || detail::HasServiceInit<H>);

namespace detail {

// Says what is wrong with a handler, in the words of what to write.
template <class H, class P>
constexpr bool check_handler() {
  static_assert(HasHandle<H, P> || IsHandleFunction<H, P>,
                "the handler needs a function to talk to a peer; write: "
                "cowire::Generator<Request> handle(cowire::Peer<Response>& client), where Request "
                "is the protocol's received_packet and Response its sent_packet");
  static_assert(!NamesOnConnection<H> || HasOnConnection<H, P>,
                "on_connection has the wrong form; write: "
                "void on_connection(cowire::Peer<Response>& client), or the same returning "
                "cowire::Task<void> or cowire::Generator<Request>");
  static_assert(!NamesOnDisconnection<H> || HasOnDisconnection<H, P>,
                "on_disconnection has the wrong form; write: "
                "void on_disconnection(cowire::Peer<Response>& client), or the same returning "
                "cowire::Task<void>");
  static_assert(!NamesServiceInit<H> || HasServiceInit<H>,
                "service_init has the wrong form; write: "
                "void service_init(cowire::Service& service), or the same returning "
                "cowire::Task<void>");
  return Handler<H, P>;
}

template <class P, class H>
HandlerGenerator<P> call_handle(H& handler, HandlerPeer<P>& client) {
  if constexpr (HasHandle<H, P>) {
    return handler.handle(client);
  } else {
    return handler(client);
  }
}

}  // namespace detail

}  // namespace cowire
