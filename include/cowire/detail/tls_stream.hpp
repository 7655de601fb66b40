// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/pending_handler.hpp"
#include "cowire/detail/tls_engine.hpp"
#include "cowire/transport.hpp"
#include "cowire/transports/tls_context.hpp"

#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/bind_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

namespace cowire::detail {

// An engine and the transport that carries its ciphertext. Operations keep it alive, so that a
// transport may go while they are under way.
//
// Whoever reads fetches ciphertext, whoever writes sends it. What the engine has to say by itself
// (alerts, new keys, the end) is sent by push().
template <Transport Next>
class TlsStream : public std::enable_shared_from_this<TlsStream<Next>> {
 public:
  using Step = TlsEngine::Step;
  using executor_type = typename Next::executor_type;

  TlsStream(Next next, std::shared_ptr<TlsSettings> settings, TlsEngine engine)
      : settings_(std::move(settings)), next_(std::move(next)), engine_(std::move(engine)) {}

  Next& next() noexcept { return next_; }
  const Next& next() const noexcept { return next_; }
  TlsEngine& engine() noexcept { return engine_; }
  const TlsEngine& engine() const noexcept { return engine_; }

  // Gets plain text: the result in `n` and `ec`; or wants_input; or wants_output, while an answer
  // of TLS's own is being sent (new keys, for example) that the peer does not read.
  Step read(MutableBytes into, std::size_t& n, std::error_code& ec) {
    n = 0;
    Step step = read_ready(into, n);
    push();
    while (n == 0 && step == Step::wants_output && !is_sending_ && !output_error_) {
      step = read_ready(into, n);  // There is room again.
      push();
    }
    if (n != 0 || into.empty()) {
      return Step::done;
    }
    if (step == Step::ended || (step == Step::failed && is_tolerated())) {
      ec = asio::error::eof;
    } else if (step == Step::failed) {
      ec = failure();
    } else if (step == Step::wants_input && input_error_) {
      ec = input_error_;
    } else if (step == Step::wants_output && output_error_) {
      ec = output_error_;  // What must be said first cannot be.
    }
    return ec ? Step::done : step;
  }

  // As much as the engine has.
  Step read_ready(MutableBytes into, std::size_t& n) {
    Step step = Step::done;
    while (step == Step::done && n < into.size()) {
      std::size_t more = 0;
      step = engine_.read(into.subspan(n), more);
      n += more;
    }
    return step;
  }

  // Why the engine failed, for who reads: from now on what still comes is to be thrown away.
  std::error_code failure() noexcept {
    failure_is_known_ = true;
    return engine_.error();
  }
  bool failure_is_known() const noexcept { return failure_is_known_; }

  // Whether the transport below has told its end, which Asio's sockets tell only once.
  bool input_has_ended() const noexcept { return input_has_ended_; }

  // Encrypts the first part of the plain text, if there is room for it: see `encrypted`.
  // @returns False, and ec, if that is not possible.
  bool encrypt(Bytes from, std::error_code& ec) {
    const Step step = engine_.write(from, encrypted);
    if (step == Step::failed || step == Step::ended) {
      ec = engine_.error() ? engine_.error() : asio::error::broken_pipe;
    } else if (step == Step::wants_input) {
      ec = asio::error::not_connected;  // There was no handshake.
    }
    return !ec;
  }

  // The peer's ciphertext has come, or an error.
  void received(std::error_code ec, std::size_t n) {
    if (n != 0) {
      engine_.input_received(n);
    }
    if (ec == asio::error::eof) {
      input_has_ended_ = true;
      engine_.input_ended();
    } else if (ec != asio::error::operation_aborted) {
      input_error_ = ec;
    }
  }

  // Sends ciphertext without waiting, as far as that goes. @returns Whether all of it.
  bool send_directly(std::error_code& ec) {
    if constexpr (WritesDirectly<Next>) {
      while (!is_sending_ && has_output()) {
        const Bytes bytes = engine_.output();
        const std::size_t n = next_.try_write_some(asio::buffer(bytes.data(), bytes.size()), ec);
        engine_.output_sent(n);
        if (ec == asio::error::would_block) {
          ec.clear();
          break;
        }
        if (ec) {
          return false;
        }
      }
    }
    return !is_sending_ && !has_output();
  }

