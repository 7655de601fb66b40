// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/tls_stream.hpp"

#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

namespace cowire::detail {

// The handshake of both sides: completes with (ec).
template <class Stream, class Handler>
class TlsHandshake : public TlsOperation<Stream, Handler> {
  using Step = TlsEngine::Step;

 public:
  using TlsOperation<Stream, Handler>::TlsOperation;

  void begin() { go(true); }

  void operator()(std::error_code ec, std::size_t n) {
    if (std::exchange(is_sending_, false)) {
      this->stream_->sent(n);
    } else {
      this->stream_->received(ec, n);
    }
    if (ec && ec != asio::error::eof) {
      this->finish(false, ec);
    } else {
      go(false);
    }
  }

 private:
  void go(bool is_begin) {
    Step step = Step::wants_output;
    while (step == Step::wants_output) {
      step = this->stream_->engine().handshake();
      std::error_code ec;
      const bool all_sent = this->stream_->send_directly(ec);
      if (ec && step != Step::failed) {
        this->finish(is_begin, ec);
        return;
      }
      if (!all_sent && !ec) {
        if (this->is_cancelled()) {
          this->finish(is_begin, std::error_code(asio::error::operation_aborted));
          return;
        }
        is_sending_ = true;
        const auto stream = this->stream_;
        stream->send(std::move(*this));  // And then the engine is asked again.
        return;
      }
    }
    if (step == Step::done || step == Step::failed) {
      this->finish(is_begin, step == Step::done ? std::error_code() : this->stream_->failure());
    } else if (this->is_cancelled()) {
      this->finish(is_begin, std::error_code(asio::error::operation_aborted));
    } else {
      this->fetch(std::move(*this));
    }
  }

  bool is_sending_ = false;
};

// Reads plain text: completes with (ec, size). After a failure, which a read or the handshake has
// told, it throws away what comes until the peer's end.
template <class Stream, class Handler>
class TlsRead : public TlsOperation<Stream, Handler> {
 public:
  TlsRead(std::shared_ptr<Stream> stream, Handler handler, asio::mutable_buffer into)
      : TlsOperation<Stream, Handler>(std::move(stream), std::move(handler)), into_(into) {}

  void begin() { go(true); }

  // What the engine had to say first has been sent.
  void operator()() { go(false); }

  void operator()(std::error_code ec, std::size_t n) {
    if (!is_discarding_) {
      this->stream_->received(ec, n);
    }
    if (ec == asio::error::operation_aborted || (ec && is_discarding_)) {
      this->finish(false, ec, std::size_t{0});
    } else {
      go(false);
    }
  }

 private:
  void go(bool is_begin) {
    const auto stream = this->stream_;
    std::error_code ec;
    std::size_t n = 0;
    is_discarding_ = stream->failure_is_known();
    const MutableBytes into(static_cast<std::byte*>(into_.data()), into_.size());
    auto step = TlsEngine::Step::wants_input;
    if (into.empty()) {
      step = TlsEngine::Step::done;
    } else if (!is_discarding_) {
      step = stream->read(into, n, ec);
    } else if (stream->input_has_ended()) {
      step = TlsEngine::Step::done;
      ec = asio::error::eof;
    }
    if (step == TlsEngine::Step::done) {
      this->finish(is_begin, ec, n);
    } else if (this->is_cancelled()) {
      this->finish(is_begin, std::error_code(asio::error::operation_aborted), n);
    } else if (step == TlsEngine::Step::wants_output) {
      stream->wait_for_output_room(std::move(*this));
    } else if (is_discarding_) {
      stream->next().async_read_some(into_, std::move(*this));
    } else {
      this->fetch(std::move(*this));
    }
  }

  asio::mutable_buffer into_;
  bool is_discarding_ = false;
};

// Encrypts a part of the plain text and sends it: completes with (ec, size).
template <class Stream, class Handler>
class TlsWrite : public TlsOperation<Stream, Handler> {
 public:
  TlsWrite(std::shared_ptr<Stream> stream, Handler handler, asio::const_buffer from)
      : TlsOperation<Stream, Handler>(std::move(stream), std::move(handler)), from_(from) {}

  void begin() { go(true); }

  // What was being sent by others has been sent.
  void operator()() { go(false); }

  void operator()(std::error_code ec, std::size_t n) {
    this->stream_->sent(n);
    if (ec) {
      this->finish(false, ec, std::size_t{0});
    } else {
      go(false);
    }
  }

 private:
  void go(bool is_begin) {
    const auto stream = this->stream_;
    const Bytes from(static_cast<const std::byte*>(from_.data()), from_.size());
    std::error_code ec;
    if (from.empty()) {
      this->finish(is_begin, ec, std::size_t{0});
      return;
    }
    for (;;) {
      if (stream->encrypted == 0 && !stream->encrypt(from, ec)) {
        this->finish(is_begin, ec, std::size_t{0});
        return;
      }
      if (!stream->send_directly(ec)) {
        break;
      }
      if (stream->encrypted != 0) {
        this->finish(is_begin, ec, std::exchange(stream->encrypted, 0));
        return;
      }
    }
    if (ec) {
      this->finish(is_begin, ec, std::size_t{0});
    } else if (this->is_cancelled()) {
      this->finish(is_begin, std::error_code(asio::error::operation_aborted), std::size_t{0});
    } else if (stream->is_sending()) {
      stream->wait_until_sent(std::move(*this));
    } else {
      stream->send(std::move(*this));
    }
  }

  asio::const_buffer from_;
};

// Sends what the engine has to say, the end of the stream or an alert: completes with (ec).
template <class Stream, class Handler>
class TlsPush : public TlsOperation<Stream, Handler> {
 public:
  using TlsOperation<Stream, Handler>::TlsOperation;

  void begin() { go(true); }

  // What was being sent by others has been sent.
  void operator()() { go(false); }

  void operator()(std::error_code ec, std::size_t n) {
    this->stream_->sent(n);
    if (ec) {
      this->finish(false, ec);
    } else {
      go(false);
    }
  }

 private:
  void go(bool is_begin) {
    const auto stream = this->stream_;
    std::error_code ec;
    if (stream->send_directly(ec) || ec) {
      if (stream->engine().error() && !ec) {
        stream->next().shutdown_send(ec);  // The alert was the last.
      }
      this->finish(is_begin, ec);
    } else if (this->is_cancelled()) {
      this->finish(is_begin, std::error_code(asio::error::operation_aborted));
    } else if (stream->is_sending()) {
      stream->wait_until_sent(std::move(*this));
    } else {
      stream->send(std::move(*this));
    }
  }
};

}  // namespace cowire::detail
