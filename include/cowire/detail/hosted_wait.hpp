// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/generator_promise.hpp"

#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/post.hpp>

#include <cstdint>

namespace cowire::detail {

// The wait of a generator for one of the library's own events: what their awaiters have in common.
// It may be destroyed at any time.
class HostedWait {
 public:
  explicit HostedWait(GeneratorHost& host) noexcept : host_(&host) {}
  HostedWait(const HostedWait&) = delete;
  HostedWait& operator=(const HostedWait&) = delete;
  ~HostedWait() { end(); }

  // A cancellation calls cancel().
  template <class Cancel>
  void begin(Cancel cancel) {
    ticket_ = host_->begin_await();
    const asio::cancellation_slot slot = host_->cancellation_slot();
    if (slot.is_connected()) {
      slot_ = slot;
      slot_.assign([cancel](asio::cancellation_type) { cancel(); });
    }
  }

  // The event has come: in a turn of its own the generator is resumed, unless waits_on() says that
  // the wait goes on. Nothing happens if the generator is gone by then.
  template <class WaitsOn>
  void resume(WaitsOn waits_on) {
    asio::post(host_->host_executor(), [host = host_->shared_host(), ticket = ticket_, waits_on] {
      if (host->is_current(ticket) && !waits_on()) {
        host->end_await();
        host->resume_generator();
      }
    });
  }

  // There is nothing more to cancel.
  void end() noexcept { slot_.clear(); }

  GeneratorHost& host() const noexcept { return *host_; }

 private:
  GeneratorHost* host_;
  std::uint64_t ticket_ = 0;
  asio::cancellation_slot slot_;
};

}  // namespace cowire::detail
