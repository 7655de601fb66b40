// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/current_peer.hpp"
#include "cowire/detail/end_watcher.hpp"
#include "cowire/detail/generator_promise.hpp"
#include "cowire/detail/hosted_wait.hpp"
#include "cowire/detail/list_node.hpp"
#include "cowire/detail/pending_handler.hpp"
#include "cowire/detail/runs_here.hpp"
#include "cowire/task.hpp"
#include "cowire/tls_info.hpp"
#include "cowire/transport.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/bind_executor.hpp>
#include <asio/post.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace cowire::detail {

// How far the output queue of a connection must have gone down.
enum class OutputLevel { low, empty };

// Somebody who waits for an output queue.
class OutputWaiter : public ListNode<OutputWaiter> {
 public:
  // The wait is over. Called once, after the waiter has left the list; must not resume anything
  // inside the call.
  virtual void wake(std::error_code ec) = 0;

 protected:
  OutputWaiter() = default;
  ~OutputWaiter() = default;

 private:
  friend class Channel;

  OutputLevel level_ = OutputLevel::low;
};

// A connection without its types of packets and transport: what a Peer and the operations need.
class Channel : public PeerContext, public std::enable_shared_from_this<Channel> {
 public:
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  virtual ~Channel() = default;

  virtual asio::any_io_executor executor() const = 0;
  virtual Endpoint local_endpoint() const = 0;
  virtual int native_handle() = 0;
  virtual std::optional<TlsInfo> tls_info() const = 0;
  virtual bool is_closing() const noexcept = 0;
  virtual void close() = 0;
  virtual void abort() = 0;

  // The bytes in the output queue, and whether they are output_high or more.
  virtual std::size_t queued() const noexcept = 0;
  virtual bool is_slow() const noexcept = 0;

  // Lets the watcher know when nothing can be sent any more.
  void watch(EndWatcher& watcher) noexcept { end_watchers_.add(watcher); }

  // Writes what the transport takes at once.
  virtual void flush() = 0;

  // See Peer::start_tls().
  virtual Task<void> start_tls() = 0;

  // See Peer::switch_protocol().
  virtual void switch_protocol(std::size_t index) = 0;

  // Whether a sender need not wait at all; sets ec if the connection can send no more.
  virtual bool may_go_on(OutputLevel level, std::error_code& ec) const = 0;

  // Throws what stands against sending, with all that is known of it.
  virtual void check_sendable() const = 0;

  // Whether somebody who waits need wait no longer; sets ec likewise.
  virtual bool reached(OutputLevel level, std::error_code& ec) const = 0;

  // Lets the waiter be woken when the level is reached or the connection fails.
  void wait(OutputWaiter& waiter, OutputLevel level) {
    waiter.level_ = level;
    waiter.enter(OutputWaiter::end_of(waiters_));  // First come, first woken.
    on_wait();
  }

  static void cancel(OutputWaiter& waiter) {
    if (waiter.is_in_list()) {
      waiter.leave();
      waiter.wake(asio::error::operation_aborted);
    }
  }

 protected:
  Channel() = default;

  // Somebody waits now: sees to it that wake_waiters() is called in time.
  virtual void on_wait() = 0;

  // The connection begins to end. May be repeated.
  void tell_end() { end_watchers_.tell(); }

  // Wakes those whose level is reached; all, with the error, if the connection failed.
  void wake_waiters() {
    OutputWaiter* waiter = waiters_;
    while (waiter != nullptr) {
      OutputWaiter* const next = waiter->next();
      std::error_code ec;
      if (reached(waiter->level_, ec) || ec) {
        waiter->leave();
        waiter->wake(ec);
      }
      waiter = next;
    }
  }

 private:
  OutputWaiter* waiters_ = nullptr;
  EndWatchers end_watchers_;
};

// What a function that only reads a packet takes: a view where the packet has one.
template <class Packet>
struct PacketArgument {
  using type = const Packet&;
};
template <>
struct PacketArgument<std::string> {
  using type = std::string_view;
};
template <>
struct PacketArgument<std::string_view> {
  using type = std::string_view;
};
template <>
struct PacketArgument<std::vector<std::byte>> {
  using type = Bytes;
};
template <class Packet>
using packet_argument_t = typename PacketArgument<Packet>::type;

// A channel that packets of a known type can be sent on.
template <class Sent>
class SendChannel : public Channel {
 public:
  virtual void send(packet_argument_t<Sent> packet) = 0;

  // How to send a packet with ancillary data; null if the transport carries none. (No virtual
  // function, since those of the other transports would not use its parameters.)
  using SendWith = void (*)(SendChannel&, packet_argument_t<Sent>, Ancillary&);
  virtual SendWith send_with() const noexcept = 0;
};

