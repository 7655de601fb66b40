// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/peer_executor.hpp"
#include "cowire/transport.hpp"

#include <cstdint>
#include <type_traits>

namespace cowire {

namespace detail {

// Its address stands for the type. Not const: equal constants may be given one address.
template <class T>
inline char type_tag = 0;

}  // namespace detail

/// What is known of the peer that the calling code works for: see current_peer().
///
/// Not a handle: nothing can be sent through it. Valid until the caller suspends, or destroys the
/// server; to be used on the thread that was given it only.
class PeerContext {
 public:
  /// Counts the server's connections, from 1: Peer::id().
  virtual std::uint64_t id() const noexcept = 0;

  /// The peer's address, known also after its end. to_string() makes text of it.
  virtual Endpoint remote_endpoint() const = 0;

  /// The peer's state, if T is the handler's PeerState (no base of it); else null, and from the
  /// moment on when that is destroyed. What a handler writes there (a user's name, the number of a
  /// request) is known to all code that it calls, as are the values of Python's context variables:
  ///
  ///     if (const PeerContext* peer = current_peer()) {
  ///       if (const Visit* visit = peer->state<Visit>()) { ... visit->user ... }
  ///     }
  template <class T>
  T* state() const noexcept {
    return static_cast<T*>(find_state(&detail::type_tag<std::remove_cv_t<T>>));
  }

 protected:
  PeerContext() = default;
  PeerContext(const PeerContext&) = default;
  PeerContext& operator=(const PeerContext&) = default;
  ~PeerContext() = default;

 private:
  virtual void* find_state(const void*) const noexcept { return nullptr; }
};

/// The peer whose handler is running on this thread, or null: for code that a handler calls without
/// telling it the peer, such as a function that logs. (The counterpart of Python's contextvars.)
///
///     void log(std::string_view text) {
///       if (const PeerContext* peer = current_peer()) { ... peer->id() ... }
///     }
///
/// It is set
/// - in `handle` and the hooks of a peer, whatever they return, and in what they call,
/// - in the tasks that they await, and the tasks that these await, after each suspension too,
/// - in what is spawned on `co_await asio::this_coro::executor` of these, for as long as it runs,
///   be it longer than the connection,
/// - in destructors of a generator's variables and of its PeerState.
///
/// It is null everywhere else: in service_init and in background tasks (Service::spawn, TaskGroup),
/// whoever spawns them; in code that runs on another executor, such as a thread pool's, also a part
/// of a task that went there; in callbacks of asynchronous operations. What is given to
/// asio::co_spawn, dispatch or post with Peer::executor() in place of this_coro::executor has it
/// only while it runs inside that call. Serializers may see it or not.
///
/// One load of a thread_local variable. May be called on any thread.
inline const PeerContext* current_peer() noexcept { return detail::peer_of_this_thread; }

}  // namespace cowire