  // Sends what the engine has to say by itself.
  void push() {
    std::error_code ec;
    if (is_sending_ || !has_output() || send_directly(ec)) {
      return;
    }
    if (ec) {
      output_error_ = ec;  // A later write will find it, too.
      return;
    }
    send([self = this->shared_from_this()](std::error_code failed, std::size_t n) {
      if (failed && failed != asio::error::operation_aborted) {  // That meant a read.
        self->output_error_ = failed;
      }
      self->sent(n);
      if (!self->output_error_) {
        self->push();
      }
    });
  }

  // Sends the first part of the ciphertext. @pre !is_sending()
  template <class Handler>
  void send(Handler handler) {
    is_sending_ = true;
    const Bytes bytes = engine_.output();
    next_.async_write_some(asio::buffer(bytes.data(), bytes.size()), std::move(handler));
  }
  void sent(std::size_t n) {
    is_sending_ = false;
    engine_.output_sent(n);
    waiting_writer_.complete();
    waiting_reader_.complete();
  }

  bool is_sending() const noexcept { return is_sending_; }
  bool has_output() { return !engine_.output().empty(); }

  // Calls handler() when the sending that is under way has ended: for one writer and one reader.
  template <class Handler>
  void wait_until_sent(Handler handler) {
    wait(&TlsStream::waiting_writer_, std::move(handler));
  }
  template <class Handler>
  void wait_for_output_room(Handler handler) {
    wait(&TlsStream::waiting_reader_, std::move(handler));
  }

  // Plain text that was encrypted but is not yet sent: the write that follows begins with it.
  std::size_t encrypted = 0;

 private:
  // One that is cancelled is called, too, and looks.
  template <class Handler>
  void wait(PendingHandler<> TlsStream::* place, Handler handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    this->*place = PendingHandler<>(std::move(handler), next_.get_executor());
    if (slot.is_connected()) {
      slot.assign([weak = this->weak_from_this(), place](asio::cancellation_type) {
        if (const auto self = weak.lock()) {
          ((*self).*place).complete();
        }
      });
    }
  }

  bool is_tolerated() const noexcept {
    return settings_->accept_missing_close_notify && engine_.error() == errc::truncated;
  }

  std::shared_ptr<TlsSettings> settings_;
  Next next_;
  TlsEngine engine_;
  std::error_code input_error_;
  std::error_code output_error_;  // of what the engine had to say by itself
  PendingHandler<> waiting_writer_;
  PendingHandler<> waiting_reader_;
  bool is_sending_ = false;
  bool failure_is_known_ = false;
  bool input_has_ended_ = false;
};

// What the operations on a TlsStream have in common: they run where, and are cancelled as, their
// handler wants it.
template <class Stream, class Handler>
class TlsOperation {
 public:
  using executor_type = asio::associated_executor_t<Handler, typename Stream::executor_type>;
  using allocator_type = asio::associated_allocator_t<Handler>;
  using cancellation_slot_type = asio::cancellation_slot;

  TlsOperation(std::shared_ptr<Stream> stream, Handler handler)
      : stream_(std::move(stream)),
        handler_(std::move(handler)),
        cancellation_(asio::get_associated_cancellation_slot(handler_),
                      asio::enable_total_cancellation()) {}

  executor_type get_executor() const noexcept {
    return asio::get_associated_executor(handler_, stream_->next().get_executor());
  }
  allocator_type get_allocator() const noexcept { return asio::get_associated_allocator(handler_); }
  cancellation_slot_type get_cancellation_slot() const noexcept { return cancellation_.slot(); }

 protected:
  // Ends the operation; not inside of the call that began it.
  template <class... Results>
  void finish(bool is_begin, Results... results) {
    if (is_begin) {
      auto executor = get_executor();
      asio::post(executor, [handler = std::move(handler_), results...]() mutable {
        std::move(handler)(results...);
      });
    } else {
      stream_.reset();
      std::move(handler_)(results...);
    }
  }

  // Gets ciphertext for an operation, which is called with what came.
  template <class Operation>
  static void fetch(Operation operation) {
    const auto stream = operation.stream_;
    const MutableBytes room = stream->engine().input_room();
    stream->next().async_read_some(asio::buffer(room.data(), room.size()), std::move(operation));
  }

  // Whether it was cancelled, be it between two steps, when nothing was there to notice it.
  bool is_cancelled() const noexcept {
    return cancellation_.cancelled() != asio::cancellation_type::none;
  }

  std::shared_ptr<Stream> stream_;
  Handler handler_;

 private:
  asio::cancellation_state cancellation_;
};

}  // namespace cowire::detail
