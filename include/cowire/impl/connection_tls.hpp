// SPDX-License-Identifier: BSL-1.0
// The handshakes of a connection, at its begin and later: bodies of cowire/connection.hpp, which
// includes this file.
#pragma once

#include "cowire/connection.hpp"

#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace cowire {

template <Protocol P, Transport T, class C>
template <class Done>
void Connection<P, T, C>::start_handshake(Done done) {
  handshake_deadline_ = after(limits().handshake_timeout, C::now(executor_));
  set_timer();
  transport_->async_handshake([self = shared_self(), done](std::error_code ec) {
    if (!self->closed_) {
      self->handshake_deadline_ = never;
      done(self->handshake_failure(ec));
    }
  });
}

// Why a handshake that has ended so failed, if it did.
template <Protocol P, Transport T, class C>
std::optional<Error> Connection<P, T, C>::handshake_failure(std::error_code ec) {
  if (handshake_too_late_) {
    ErrorContext context;
    context.detail = "the TLS handshake was not finished within the time limit";
    context.time_limit = limits().handshake_timeout;
    context.peer = peer_name();
    return Error(errc::peer_timeout, std::move(context));
  }
  if (!ec) {
    return std::nullopt;
  }
  return ec == condition::disconnected ? Error(ec).with_peer(peer_name())
                                       : transport_->handshake_error(ec);
}

// TLS later.

template <Protocol P, Transport T, class C>
Task<void> Connection<P, T, C>::start_tls() {
  const auto self = shared_self();
  if constexpr (!StartsTls<T>) {
    throw Error(
        errc::invalid_argument,
        "this connection cannot start TLS: it needs a StartTlsListener, or a StartTlsConnector");
  } else {
    check_sendable();
    if (transport_->has_started_tls()) {
      throw Error(errc::invalid_argument, "TLS was started already");
    }
    if (starting_tls_ || waiting_) {
      throw Error(errc::busy);
    }
    while (has_unsent()) {  // What was said before goes as it was said.
      co_await SendOperation(*this, detail::OutputLevel::empty)(asio::use_awaitable);
    }
    starting_tls_ = true;
    std::exception_ptr failed;
    try {
      co_await hold_for_tls();
    } catch (...) {
      failed = std::current_exception();
    }
    starting_tls_ = false;
    if (failed) {
      std::rethrow_exception(failed);
    }
    flush();
  }
}

// Stops reading, and makes the handshake.
template <Protocol P, Transport T, class C>
Task<void> Connection<P, T, C>::hold_for_tls() {
  if (reading_) {  // Of a wait that was given up.
    releasing_ = !reading_nothing_;
    transport_->cancel();
    while (reading_) {
      co_await asio::post(executor_, asio::use_awaitable);
    }
  }
  check_sendable();
  if (const auto injected = plain_text_left()) {
    abort_here();
    throw Error(*injected);
  }
  handshake_deadline_ = after(limits().handshake_timeout, C::now(executor_));
  set_timer();
  std::error_code ec;
  co_await transport_->async_start_tls(asio::redirect_error(asio::use_awaitable, ec));
  handshake_deadline_ = never;
  if (closed_) {
    throw end_error();
  }
  if (ec == asio::error::operation_aborted && !handshake_too_late_) {
    abort_here();
    throw std::system_error(ec);
  }
  if (const auto failure = handshake_failure(ec)) {
    output_.drop(true);  // It was meant for TLS.
    if (failure->code() == errc::handshake_failed) {
      close_here();  // The peer may hear why.
    } else {
      abort_here();
    }
    throw Error(*failure);
  }
}

// What came behind the request for TLS would be taken for a part of what is said under TLS: by
// that an attacker between the two speaks for the peer (CVE-2011-0411).
template <Protocol P, Transport T, class C>
std::optional<Error> Connection<P, T, C>::plain_text_left() const {
  if (reader_.pending().empty() && !reader_.mid_packet()) {
    return std::nullopt;
  }
  ErrorContext context;
  context.detail = "the peer sent plain text behind what started TLS";
  context.size = reader_.pending().size();
  return Error(errc::malformed, std::move(context)).with_peer(peer_name(), reader_.pending());
}

}  // namespace cowire
