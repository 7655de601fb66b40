// SPDX-License-Identifier: BSL-1.0
// Longer bodies of cowire/detail/session.hpp, which includes this file.
#pragma once

#include "cowire/detail/session.hpp"

namespace cowire::detail {

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
template <class Hook, class Done>
void Session<P, H, T, C>::run_hook(Hook hook, Done done) {
  using Result = decltype(hook());
  std::exception_ptr error;
  try {
    const typename Base::Running running(*this);
    if constexpr (std::is_void_v<Result>) {
      hook();
    } else if constexpr (is_task<Result>) {
      asio::co_spawn(this->executor(), hook(),
                     asio::bind_cancellation_slot(hook_cancel_.slot(),
                                                  [self = this->shared_from_this(), owner = owner_,
                                                   this, done](std::exception_ptr failed) {
                                                    if (phase_ != Phase::closing) {
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
