// SPDX-License-Identifier: BSL-1.0
// How a connection sends and closes: bodies of cowire/connection.hpp, which includes this file.
#pragma once

#include "cowire/connection.hpp"

namespace cowire {

template <Protocol P, Transport T, class C>
template <class F>
void Connection<P, T, C>::run_here(F f) {
  if (!is_running_here()) {
    const Visit visit(visitors_);
    if (closed_) {
      return;
    }
    if (!detail::runs_here(executor_)) {
      post(f);
      return;
    }
  }
  f(*this);
}

// Sending.

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::send(detail::packet_argument_t<sent_packet> packet) {
  if (!may_send_here()) {
    detail::NoAncillary none;
    send_from_elsewhere(packet, none);
    return;
  }
  check_sendable();
  const std::size_t size = gather(packet);
  ++stats().packets_sent;
  queued_more(size);
}

// Appends the bytes of a packet to the queue; how many.
template <Protocol P, Transport T, class C>
std::size_t Connection<P, T, C>::gather(detail::packet_argument_t<sent_packet> packet) {
  OutputBuffer& out = output_.gathering();
  const std::size_t before = out.size();
  try {
    context_->protocol.serialize(packet, out);
  } catch (...) {
    out.truncate(before);
    throw;
  }
  return out.size() - before;
}

template <Protocol P, Transport T, class C>
template <class A>
void Connection<P, T, C>::send_from_elsewhere(detail::packet_argument_t<sent_packet> packet,
                                              A& ancillary) {
  if (closing_) {
    throw Error(errc::closed);
  }
  BlockPool pool;  // That of the connection belongs to its executor.
  OutputBuffer bytes(pool);
  context_->protocol.serialize(packet, bytes);
  constexpr std::size_t post_overhead = 64;
  detail::require_sendable(ancillary, bytes.size());
  const std::size_t size = bytes.size() + post_overhead + detail::output_weight(ancillary);
  const std::size_t posted = posted_bytes_.fetch_add(size) + size;
  const Visit visit(visitors_);
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
  post([text = std::string(text_of(bytes.readable())), size,
        with = std::move(ancillary)](Connection& self) mutable {
    self.posted_bytes_ -= size;
    if (self.closing_ || self.ending_ || self.failure_ || self.output_error_) {
      return;
    }
    self.attach(self.output_.size(), text.size(), with);
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
  if (output_load() >= limits().output_high) {
    flush();  // Do not gather more than needed, also when the sender never waits.
    if (output_load() > limits().output_limit) {
      fail(output_overflow(output_load()));
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
  if (output_.is_writing() || output_.empty() || failure_ || output_error_ || closed_ ||
      starting_tls_) {
    return;
  }
  if constexpr (WritesDirectly<T>) {
    std::error_code ec;
    const std::size_t n = write_directly(output_.gathering().readable(), ec);
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
  if constexpr (CarriesAncillary<T>) {
    if (has_ancillary_output()) {
      start_carrying_write();
      return;
    }
  }
  const Bytes bytes = output_.in_flight();
  transport_->async_write_some(
      asio::buffer(bytes.data(), bytes.size()),
      [self = shared_self()](std::error_code ec, std::size_t n) {
        if constexpr (CarriesAncillary<T>) {
          if (self->ancillary_ != nullptr) {  // Some may have been queued behind these bytes.
            self->ancillary_->sent(n);
          }
        }
        self->on_written(ec, n);
      });
}

// A write has come back. False if nothing more is to be done.
template <Protocol P, Transport T, class C>
bool Connection<P, T, C>::write_ended(std::error_code ec) {
  writing_ = false;
  if (released_) {
    release_buffers();
    return false;
  }
  send_deadline_ = never;
  if (closed_ || failure_) {
    return false;
  }
  if (ec) {
    fail_output(ec);
  }
  return !ec;
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::on_written(std::error_code ec, std::size_t n) {
  if (!write_ended(ec)) {
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
  if (stalled_ && output_load() <= limits().output_low) {
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
  return output_load() < limits().output_high && bytes_this_turn_ < limits().bytes_per_turn;
}

template <Protocol P, Transport T, class C>
bool Connection<P, T, C>::reached(detail::OutputLevel level, std::error_code& ec) const {
  set_send_error(ec);
  return level == detail::OutputLevel::empty ? output_.empty()
                                             : output_load() <= limits().output_low;
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
  end_sent_ = end_sent_ || !transport_has_failed();
  output_.drop(true);
  drop_ancillary_output();
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
  drop_ancillary_output();
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

}  // namespace cowire