// Sends it so, and takes it over. Throws Error.
template <class Sent>
void send_with_ancillary(SendChannel<Sent>& channel, packet_argument_t<Sent> packet,
                         Ancillary& ancillary) {
  const auto send = channel.send_with();
  if (send == nullptr) {
    throw Error(errc::invalid_argument,
                "no descriptors can be sent here: only connections through Unix domain sockets "
                "carry them");
  }
  send(channel, packet, ancillary);
}

// Waits for an output queue inside a generator, without an allocation.
class OutputAwaiter final : OutputWaiter {
 public:
  OutputAwaiter(Channel& channel, OutputLevel level, GeneratorHost& host) noexcept
      : channel_(&channel), level_(level), wait_(host) {}

  bool await_ready() { return channel_->may_go_on(level_, ec_) || ec_; }

  void await_suspend(std::coroutine_handle<>) {
    wait_.begin([this] {
      if (!ec_) {  // Also when it is woken already, and has not run yet.
        ec_ = asio::error::operation_aborted;
      }
      Channel::cancel(*this);
    });
    channel_->wait(*this, level_);
  }

  void await_resume() {
    wait_.end();
    if (ec_ && ec_ != asio::error::operation_aborted) {
      channel_->check_sendable();
    }
    throw_if_failed(wait_.host(), ec_);
  }

 private:
  void wake(std::error_code ec) override {
    ec_ = ec;
    wait_.resume([] { return false; });
  }

  Channel* channel_;
  OutputLevel level_;
  HostedWait wait_;
  std::error_code ec_;
};

// Waits for an output queue on behalf of a completion handler, which owns it.
class OutputHandler final : OutputWaiter {
 public:
  ~OutputHandler() { leave(); }  // While there is the channel.

  template <class Handler>
  static void start(std::shared_ptr<Channel> channel, OutputLevel level, Handler handler) {
    const asio::any_io_executor executor = channel->executor();
    if (runs_here(executor)) {
      start_here(std::move(channel), level, std::move(handler));
      return;
    }
    // From another thread: behind what was sent from there.
    asio::post(executor,
               [channel = std::move(channel), level, handler = std::move(handler)]() mutable {
                 start_here(std::move(channel), level, std::move(handler));
               });
  }

 private:
  template <class Handler>
  static void start_here(std::shared_ptr<Channel> channel, OutputLevel level, Handler handler) {
    auto self = std::make_shared<OutputHandler>();
    const auto slot = asio::get_associated_cancellation_slot(handler);
    const auto executor = asio::get_associated_executor(handler, channel->executor());
    auto owner = [self, handler = std::move(handler)](std::error_code ec) mutable {
      std::move(handler)(ec);
    };
    self->handler_ = PendingHandler<std::error_code>(
        asio::bind_executor(executor, std::move(owner)), channel->executor());
    std::error_code ec;
    if (channel->may_go_on(level, ec) || ec) {
      self->handler_.complete(ec);
      return;
    }
    if (slot.is_connected()) {
      auto assignable = slot;
      assignable.assign([weak = std::weak_ptr(self)](asio::cancellation_type) {
        if (auto alive = weak.lock()) {
          Channel::cancel(*alive);
        }
      });
    }
    self->channel_ = channel;
    channel->wait(*self, level);
  }

  void wake(std::error_code ec) override {
    const auto channel = std::move(channel_);  // Stays here: the handler may run in another thread.
    handler_.complete(ec);
  }

  PendingHandler<std::error_code> handler_;
  std::shared_ptr<Channel> channel_;
};

}  // namespace cowire::detail

namespace cowire {

/// What send_packet(), drain() and flush() return: something to wait for, or to drop.
///
///     client.send_packet(packet);                                // done: it is queued
///     co_await client.send_packet(packet);                       // in a Generator
///     co_await client.send_packet(packet)(asio::use_awaitable);  // in a Task, any Asio
///     co_await client.send_packet(packet);                       // in a Task, Asio 1.24 or newer
///     client.drain()(callback);                                  // any completion token
///
/// Holds no packet. Completes with a std::error_code; awaited, failures throw.
/// @cancellation Total: only the waiting ends, what is queued is sent.
/// @lifetime To be awaited at once, while the peer or client it came from exists.
class SendOperation {
 public:
  SendOperation(detail::Channel& channel, detail::OutputLevel level) noexcept
      : channel_(&channel), level_(level) {}

  /// Starts to wait, with any completion token for `void(std::error_code)`.
  template <asio::completion_token_for<void(std::error_code)> Token>
  auto operator()(Token&& token) const {
    return asio::async_initiate<Token, void(std::error_code)>(
        [](auto handler, detail::Channel* channel, detail::OutputLevel level) {
          detail::OutputHandler::start(channel->shared_from_this(), level, std::move(handler));
        },
        token, channel_, level_);
  }

  /// How a Generator awaits it.
  detail::OutputAwaiter awaiter(detail::GeneratorHost& host) const noexcept {
    return {*channel_, level_, host};
  }

 private:
  detail::Channel* channel_;
  detail::OutputLevel level_;
};

}  // namespace cowire
