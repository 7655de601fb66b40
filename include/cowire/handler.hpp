// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/current_peer.hpp"
#include "cowire/generator.hpp"
#include "cowire/peer.hpp"
#include "cowire/protocol.hpp"
#include "cowire/service.hpp"
#include "cowire/task.hpp"

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

namespace cowire {

namespace detail {

template <class P>
using HandlerPeer = Peer<typename P::sent_packet>;
template <class P>
using HandlerGenerator = Generator<typename P::received_packet>;

// A handler may declare a type PeerState, of which each peer has one.
template <class H>
concept DeclaresPeerState = requires { typename H::PeerState; };
template <class H>
concept HasPeerState =
    DeclaresPeerState<H> && std::default_initializable<typename H::PeerState> &&
    std::same_as<typename H::PeerState, std::remove_cvref_t<typename H::PeerState>>;

template <class H, class P>
concept HandlesWithState =
    HasPeerState<H> && requires(H& handler, HandlerPeer<P>& client, typename H::PeerState& state) {
      { handler.handle(client, state) } -> std::same_as<HandlerGenerator<P>>;
    };
template <class H, class P>
concept HandlesWithoutState = requires(H& handler, HandlerPeer<P>& client) {
  { handler.handle(client) } -> std::same_as<HandlerGenerator<P>>;
};
template <class H, class P>
concept HasHandle = HandlesWithState<H, P> || HandlesWithoutState<H, P>;

template <class H, class P>
concept IsFunctionWithState =
    HasPeerState<H> && requires(H& handler, HandlerPeer<P>& client, typename H::PeerState& state) {
      { handler(client, state) } -> std::same_as<HandlerGenerator<P>>;
    };
template <class H, class P>
concept IsFunctionWithoutState = requires(H& handler, HandlerPeer<P>& client) {
  { handler(client) } -> std::same_as<HandlerGenerator<P>>;
};
template <class H, class P>
concept IsHandleFunction = IsFunctionWithState<H, P> || IsFunctionWithoutState<H, P>;

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
concept ConnectsWithState =
    HasPeerState<H> && requires(H& handler, HandlerPeer<P>& client, typename H::PeerState& state) {
      { handler.on_connection(client, state) } -> OneOf<void, Task<void>, HandlerGenerator<P>>;
    };
template <class H, class P>
concept ConnectsWithoutState = requires(H& handler, HandlerPeer<P>& client) {
  { handler.on_connection(client) } -> OneOf<void, Task<void>, HandlerGenerator<P>>;
};
template <class H, class P>
concept HasOnConnection = ConnectsWithState<H, P> || ConnectsWithoutState<H, P>;

template <class H, class P>
concept DisconnectsWithState =
    HasPeerState<H> && requires(H& handler, HandlerPeer<P>& client, typename H::PeerState& state) {
      { handler.on_disconnection(client, state) } -> OneOf<void, Task<void>>;
    };
template <class H, class P>
concept DisconnectsWithoutState = requires(H& handler, HandlerPeer<P>& client) {
  { handler.on_disconnection(client) } -> OneOf<void, Task<void>>;
};
template <class H, class P>
concept HasOnDisconnection = DisconnectsWithState<H, P> || DisconnectsWithoutState<H, P>;

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
///
/// What belongs to one peer from its first generator to its last may be kept in a type that the
/// handler declares, `PeerState`. Then `handle`, or the function object, `on_connection` and
/// `on_disconnection` may each take a second parameter, `H::PeerState& s`. The state is made, by
/// its default constructor, when the peer is accepted, and is a part of the connection. It is
/// destroyed when on_disconnection has ended, or when it is certain that it will not be called, and
/// before what is still queued has been sent. Of a peer that is cut off while a generator or hook
/// of its awaits a task or an operation, it is destroyed after that generator or hook. Copies of
/// the Peer do not keep it.
template <class H, class P>
concept Handler = Protocol<P> && (detail::HasHandle<H, P> || detail::IsHandleFunction<H, P>) &&
                  (!detail::DeclaresPeerState<H> || detail::HasPeerState<H>) &&
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
                "is the protocol's received_packet and Response its sent_packet; a second "
                "parameter may be PeerState& state, if the handler declares struct PeerState");
  static_assert(!DeclaresPeerState<H> || HasPeerState<H>,
                "the handler's PeerState cannot be made for a new peer; write: "
                "struct PeerState { ... }; in the handler, public, with a default constructor or "
                "initial values for its members (std::optional for what is known later)");
  static_assert(!NamesOnConnection<H> || HasOnConnection<H, P>,
                "on_connection has the wrong form; write: "
                "void on_connection(cowire::Peer<Response>& client), or the same returning "
                "cowire::Task<void> or cowire::Generator<Request>; a second parameter may be "
                "PeerState& state, if the handler declares struct PeerState");
  static_assert(!NamesOnDisconnection<H> || HasOnDisconnection<H, P>,
                "on_disconnection has the wrong form; write: "
                "void on_disconnection(cowire::Peer<Response>& client), or the same returning "
                "cowire::Task<void>; a second parameter may be PeerState& state, if the handler "
                "declares struct PeerState");
  static_assert(!NamesServiceInit<H> || HasServiceInit<H>,
                "service_init has the wrong form; write: "
                "void service_init(cowire::Service& service), or the same returning "
                "cowire::Task<void>");
  return Handler<H, P>;
}

// The state of one peer, in its session; nothing, for handlers that declare none.
template <class H>
class PeerStateOf {
 public:
  void* find(const void*) noexcept { return nullptr; }
  void reset() noexcept {}
};
template <HasPeerState H>
class PeerStateOf<H> {
 public:
  typename H::PeerState& operator*() noexcept { return *state_; }
  void* find(const void* tag) noexcept {
    return !is_gone_ && tag == &type_tag<typename H::PeerState> ? &*state_ : nullptr;
  }
  void reset() noexcept {
    is_gone_ = true;  // Also for its own destructor.
    state_.reset();
  }

 private:
  std::optional<typename H::PeerState> state_{std::in_place};
  bool is_gone_ = false;
};

// The calls of a handler, with the peer's state if it wants that.
template <class P, class H>
HandlerGenerator<P> call_handle(H& handler, HandlerPeer<P>& client, PeerStateOf<H>& state) {
  if constexpr (HandlesWithState<H, P>) {
    return handler.handle(client, *state);
  } else if constexpr (HandlesWithoutState<H, P>) {
    return handler.handle(client);
  } else if constexpr (IsFunctionWithState<H, P>) {
    return handler(client, *state);
  } else {
    return handler(client);
  }
}
template <class P, class H>
auto call_on_connection(H& handler, HandlerPeer<P>& client, PeerStateOf<H>& state) {
  if constexpr (ConnectsWithState<H, P>) {
    return handler.on_connection(client, *state);
  } else {
    return handler.on_connection(client);
  }
}
template <class P, class H>
auto call_on_disconnection(H& handler, HandlerPeer<P>& client, PeerStateOf<H>& state) {
  if constexpr (DisconnectsWithState<H, P>) {
    return handler.on_disconnection(client, *state);
  } else {
    return handler.on_disconnection(client);
  }
}

}  // namespace detail

}  // namespace cowire
