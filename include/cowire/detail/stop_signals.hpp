// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <csignal>
#include <functional>
#include <system_error>
#include <utility>

namespace cowire::detail {

// SIGINT and SIGTERM: the first one drains, a second one forces. Belongs to the context's thread,
// and must outlive its run.
class StopSignals {
 public:
  StopSignals(asio::io_context& io, std::function<void()> drain, std::function<void()> force)
      : signals_(io, SIGINT, SIGTERM), drain_(std::move(drain)), force_(std::move(force)) {
    signals_.async_wait([this](std::error_code ec, int) {
      if (!ec && !is_over_) {
        drain_();
        wait_for_second();
      }
    });
  }

  // Everything has ended: no signal is waited for any more. (One may have come already, whose
  // handler has not run yet: it must not begin the next wait.)
  void cancel() {
    is_over_ = true;
    signals_.cancel();
  }

 private:
  void wait_for_second() {
    signals_.async_wait([this](std::error_code ec, int) {
      if (!ec && !is_over_) {
        force_();
      }
    });
  }

  asio::signal_set signals_;
  std::function<void()> drain_;
  std::function<void()> force_;
  bool is_over_ = false;
};

}  // namespace cowire::detail
