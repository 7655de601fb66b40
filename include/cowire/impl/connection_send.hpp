// SPDX-License-Identifier: BSL-1.0
// How a connection sends and closes: bodies of cowire/connection.hpp, which includes this file.
#pragma once

#include "cowire/connection.hpp"

namespace cowire {

// Sending.

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::send(detail::packet_argument_t<sent_packet> packet) {
  if (!may_send_here()) {
    send_from_elsewhere(packet);
    return;
  }
  check_sendable();
  OutputBuffer& out = output_.gathering();
  const std::size_t before = out.size();
  try {
    context_->protocol.serialize(packet, out);
  } catch (...) {
    out.truncate(before);
    throw;
  }
  ++stats().packets_sent;
  queued_more(out.size() - before);
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::send_from_elsewhere(detail::packet_argument_t<sent_packet> packet) {
  if (closing_) {
    throw Error(errc::closed);
  }
  BlockPool pool;  // That of the connection belongs to its executor.
  OutputBuffer bytes(pool);
  context_->protocol.serialize(packet, bytes);
  constexpr std::size_t post_overhead = 64;
  const std::size_t size = bytes.size() + post_overhead;
  const std::size_t posted = posted_bytes_.fetch_add(size) + size;
  const Visit visit(*this);
  if (closed_) {
    throw Error(errc::closed);
  }
  if (posted > limits().output_limit) {  // The executor does not keep up.
    posted_bytes_ -= size;
    post([posted](Connection& self) {
      if (!self.closed_ && !self.failure_) {
        self.fail(self.output_overflow(posted));
      }
    });
    throw output_overflow(posted);
  }
  post([text = std::string(text_of(bytes.readable()))](Connection& self) {
    self.posted_bytes_ -= text.size() + post_overhead;
    if (self.closing_ || self.ending_ || self.failure_ || self.output_error_) {
      return;
    }
    self.output_.gathering().append(text);
    ++self.stats().packets_sent;
    try {
      self.queued_more(text.size());
    } catch (const Error&) {  // The queue is full: the owner is told by the end of its input.
    }
  });
}

template <Protocol P, Transport T, class C>
Error Connection<P, T, C>::output_overflow(std::size_t size) const {
  ErrorContext context;
  context.size = size;
  context.limit = limits().output_limit;
  return Error(errc::output_limit, std::move(context));
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::check_sendable() const {
  if (failure_ || closing_) {
    throw end_error();
  }
  if (output_error_) {
    throw Error(output_error_).with_peer(peer_name());
  }
  if (ending_) {
    ErrorContext context;
    context.detail = "nothing can be sent after the end of the stream was";
    throw Error(errc::closed, std::move(context)).with_peer(peer_name());
  }
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::queued_more(std::size_t n) {
  bytes_this_turn_ += n;
  if (output_.size() >= limits().output_high) {
    flush();  // Do not gather more than needed, also when the sender never waits.
    if (output_.size() > limits().output_limit) {
      fail(output_overflow(output_.size()));
      throw end_error();
    }
  } else if (!is_running_here() && !flush_scheduled_ && !output_.is_writing()) {
    flush_scheduled_ = true;
    post([](Connection& self) {
      self.flush_scheduled_ = false;
      self.flush();
      self.tell_if_flushed();
    });
  }
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::flush() {
  if (output_.is_writing() || output_.empty() || failure_ || output_error_ || closed_) {
    return;
  }
  if constexpr (WritesDirectly<T>) {
    std::error_code ec;
    const Bytes bytes = output_.gathering().readable();
    const std::size_t n = transport_->try_write_some(asio::buffer(bytes.data(), bytes.size()), ec);
    if (ec && ec != asio::error::would_block) {
      fail_output(ec);
      return;
    }
    output_.gathering().consume(n);
    stats().bytes_sent += n;
    if (output_.empty()) {
      return;
    }
  }
  output_.begin_write();
  start_write();
}

// Not inside flush(), which may be called by the owner's own code.
template <Protocol P, Transport T, class C>
void Connection<P, T, C>::tell_if_flushed() {
  if (output_.empty() && !closing_) {
    on_flushed();
  }
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::start_write() {
  send_deadline_ = after(limits().send_timeout, C::now(executor_));
  set_timer();
  writing_ = true;
  const Bytes bytes = output_.in_flight();
  transport_->async_write_some(
      asio::buffer(bytes.data(), bytes.size()),
      [self = shared_self()](std::error_code ec, std::size_t n) { self->on_written(ec, n); });
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::on_written(std::error_code ec, std::size_t n) {
  writing_ = false;
  if (released_) {
    release_buffers();
    return;
  }
  send_deadline_ = never;
  if (closed_ || failure_) {
    return;
  }
  if (ec) {
    fail_output(ec);
    return;
  }
  output_.written(n);
  stats().bytes_sent += n;
  if (output_.is_writing()) {
    start_write();
  } else {
    flush();
  }
  begin_turn();
  this->wake_waiters();
  if (closing_) {
    continue_close();
    return;
  }
  if (ending_) {
    continue_end();
  }
  if (stalled_ && output_.size() <= limits().output_low) {
    stalled_ = false;
    notify();
  }
  tell_if_flushed();
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::set_send_error(std::error_code& ec) const noexcept {
  if (failure_) {
    ec = failure_->code();
  } else if (output_error_) {
    ec = output_error_;
  } else if (closed_) {
    ec = errc::closed;
  }
}

template <Protocol P, Transport T, class C>
bool Connection<P, T, C>::may_go_on(detail::OutputLevel level, std::error_code& ec) const {
  if (level == detail::OutputLevel::empty) {
    return reached(level, ec);
  }
  set_send_error(ec);
  return output_.size() < limits().output_high && bytes_this_turn_ < limits().bytes_per_turn;
}

template <Protocol P, Transport T, class C>
bool Connection<P, T, C>::reached(detail::OutputLevel level, std::error_code& ec) const {
  set_send_error(ec);
  return level == detail::OutputLevel::empty ? output_.empty()
                                             : output_.size() <= limits().output_low;
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::on_wait() {
  flush();
  if (!output_.is_writing()) {  // All written, or failed: nothing else will wake them.
    post([](Connection& self) {
      self.begin_turn();
      self.wake_waiters();
      self.tell_if_flushed();
    });
  }
}

// Nothing can be sent any more. The peer may have said why, before it left: that is still read.
template <Protocol P, Transport T, class C>
void Connection<P, T, C>::fail_output(std::error_code ec) {
  output_error_ = ec;
  end_sent_ = true;
  output_.drop(true);
  post([](Connection& self) {
    self.wake_waiters();
    if (self.closing_) {
      self.continue_close();
    } else {
      self.notify();  // It may have waited for room in the queue.
    }
  });
}

// The connection is broken. May be called inside a handler: nothing is resumed here.
template <Protocol P, Transport T, class C>
void Connection<P, T, C>::fail(Error error) {
  failure_.emplace(std::move(error));
  transport_->abort();
  send_deadline_ = never;
  post([](Connection& self) {
    self.wake_waiters();
    if (self.closing_) {
      self.continue_close();
    } else {
      self.notify();
    }
  });
}

// Closing.

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

// Sends the end of the stream when everything before it has been written.
template <Protocol P, Transport T, class C>
void Connection<P, T, C>::continue_end() {
  if (end_sent_ || failure_ || !output_.empty()) {
    return;
  }
  end_sent_ = true;
  std::error_code ec;
  transport_->shutdown_send(ec);
  if (ec) {
    fail_output(ec);
  }
}

// Goes one step further to the end: written all, sent the end, seen the peer's end.
template <Protocol P, Transport T, class C>
void Connection<P, T, C>::continue_close() {
  if (closed_) {
    return;
  }
  // One that was only too slow may still read what was sent last: it is not cut off.
  const bool peer_ended = input_end_ && input_end_ != errc::peer_timeout;
  if (!output_.empty() && !failure_) {
    if (!reading_ && !peer_ended) {  // Else both sides might wait for the other to read.
      start_discarding();
    }
    return;
  }
  continue_end();
  if (failure_ || output_error_ || peer_ended || limits().close_timeout.count() == 0) {
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
  // read.
  if (scrap_.size() < BlockPool::block_size) {
    scrap_ = context_->pool.take(scrap_.size() == 0 ? 1 : BlockPool::block_size);
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
  closed_ = true;
  while (visitors_ != 0) {  // Other threads that are posting something, which is soon done.
    std::this_thread::yield();
  }
  this->tell_end();
  this->wake_waiters();
  on_closed();
}

}  // namespace cowire
