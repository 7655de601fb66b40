// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/connection.hpp"
#include "cowire/detail/exception_code.hpp"
#include "cowire/detail/session_log.hpp"
#include "cowire/detail/session_owner.hpp"
#include "cowire/handler.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cowire::detail {

// The life of one peer: its hooks, its generators, its end. Driven by the events of the connection.
//
//     handshake the transport makes its own, if it has one
//     opening   on_connection runs
//     serving   a generator of handle runs, or waits at a yield, or at an operation
//     ending    on_disconnection runs
//     closing   what is queued is sent, then the connection is closed
template <Protocol P, class H, Transport T, class C>
class Session final : public Connection<P, T, C>,
                      public RequestSource<typename P::received_packet>,
                      public SessionBase {
  using Base = Connection<P, T, C>;
  using Request = typename P::received_packet;
  using Slot = PacketSlot<Request>;
  using typename Base::Polled;

 public:
  Session(T transport, std::shared_ptr<SessionOwner<P, H>> owner, std::uint64_t id)
      : Base(std::move(transport), owner->context, id),
        owner_(std::move(owner)),
        peer_(make_peer<typename P::sent_packet>(*this)) {}

  void start();
  void drain() override;
  void cancel() override;
  void kill() override;

 private:
  enum class Phase { handshake, opening, serving, ending, closing };

  void open();

  // GeneratorHost and RequestSource: what the generator asks for.

  asio::any_io_executor host_executor() const override { return this->executor(); }
  std::shared_ptr<GeneratorHost> shared_host() override {
    return std::static_pointer_cast<Session>(this->shared_from_this());
  }
  asio::any_io_executor task_executor() override { return this->peer_executor(); }
  void resume_generator() override { step(); }

  bool poll_request(const RecvParams& params, Slot& slot) override {
    if (!params.is_plain()) {
      if (const auto error = this->refusal(params)) {
        slot.error.emplace(*error);
        return true;
      }
    }
    timeout_ = params.timeout();
    into_.set(params.ancillary());
    if (this->is_cancelled()) {
      polled_ = Polled::ended;
      if (!std::exchange(cancel_told_, true)) {
        slot.error.emplace(errc::cancelled);
        return true;
      }
      return false;
    }
    polled_ = this->poll(slot);
    if (polled_ == Polled::packet) {
      this->hand_over(slot.error ? nullptr : into_.get());
    }
    return polled_ == Polled::packet;
  }

  void wait_for_request(Slot& slot) override { slot_ = &slot; }

  void* find_state(const void* tag) const noexcept override { return state_.find(tag); }

  // Connection: what happens to the peer.

  void on_received() override {
    polled_ = this->poll(*slot_);
    if (polled_ == Polled::packet) {
      this->stop_receive();
      this->hand_over(slot_->error ? nullptr : into_.get());
      slot_ = nullptr;
      step();
    } else if (polled_ == Polled::ended) {
      this->stop_receive();
      end_generator();
    } else {
      this->continue_receive();
      cancel_if_drained();
    }
  }

  void on_receive_timeout() override {
    ErrorContext context;
    context.detail = "no packet came within the time limit of the yield";
    context.time_limit = timeout_;
    context.peer = to_string(this->remote_endpoint());
    answer(Error(errc::timeout, std::move(context)));
  }

  void on_flushed() override { cancel_if_drained(); }

  void on_closed() override {
    if (phase_ == Phase::closing) {
      end();
    }
  }

  // Fills the slot of the yield that the handler waits at, and resumes it.
  void answer(Error error) {
    cancel_told_ = cancel_told_ || error.code() == errc::cancelled;
    slot_->error.emplace(std::move(error));
    slot_ = nullptr;
    step();
  }

  // Runs generators until one waits. The caller keeps the session alive.
  void step() {
    do {
      const typename Base::Running running(*this);
      generator_.resume();
    } while (generator_.done() && next_generator());
    this->flush();
    if (slot_ != nullptr) {
      wait_at_yield();
    }
  }

  void wait_at_yield() {
    if (polled_ == Polled::ended) {
      end_generator();
    } else {
      this->start_receive(timeout_);
      cancel_if_drained();
    }
  }

  void cancel_if_drained() {
    if (draining_ && slot_ != nullptr && !this->is_busy()) {
      this->post([](Base& self) { static_cast<Session&>(self).drain(); });
    }
  }

  // The generator has ended: makes the next one. False if there is none.
  bool next_generator();

  // Calls handle for a new generator.
  bool make_generator() {
    try {
      const typename Base::Running running(*this);
      adopt(call_handle<P>(owner_->handler, peer_, state_));
      return true;
    } catch (...) {
      handler_failed(std::current_exception());
      return false;
    }
  }

  void adopt(Generator<Request> generator) {
    if (!generator) {
      throw std::logic_error("the handler returned an empty Generator: it must be a coroutine");
    }
    generator_ = std::move(generator);
    generator_.source(*this);
  }

  void handshake_failed(const Error& error);

  // on_connection is done. Makes the first generator of handle; false if there is none.
  bool begin_serving(const std::exception_ptr& error) {
    if (error) {
      note_failure(error);
      close_connection();  // on_disconnection is for those who came in.
      return false;
    }
    if (this->is_closing() || this->is_cancelled()) {
      note_end(this->is_cancelled() ? &ServerStats::shut_down : &ServerStats::refused);
      finish_serving();
      return false;
    }
    phase_ = Phase::serving;
    return make_generator();
  }

  void handler_failed(const std::exception_ptr& error) {
    note_failure(error);
    finish_serving();
  }

  void note_failure(const std::exception_ptr& error);

  // Counts why the connection ends: the first reason is the cause.
  void note_end(std::uint64_t ServerStats::* cause) {
    if (!std::exchange(end_noted_, true)) {
      ++(this->stats().*cause);
    }
  }

  std::uint64_t ServerStats::* cause_of(std::error_code code) const;

  // The peer has gone, or was closed, while the generator waits at its yield.
  void end_generator() {
    const bool was_opening = phase_ == Phase::opening;
    note_end(cause_of(this->end_code()));
    if (!this->is_cancelled()) {
      if (this->is_called_by_tls()) {
        log().write(LogLevel::warning,
                    "the peer speaks TLS to a port without it: what it sent "
                    "looks like a TLS ClientHello, is it meant for another port?");
      }
      log().input_ended(this->end_code(), [this] { return this->end_error(); });
    }
    destroy_generator();
    if (was_opening) {
      close_connection();
    } else {
      finish_serving();
    }
  }

  // Destroys the generator where it waits. While it waits for an operation or a task, those may
  // use what is in its frame: then they are cancelled, and it is destroyed when they have ended.
  void destroy_generator() {
    slot_ = nullptr;
    if (this->has_operation()) {
      this->cancel_await();
      return;
    }
    this->end_await();
    const typename Base::Running running(*this);
    generator_.reset();
  }

  // The operation has ended that a killed session's generator waited for.
  bool operation_ended() override {
    if (!killed_) {
      return false;
    }
    destroy_generator();
    leave_owner();
    return true;
  }

  // Whether the handler, or a hook, still runs or waits.
  bool has_handler() const noexcept { return phase_ != Phase::closing; }
  bool is_unfinished() const noexcept override { return has_handler() || this->has_unsent(); }

  void finish_serving() {
    if (phase_ == Phase::closing) {
      return;
    }
    phase_ = Phase::ending;
    if constexpr (!HasOnDisconnection<H, P>) {
      close_connection();
    } else {
      run_hook([this] { return call_on_disconnection<P>(owner_->handler, peer_, state_); },
               [this](std::exception_ptr error) {
                 if (error) {
                   log().farewell_failed(error, is_cancellation(error));
                 }
                 close_connection();
               });
    }
  }

  void close_connection();

  // The server need not wait for this session any more.
  void forget() {
    if (!std::exchange(ended_, true)) {
      const LogLevel level = connection_level();
      owner_->session_ended(*this);
      if (was_open_) {
        log().write(level, "disconnected");  // Last: the log may destroy the server.
      }
    }
  }

  void end() {
    forget();
    killed_ = this->has_operation();
    if (!killed_) {
      leave_owner();
    }
  }

  // Nobody looks at this session's packets any more, and it needs the handler no longer. (A hook
  // that was left behind keeps the owner itself.)
  void leave_owner();
  void release_state();

  class HookStay;

  // Runs a hook of any allowed form and then `done(error)`.
  template <class Hook, class Done>
  void run_hook(Hook hook, Done done);

  SessionLog log() const noexcept {
    return {this->context().logger, *this, this->packets_received()};
  }

  LogLevel connection_level() const noexcept {
    return owner_->log_connections ? LogLevel::info : LogLevel::debug;
  }

  bool is_cancellation(const std::exception_ptr& error) const {
    return this->is_cancelled() && as_system_error(code_of(error)) == std::errc::operation_canceled;
  }

  std::shared_ptr<SessionOwner<P, H>> owner_;
  Peer<typename P::sent_packet> peer_;
  [[no_unique_address]] mutable PeerStateOf<H> state_;  // Others see it through current_peer().
  Generator<Request> generator_;
  Slot* slot_ = nullptr;  // Of the yield that the generator waits at.
  // Of the yield too, which sets it each time: it is in the generator's frame.
  [[no_unique_address]] AncillaryPlace<CarriesAncillary<T>> into_;
  std::optional<RecvParams::duration> timeout_;
  asio::cancellation_signal hook_cancel_;
  Phase phase_ = Phase::handshake;
  Polled polled_ = Polled::nothing;
  std::uint8_t hooks_running_ = 0;  // as tasks
  bool was_open_ = false;           // The handshake, if there is one, has succeeded.
  bool draining_ = false;
  bool cancel_told_ = false;
  bool forced_ = false;
  bool ended_ = false;
  bool end_noted_ = false;
  bool killed_ = false;  // and its generator waits for the end of an operation
};

}  // namespace cowire::detail

#include "cowire/impl/session.hpp"
