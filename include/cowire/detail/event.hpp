// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/pending_handler.hpp"
#include "cowire/task.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/use_awaitable.hpp>

#include <cstdint>
#include <list>
#include <memory>
#include <system_error>
#include <utility>

namespace cowire::detail {

// "Something changed": wakes everybody who waits, who then look for themselves.
class Event {
 public:
  explicit Event(asio::any_io_executor executor)
      : state_(std::make_shared<State>(std::move(executor))) {}

  // Waits for the next notify(). Throws operation_aborted when cancelled.
  Task<void> wait() {
    auto state = state_;
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::error_code)>(
        [](auto handler, State* to) { to->add(std::move(handler)); }, asio::use_awaitable,
        state.get());
  }

  void notify() {
    std::list<Waiting> woken;
    woken.swap(state_->waiting);
    for (Waiting& one : woken) {
      one.handler.complete({});
    }
  }

 private:
  struct Waiting {
    std::uint64_t id;
    PendingHandler<std::error_code> handler;
  };

  struct State : std::enable_shared_from_this<State> {
    explicit State(asio::any_io_executor given) : executor(std::move(given)) {}

    template <class Handler>
    void add(Handler handler) {
      auto slot = asio::get_associated_cancellation_slot(handler);
      const std::uint64_t id = ++last_id;
      waiting.push_back({id, PendingHandler<std::error_code>(std::move(handler), executor)});
      if (slot.is_connected()) {
        slot.assign([weak = this->weak_from_this(), id](asio::cancellation_type) {
          if (const auto self = weak.lock()) {
            self->cancel(id);
          }
        });
      }
    }

    void cancel(std::uint64_t id) {
      for (auto one = waiting.begin(); one != waiting.end(); ++one) {
        if (one->id == id) {
          auto handler = std::move(one->handler);
          waiting.erase(one);
          handler.complete(asio::error::operation_aborted);
          return;
        }
      }
    }

    asio::any_io_executor executor;
    std::list<Waiting> waiting;
    std::uint64_t last_id = 0;
  };

  std::shared_ptr<State> state_;
};

}  // namespace cowire::detail
