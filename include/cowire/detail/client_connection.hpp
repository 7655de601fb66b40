// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/connection.hpp"
#include "cowire/detail/event.hpp"
#include "cowire/task.hpp"

#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace cowire::detail {

// The connection of a client, without the type of its transport.
template <Protocol P>
class ClientChannel {
 public:
  using Request = typename P::received_packet;

  virtual ~ClientChannel() = default;

  virtual SendChannel<typename P::sent_packet>& channel() noexcept = 0;

  // Waits for the next packet: it, or its error, is in the slot then; false at the end of the
  // stream. Throws Error timeout, busy, invalid_argument; operation_aborted when cancelled.
  virtual Task<bool> receive(RecvParams params) = 0;
  virtual PacketSlot<Request>& slot() noexcept = 0;

  // Why receive() found the end. A peer that was too slow is given up by that: a loop that goes on
  // after a timeout finds errc::closed next.
  virtual Error end_of_input() = 0;

  virtual void send_eof() = 0;
  virtual Task<void> wait_closed() = 0;

  // Closed or broken; and whether nothing will be received any more, as the owner has been told.
  virtual bool is_gone() const noexcept = 0;
  virtual bool has_ended() const noexcept = 0;

  // For a SyncClient, which runs the executor itself. Calls f() as a turn of the executor, which
  // must not run otherwise meanwhile: what f sends is written before in_turn() returns.
  virtual void in_turn(const std::function<void()>& f) = 0;

  // receive() without a coroutine, one at a time, called inside a turn, with a time limit that may
  // be shorter than that of the params. Throws Error invalid_argument; else `done` is called once,
  // in this turn or a later one: with an error, or with whether the slot is filled; if it is not,
  // that is the end of the stream.
  using Received = std::function<void(std::error_code, bool)>;
  virtual void receive_in_turn(const RecvParams& params,
                               std::optional<RecvParams::duration> timeout, Received done) = 0;
};

template <Protocol P, Transport T, class C>
class ClientConnection final : public Connection<P, T, C>, public ClientChannel<P> {
  using Base = Connection<P, T, C>;
  using typename Base::Polled;

 public:
  ClientConnection(T transport, std::shared_ptr<ConnectionContext<P>> context)
      : Base(std::move(transport), std::move(context), 1, Base::Intake::always),
        closed_event_(this->executor()) {}

  SendChannel<typename P::sent_packet>& channel() noexcept override { return *this; }
  PacketSlot<typename P::received_packet>& slot() noexcept override { return slot_; }
  Error end_of_input() override {
    has_ended_ = true;
    Error error = this->end_error();
    if (error.code() == errc::peer_timeout) {
      this->abort_here();
    }
    return error;
  }
  void send_eof() override { this->end_output(); }
  bool is_gone() const noexcept override { return this->is_closing() || this->is_broken(); }
  bool has_ended() const noexcept override { return has_ended_; }

  Task<bool> receive(RecvParams params) override {
    const auto self = std::static_pointer_cast<ClientConnection>(this->shared_from_this());
    if (const auto error = this->refusal(params)) {
      throw Error(*error);
    }
    const auto timeout = params.timeout();
    if (receiving_) {
      throw Error(errc::busy);
    }
    if ((slot_.packet || slot_.error) && !this->is_closing()) {  // Of a receive cancelled too late.
      hand_over_packet(params);
      co_return true;
    }
    const Receiving receiving(receiving_);
    this->flush();
    this->begin_turn();
    polled_ = this->poll(slot_);
    if (polled_ == Polled::nothing) {
      co_await wait(timeout);
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) {
        throw Error(make_error_code(asio::error::operation_aborted));  // The next one gets it.
      }
    }
    if (polled_ == Polled::packet) {
      hand_over_packet(params);
    }
    co_return polled_ == Polled::packet;
  }

  void in_turn(const std::function<void()>& f) override {
    const typename Base::Running here(*this);
    this->begin_turn();
    f();
    this->flush();
  }

  void receive_in_turn(const RecvParams& params, std::optional<RecvParams::duration> timeout,
                       typename ClientChannel<P>::Received done) override {
    if (const auto error = this->refusal(params)) {
      throw Error(*error);
    }
    received_ = std::move(done);
    received_params_ = params;
    polled_ = this->poll(slot_);
    if (polled_ != Polled::nothing) {
      finish_receive({});
      return;
    }
    this->look_at_once();
    this->start_receive(timeout);
  }

  Task<void> wait_closed() override {
    const auto self = this->shared_from_this();
    while (!this->is_closed()) {
      co_await closed_event_.wait();
    }
  }

 private:
  // Set from the begin of a receive until its result has been taken.
  class Receiving {
   public:
    explicit Receiving(bool& flag) noexcept : flag_(&flag) { *flag_ = true; }
    Receiving(const Receiving&) = delete;
    Receiving& operator=(const Receiving&) = delete;
    ~Receiving() { *flag_ = false; }

   private:
    bool* flag_;
  };

  void hand_over_packet(const RecvParams& params) {
    this->hand_over(slot_.error ? nullptr : params.ancillary());
  }

  Task<void> wait(std::optional<RecvParams::duration> timeout) {
    std::error_code failed;
    auto token = asio::redirect_error(asio::use_awaitable, failed);
    co_await asio::async_initiate<decltype(token), void(std::error_code)>(
        [](auto handler, ClientConnection* self, std::optional<RecvParams::duration> limit) {
          self->start_wait(std::move(handler), limit);
        },
        token, this, timeout);
    if (failed == errc::timeout) {
      ErrorContext context;
      context.detail = "no packet came within the time limit";
      context.time_limit = timeout;
      throw Error(errc::timeout, std::move(context)).with_peer(to_string(this->remote_endpoint()));
    }
    if (failed) {
      throw Error(failed);
    }
  }

  template <class Handler>
  void start_wait(Handler handler, std::optional<RecvParams::duration> timeout) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    receiver_ = PendingHandler<std::error_code>(std::move(handler), this->executor());
    if (slot.is_connected()) {
      slot.assign([weak = this->weak_from_this(), this](asio::cancellation_type) {
        if (const auto alive = weak.lock()) {
          finish_wait(asio::error::operation_aborted);
        }
      });
    }
    this->start_receive(timeout);
  }

  void finish_wait(std::error_code ec) {
    if (ec == asio::error::operation_aborted) {
      this->pause_receive();
    } else {
      this->stop_receive();
    }
    if (receiver_) {
      std::exchange(receiver_, {}).complete(ec);
    }
    finish_receive(ec);
  }

  void finish_receive(std::error_code ec) {
    if (received_) {
      const bool has_packet = !ec && polled_ == Polled::packet;
      if (has_packet) {
        hand_over_packet(received_params_);
      }
      std::exchange(received_, nullptr)(ec, has_packet);
    }
  }

  void on_received() override {
    polled_ = this->poll(slot_);
    if (polled_ == Polled::packet || polled_ == Polled::ended) {
      finish_wait({});
    } else {
      this->continue_receive();
    }
  }
  void on_receive_timeout() override { finish_wait(errc::timeout); }
  void on_flushed() override {}
  void on_closed() override {
    polled_ = Polled::ended;
    finish_wait({});
    closed_event_.notify();
  }

  PacketSlot<typename P::received_packet> slot_;
  Polled polled_ = Polled::nothing;
  bool receiving_ = false;
  PendingHandler<std::error_code> receiver_;
  typename ClientChannel<P>::Received received_;
  RecvParams received_params_;
  bool has_ended_ = false;
  Event closed_event_;
};

}  // namespace cowire::detail
