// SPDX-License-Identifier: BSL-1.0
// How a connection ends: bodies of cowire/connection.hpp, which includes this file.
#pragma once

#include "cowire/connection.hpp"

namespace cowire {

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::close() {
  if (!closing_) {
    run_here([](Connection& self) { self.close_here(); });
  }
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::close_here() {
  if (closing_.exchange(true)) {
    return;
  }
  this->tell_end();
  flush();
  if (waiting_) {
    post([](Connection& self) { self.notify(); });
  }
  continue_close();
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::abort() {
  run_here([](Connection& self) { self.abort_here(); });
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::abort_here() {
  if (closed_) {
    return;
  }
  closing_ = true;
  if (!failure_) {
    failure_.emplace(errc::closed);
  }
  transport_->abort();
  if (waiting_) {
    post([](Connection& self) { self.notify(); });
  }
  finish_close();
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::end_output() {
  run_here([](Connection& self) { self.end_output_here(); });  // Behind the packets posted.
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::end_output_here() {
  if (!closed_ && !std::exchange(ending_, true)) {
    flush();
    continue_end();
  }
}

// Whether the transport itself could not go on, as TLS when the peer breaks its rules. It has sent
// the reason, behind which no packet can come, but the end of the stream.
template <Protocol P, Transport T, class C>
bool Connection<P, T, C>::transport_has_failed() const noexcept {
  return SendsItsEnd<T> && input_end_ && input_end_ != errc::peer_timeout && !peer_gone_;
}

// Sends the end of the stream when everything before it has been written.
template <Protocol P, Transport T, class C>
void Connection<P, T, C>::continue_end() {
  if (end_sent_ || failure_ || !output_.empty()) {
    return;
  }
  end_sent_ = true;
  if constexpr (SendsItsEnd<T>) {
    send_deadline_ = after(limits().send_timeout, C::now(executor_));
    set_timer();
    writing_ = true;
    transport_->async_shutdown_send(
        [self = shared_self()](std::error_code ec) { self->on_end_sent(ec); });
  } else {
    std::error_code ec;
    transport_->shutdown_send(ec);
    if (ec) {
      fail_output(ec);
    }
  }
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::on_end_sent(std::error_code ec) {
  if (write_ended(ec) && closing_) {
    continue_close();
  }
}

// Goes one step further to the end: written all, sent the end, seen the peer's end.
template <Protocol P, Transport T, class C>
void Connection<P, T, C>::continue_close() {
  if (closed_) {
    return;
  }
  if (output_.empty()) {
    continue_end();
  }
  const bool is_broken = failure_ || (output_error_ && !transport_has_failed());
  if ((!output_.empty() || writing_) && !is_broken) {
    if (!reading_ && !peer_gone_) {  // Else both sides might wait for the other to read.
      start_discarding();
    }
    return;
  }
  if (is_broken || peer_gone_ || limits().close_timeout.count() == 0) {
    finish_close();
    return;
  }
  if (close_deadline_ == never) {
    close_deadline_ = after(limits().close_timeout, C::now(executor_));
    set_timer();
  }
  if (!reading_) {
    start_discarding();
  }
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::start_discarding() {
  // Most peers send nothing more. One that does may send a lot: a larger block from the second
  // read. (Where several reads may be made for one, at once.)
  if (scrap_.size() < BlockPool::block_size) {
    const bool is_first = scrap_.size() == 0 && !SendsItsEnd<T>;
    scrap_ = context_->pool.take(is_first ? 1 : BlockPool::block_size);
  }
  reading_ = true;
  transport_->async_read_some(
      asio::buffer(scrap_.data(), scrap_.size()),
      [self = shared_self()](std::error_code ec, std::size_t n) { self->on_read(ec, n); });
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::release_buffers() {
  released_ = true;
  if (!reading_) {  // Else when the cancelled read has come back.
    reader_.drop();
    scrap_ = Block{};
  }
  output_.drop(!writing_);
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::finish_close() {
  if (closed_) {
    return;
  }
  closing_ = true;
  timer_.release();
  transport_.release();
  if constexpr (CarriesAncillary<T>) {
    if (ancillary_ != nullptr) {
      ancillary_->drop();  // A Peer may keep the connection for longer.
    }
  }
  closed_ = true;
  visitors_.wait_until_gone();
  this->tell_end();
  this->wake_waiters();
  on_closed();
}

}  // namespace cowire
