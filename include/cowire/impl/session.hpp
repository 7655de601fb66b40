// SPDX-License-Identifier: BSL-1.0
// A longer body of cowire/detail/session.hpp, which includes this file.
#pragma once

#include "cowire/detail/session.hpp"

namespace cowire::detail {

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
