// SPDX-License-Identifier: BSL-1.0
// How a connection receives: bodies of cowire/connection.hpp, which includes this file.
#pragma once

#include "cowire/connection.hpp"

namespace cowire {

// Receiving.

template <Protocol P, Transport T, class C>
auto Connection<P, T, C>::poll(Slot& slot) -> Polled {
  if (failure_ || closing_) {
    return Polled::ended;
  }
  if (is_stalled()) {
    return Polled::nothing;
  }
  if (packets_this_turn_ >= limits().packets_per_turn) {
    return Polled::turn_over;
  }
  switch (next_packet(slot)) {
    case PacketReader<P>::Outcome::packet:
      ++packets_this_turn_;
      deadlines_.got_packet();
      if (slot.error) {
        ++stats().bad_packets;
        slot.error.emplace(slot.error->with_peer(peer_name()));
      } else {
        ++packets_received_;
        ++stats().packets_received;
      }
      return Polled::packet;
    case PacketReader<P>::Outcome::ended: return Polled::ended;
    case PacketReader<P>::Outcome::nothing: break;
  }
  return input_end_ ? Polled::ended : Polled::nothing;
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::switch_protocol(std::size_t index) {
  if constexpr (SwitchesProtocol<P>) {
    if (waiting_) {  // With what the old one says that it needs.
      throw Error(errc::busy);
    }
    reader_.switch_protocol(index);
  } else {
    throw Error(errc::invalid_argument,
                "cannot switch to protocol " + std::to_string(index) +
                    ": the protocol of this connection is no SwitchableProtocol");
  }
}

template <Protocol P, Transport T, class C>
std::error_code Connection<P, T, C>::end_code() const noexcept {
  if (failure_) {
    return failure_->code();
  }
  if (closing_) {
    return errc::closed;
  }
  if (reader_.truncated()) {
    return errc::truncated;
  }
  return output_error_ && input_end_ == errc::end_of_stream ? output_error_ : input_end_;
}

template <Protocol P, Transport T, class C>
bool Connection<P, T, C>::is_broken() const noexcept {
  return failure_ || output_error_ || reader_.truncated() ||
         (input_end_ && input_end_ != errc::end_of_stream);
}

template <Protocol P, Transport T, class C>
Error Connection<P, T, C>::end_error() const {
  if (failure_) {
    return failure_->with_peer(peer_name());
  }
  if (!closing_ && reader_.truncated()) {
    return reader_.truncated()->with_peer(peer_name());
  }
  ErrorContext context;
  context.peer = peer_name();
  const std::error_code code = end_code();
  if (code == errc::truncated) {
    context.detail = "the TLS stream ended without a close_notify";
  } else if (code == errc::peer_timeout) {
    const bool was_slow = reader_.mid_packet();
    context.detail = was_slow ? "the peer did not finish a packet within the time limit"
                              : "the peer sent nothing within the time limit";
    context.time_limit = was_slow ? limits().frame_timeout : limits().idle_timeout;
  }
  return Error(code, std::move(context));
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::start_receive(std::optional<RecvParams::duration> timeout) {
  deadlines_.begin_wait(C::now(executor_), timeout);
  if (timeout && timeout->count() == 0) {
    look_at_once();  // Whoever does not wait wants a look at the socket now.
  }
  waiting_ = true;
  continue_receive();
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::continue_receive() {
  const time_point now = C::now(executor_);
  stalled_ = is_stalled();
  if (stalled_) {
    deadlines_.pause(now);
  } else {
    deadlines_.keep_waiting(now, reader_.mid_packet());
  }
  if (packets_this_turn_ >= limits().packets_per_turn) {
    post([](Connection& self) { self.notify(); });
  } else if (!stalled_) {
    release_at_ = now + release_after;
    read_soon();
  }
  set_timer();
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::begin_turn() noexcept {
  packets_this_turn_ = 0;
  bytes_this_turn_ = 0;
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::notify() {
  begin_turn();
  if (waiting_) {
    on_received();
  }
}

// A read that was not filled has emptied the socket: an immediate attempt would only find that
// out by a system call. In the next turn the answer to what was just sent may be there.
template <Protocol P, Transport T, class C>
void Connection<P, T, C>::read_soon() {
  if (!std::exchange(last_read_was_short_, false)) {
    start_read();
  } else {
    post([](Connection& self) {
      if (self.waiting_ && !self.stalled_) {
        self.start_read();
      }
    });
  }
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::start_read() {
  if (reading_ || input_end_ || closed_) {
    return;
  }
  reading_ = true;
  const MutableBytes room = reader_.prepare();
  transport_->async_read_some(
      asio::buffer(room.data(), room.size()),
      [self = shared_self(), size = room.size()](std::error_code ec, std::size_t n) {
        self->last_read_was_short_ = n < size;
        self->on_read(ec, n);
      });
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::on_read(std::error_code ec, std::size_t n) {
  reading_ = false;
  if (released_) {
    release_buffers();
  }
  if (closed_) {
    return;
  }
  if (std::exchange(releasing_, false) && ec == asio::error::operation_aborted) {
    if (!starting_tls_) {
      release_memory();
    }
    return;
  }
  if (ec) {
    // A transport that sends its end may have failed by itself, and has that to say.
    peer_gone_ = closing_ || !SendsItsEnd<T> || ec == asio::error::eof;
    end_input(ec);
  } else if (!closing_) {
    commit_read(n);
    if (!std::exchange(has_heard_, true)) {
      is_called_by_tls_ = likely_protocol(reader_.pending()) == detail::tls_hello;
    }
    stats().bytes_received += n;
    deadlines_.got_bytes();
  }
  if (closing_) {
    continue_close();
  } else {
    notify();
  }
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::end_input(std::error_code ec) {
  if (ec == asio::error::eof) {
    reader_.end();  // It knows whether a packet was cut.
    ec = errc::end_of_stream;
  }
  input_end_ = ec;
}

// The read was cancelled because the connection idles: wait for bytes without a place for them.
template <Protocol P, Transport T, class C>
void Connection<P, T, C>::release_memory() {
  if constexpr (WaitsForRead<T>) {
    reader_.release();
    reading_ = true;
    reading_nothing_ = true;
    transport_->async_wait_read([self = shared_self()](std::error_code) {
      self->reading_ = false;
      self->reading_nothing_ = false;
      if (self->closed_) {
        return;
      }
      if (self->closing_) {
        self->continue_close();
      } else if (self->waiting_) {
        self->start_read();
      }
    });
  }
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::set_timer() {
  time_point first = std::min({send_deadline_, close_deadline_, handshake_deadline_});
  if (waiting_) {
    first = std::min({first, deadlines_.first(), release_at_});
  }
  if (timer_.is_late_for(first)) {
    timer_.set(first, shared_self());
  }
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::on_timer() {
  timer_.fired();
  if (closed_) {
    return;
  }
  const time_point now = C::now(executor_);
  if (close_deadline_ <= now) {
    finish_close();
    return;
  }
  if (handshake_deadline_ <= now) {
    handshake_deadline_ = never;
    handshake_too_late_ = true;
    transport_->abort();  // Which ends the handshake.
  }
  if (send_deadline_ <= now) {
    ErrorContext context;
    context.detail = "the peer took nothing of what is queued for it within the time limit";
    context.size = output_.size();
    context.time_limit = limits().send_timeout;
    fail(Error(errc::peer_timeout, std::move(context)));
    return;
  }
  if (waiting_) {
    if (release_at_ <= now) {
      release_at_ = never;
      if constexpr (WaitsForRead<T>) {
        if (reading_ && !reading_nothing_ && !writing_ && reader_.pending().empty()) {
          releasing_ = true;
          transport_->cancel();
        }
      }
    }
    on_receive_timer(now);
  }
  set_timer();
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::on_receive_timer(time_point now) {
  using Expired = typename detail::ReceiveDeadlines<time_point>::Expired;
  switch (deadlines_.expire(now)) {
    case Expired::nothing: return;
    case Expired::wait:
      waiting_ = false;
      begin_turn();
      on_receive_timeout();
      return;
    case Expired::peer: end_input(errc::peer_timeout); break;
  }
  notify();
}

}  // namespace cowire
