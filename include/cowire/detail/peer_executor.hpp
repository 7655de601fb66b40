// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/prefer.hpp>
#include <asio/query.hpp>
#include <asio/require.hpp>
#include <asio/version.hpp>
#if ASIO_VERSION < 102400
#include <asio/execution/execute.hpp>
#endif

#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace cowire {

class PeerContext;

namespace detail {

// For whom this thread works just now. Constant initialised: reading it is one load.
inline constinit thread_local const PeerContext* peer_of_this_thread = nullptr;

// Sets it for as long as something runs for a peer, or for nobody. Never across a suspension: it
// lives on the stack of those who resume coroutines, not in a coroutine.
class PeerScope {
 public:
  explicit PeerScope(const PeerContext* peer) noexcept
      : before_(std::exchange(peer_of_this_thread, peer)) {}
  PeerScope(const PeerScope&) = delete;
  PeerScope& operator=(const PeerScope&) = delete;
  ~PeerScope() { peer_of_this_thread = before_; }

 private:
  const PeerContext* before_;
};

// An executor that runs everything for one peer: that of the tasks which its handler awaits. Asio
// resumes a coroutine through the executor it was spawned with, so the scope is right after each
// suspension. Small enough to be kept in an any_io_executor without an allocation if it adapts an
// io_context's executor.
template <class Inner>
class PeerExecutor {
 public:
  PeerExecutor(Inner inner, std::shared_ptr<const PeerContext> peer) noexcept
      : inner_(std::move(inner)), peer_(std::move(peer)) {}

  const Inner& inner() const noexcept { return inner_; }

  template <class F>
  void execute(F&& f) const {
    auto scoped = [peer = peer_, f = std::decay_t<F>(std::forward<F>(f))]() mutable {
      const PeerScope scope(peer.get());
      std::move(f)();
    };
#if ASIO_VERSION >= 102400
    inner_.execute(std::move(scoped));
#else
    asio::execution::execute(inner_, std::move(scoped));
#endif
  }

  // All properties are those of the executor that is adapted.
  template <class Property>
    requires asio::can_query_v<const Inner&, Property>
  auto query(const Property& property) const
      noexcept(asio::is_nothrow_query_v<const Inner&, Property>) ->
      typename asio::query_result<const Inner&, Property>::type {
    return asio::query(inner_, property);
  }
  template <class Property>
    requires asio::can_require_v<const Inner&, Property>
  auto require(const Property& property) const {
    return adapt(asio::require(inner_, property));
  }
  template <class Property>
    requires asio::can_prefer_v<const Inner&, Property>
  auto prefer(const Property& property) const {
    return adapt(asio::prefer(inner_, property));
  }

  friend bool operator==(const PeerExecutor& a, const PeerExecutor& b) noexcept {
    return a.inner_ == b.inner_ && a.peer_ == b.peer_;
  }
  friend bool operator!=(const PeerExecutor& a, const PeerExecutor& b) noexcept {
    return !(a == b);
  }

 private:
  template <class Other>
  PeerExecutor<std::decay_t<Other>> adapt(Other&& other) const {
    return {std::forward<Other>(other), peer_};
  }

  Inner inner_;
  std::shared_ptr<const PeerContext> peer_;
};

// The same with its type forgotten.
template <class Executor>
asio::any_io_executor executor_for(std::shared_ptr<const PeerContext> peer,
                                   const Executor& executor) {
  if constexpr (std::is_same_v<Executor, asio::any_io_executor>) {
    using Context = asio::io_context::executor_type;
    if (executor.target_type() == typeid(Context)) {  // Another wrapping would need allocations.
      return PeerExecutor(*executor.template target<Context>(), std::move(peer));
    }
  }
  return PeerExecutor(executor, std::move(peer));
}

}  // namespace detail

}  // namespace cowire
