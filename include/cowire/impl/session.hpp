// SPDX-License-Identifier: BSL-1.0
// Longer bodies of cowire/detail/session.hpp, which includes this file.
#pragma once

#include "cowire/detail/session.hpp"

namespace cowire::detail {

template <Protocol P, class H, Transport T, class C>
void Session<P, H, T, C>::start() {
  if constexpr (NeedsHandshake<T>) {
    this->start_handshake([this](const std::optional<Error>& error) {
      if (error) {
        handshake_failed(*error);
      } else {
        open();
      }
    });
  } else {
    open();
  }
}

template <Protocol P, class H, Transport T, class C>
void Session<P, H, T, C>::drain() {
  draining_ = true;
  if (!was_open_) {
    kill();
  } else if (slot_ != nullptr && !this->is_busy()) {
    cancel();
  }
}

template <Protocol P, class H, Transport T, class C>
void Session<P, H, T, C>::cancel() {
  if (!was_open_) {  // It makes its handshake, or is told that this failed.
    kill();
    return;
  }
  if (phase_ == Phase::closing || this->is_cancelled()) {
    return;
  }
  this->cancel_await();
  if (slot_ != nullptr) {  // The handler waits at a yield.
    this->stop_receive();
    answer(Error(errc::cancelled));
  }
  if (phase_ == Phase::opening) {  // An on_disconnection may finish.
    hook_cancel_.emit(asio::cancellation_type::terminal);
  }
}

template <Protocol P, class H, Transport T, class C>
void Session<P, H, T, C>::kill() {
  const auto keep = this->shared_from_this();
  note_end(&ServerStats::shut_down);
  forget();
  if (this->is_running()) {  // Asked for by the handler itself: not under its feet.
    this->post([](Base& self) { static_cast<Session&>(self).kill(); });
    return;
  }
  this->stop_receive();
  phase_ = Phase::closing;
  destroy_generator();
  hook_cancel_.emit(asio::cancellation_type::terminal);
  this->abort_here();
  end();
}

template <Protocol P, class H, Transport T, class C>
void Session<P, H, T, C>::open() {
  phase_ = Phase::opening;
  was_open_ = true;
  log().write(connection_level(), "Accepted new connection");
  if (phase_ == Phase::closing) {  // By the log: it destroyed the server.
    return;
  }
  const auto begin = [this](const std::exception_ptr& error) {
    if (begin_serving(error)) {
      step();
    }
  };
  if constexpr (!HasOnConnection<H, P>) {
    begin(nullptr);
  } else {
    run_hook([this] { return call_on_connection<P>(owner_->handler, peer_, state_); }, begin);
  }
}

// Nothing is said to the peer: it would not understand.
template <Protocol P, class H, Transport T, class C>
void Session<P, H, T, C>::handshake_failed(const Error& error) {
  note_end(&ServerStats::handshakes_failed);
  log().handshake_failed(error);
  if (phase_ == Phase::closing) {  // By the log: it destroyed the server.
    return;
  }
  phase_ = Phase::closing;
  if (error.code() == errc::peer_timeout) {
    this->abort();
  } else {  // The peer may hear why.
    this->close();
  }
  if (this->is_closed()) {
    end();
  }
}

template <Protocol P, class H, Transport T, class C>
bool Session<P, H, T, C>::next_generator() {
  const std::exception_ptr error = generator_.error();
  const bool has_yielded = generator_.has_yielded();
  generator_.reset();
  if (phase_ == Phase::opening) {
    return begin_serving(error);
  }
  if (error) {
    handler_failed(error);
    return false;
  }
  if (!has_yielded) {  // It refuses the peer, and would do so for ever.
    if (this->packets_received() == 0) {
      note_end(&ServerStats::refused);
    }
    log().write(LogLevel::debug, "the handler returned before its first yield: connection closed");
    this->flush();
    this->abort();
  }
  if (!has_yielded || this->is_closing() || this->is_cancelled()) {
    finish_serving();
    return false;
  }
  return make_generator();
}

template <Protocol P, class H, Transport T, class C>
void Session<P, H, T, C>::note_failure(const std::exception_ptr& error) {
  forced_ = !is_cancellation(error);
  const std::error_code code = code_of(error);
  note_end(!forced_                          ? &ServerStats::shut_down
           : code == condition::disconnected ? cause_of(code)
           : code == errc::handshake_failed  ? &ServerStats::handshakes_failed
                                             : &ServerStats::failed);
  log().handler_failed(error, !forced_);
}

template <Protocol P, class H, Transport T, class C>
std::uint64_t ServerStats::* Session<P, H, T, C>::cause_of(std::error_code code) const {
  if (this->is_cancelled()) {
    return &ServerStats::shut_down;
  }
  return code == errc::end_of_stream  ? &ServerStats::ended_by_peer
         : code == errc::closed       ? &ServerStats::ended_by_handler
         : code == errc::peer_timeout ? &ServerStats::timed_out
         : code == errc::output_limit ? &ServerStats::overflowed
                                      : &ServerStats::broken;
}

template <Protocol P, class H, Transport T, class C>
void Session<P, H, T, C>::close_connection() {
  if (phase_ == Phase::closing) {
    return;
  }
  note_end(cause_of(errc::closed));
  phase_ = Phase::closing;
  release_state();
  this->flush();
  if (forced_ && !this->is_closing()) {
    this->abort();
  } else {
    this->close();
  }
  if (this->is_closed()) {
    end();
  }
}

template <Protocol P, class H, Transport T, class C>
void Session<P, H, T, C>::leave_owner() {
  if (hooks_running_ == 0) {
    release_state();
  }
  this->release_buffers();
  owner_.reset();
}

// The peer's state is needed no longer. Its destructor is the handler's code.
template <Protocol P, class H, Transport T, class C>
void Session<P, H, T, C>::release_state() {
  if constexpr (HasPeerState<H>) {
    const typename Base::Running running(*this);
    state_.reset();
  }
}

// While a hook runs as a task, it needs the peer, its state and the handler: also when the session
// has been killed. It ends when it is done, or when its execution context is destroyed.
template <Protocol P, class H, Transport T, class C>
class Session<P, H, T, C>::HookStay {
 public:
  explicit HookStay(Session& session)
      : owner_(session.owner_),
        session_(std::static_pointer_cast<Session>(session.shared_from_this())) {
    ++session.hooks_running_;
  }
  HookStay(HookStay&&) noexcept = default;
  HookStay& operator=(HookStay&&) = delete;
  ~HookStay() {
    if (session_ != nullptr && --session_->hooks_running_ == 0 && !session_->has_handler()) {
      session_->release_state();
    }
  }

  Session& session() const noexcept { return *session_; }

 private:
  std::shared_ptr<SessionOwner<P, H>> owner_;  // Goes last.
  std::shared_ptr<Session> session_;
};

template <Protocol P, class H, Transport T, class C>
template <class Hook, class Done>
void Session<P, H, T, C>::run_hook(Hook hook, Done done) {
  using Result = decltype(hook());
  std::exception_ptr error;
  try {
    const typename Base::Running running(*this);
    if constexpr (std::is_void_v<Result>) {
      hook();
    } else if constexpr (is_task<Result>) {
      asio::co_spawn(
          this->peer_executor(), hook(),
          asio::bind_cancellation_slot(hook_cancel_.slot(),
                                       [stay = HookStay(*this), done](std::exception_ptr failed) {
                                         if (stay.session().has_handler()) {
                                           done(failed);
                                         }
                                       }));
      this->flush();  // It may have begun at once.
      return;
    } else {
      adopt(hook());
    }
  } catch (...) {
    error = std::current_exception();
  }
  this->flush();
  if (!std::is_void_v<Result> && !error) {
    step();
  } else {
    done(error);
  }
}

}  // namespace cowire::detail
