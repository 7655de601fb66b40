// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/clock.hpp"
#include "cowire/detail/pending_handler.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace cowire {

/// How one direction of an in-memory connection behaves. Zero means no limit.
struct MemoryOptions {
  std::size_t max_read = 0;          ///< The most bytes that one read gives.
  std::size_t max_write = 0;         ///< The most bytes that one write takes.
  std::size_t capacity = 64 * 1024;  ///< Bytes on the way; then writes wait.
  std::chrono::nanoseconds delay{};  ///< From a write until its bytes can be read.
  std::size_t fail_at = 0;           ///< The operation, counted from 1, that fails with a reset.
};

namespace detail {

// One direction of an in-memory connection: bytes go in at one end and come out at the other.
template <class C>
class MemoryPipe : public std::enable_shared_from_this<MemoryPipe<C>> {
 public:
  MemoryPipe(const asio::any_io_executor& executor, const MemoryOptions& options)
      : executor_(executor), options_(options), timer_(executor) {}

  MemoryOptions& options() noexcept { return options_; }

  template <class Handler>
  void read(asio::mutable_buffer buffer, Handler handler) {
    if (fails()) {
      reset();
    }
    reader_ = {buffer, PendingHandler<std::error_code, std::size_t>(std::move(handler), executor_)};
    serve();
  }
  template <class Handler>
  void write(asio::const_buffer buffer, Handler handler) {
    if (fails()) {
      reset();
    }
    writer_ = {buffer, PendingHandler<std::error_code, std::size_t>(std::move(handler), executor_)};
    serve();
  }
  template <class Handler>
  void wait_read(Handler handler) {
    waiter_ = PendingHandler<std::error_code>(std::move(handler), executor_);
    serve();
  }

  void end() {
    ended_ = true;
    serve();
  }
  void reset() {
    broken_ = true;
    arrivals_.clear();
    size_ = 0;
    serve();
  }

  // The reading end is gone: writes fail as they do on a socket.
  void close_reader() {
    cancel_reader();
    reader_closed_ = true;
    serve();
  }
  void cancel_reader() {
    finish(reader_, asio::error::operation_aborted, 0);
    if (waiter_) {
      waiter_.complete(asio::error::operation_aborted);
    }
  }
  void cancel_writer() { finish(writer_, asio::error::operation_aborted, 0); }

 private:
  struct Operation {
    asio::mutable_buffer into;
    asio::const_buffer from;
    PendingHandler<std::error_code, std::size_t> handler;

    Operation() = default;
    Operation(asio::mutable_buffer buffer, PendingHandler<std::error_code, std::size_t> given)
        : into(buffer), handler(std::move(given)) {}
    Operation(asio::const_buffer buffer, PendingHandler<std::error_code, std::size_t> given)
        : from(buffer), handler(std::move(given)) {}
  };
  struct Arrival {
    typename C::time_point at;
    std::string bytes;
  };

  static std::size_t capped(std::size_t n, std::size_t limit) noexcept {
    return limit == 0 ? n : std::min(n, limit);
  }

  bool fails() noexcept { return ++operations_ == options_.fail_at; }

  static void finish(Operation& operation, std::error_code ec, std::size_t n) {
    if (operation.handler) {
      std::exchange(operation.handler, {}).complete(ec, n);
    }
  }

  // Completes what can be completed.
  void serve() {
    if (writer_.handler) {
      serve_writer();
    }
    if (reader_.handler || waiter_) {
      serve_reader();
    }
  }

  void serve_writer() {
    if (broken_) {
      finish(writer_, asio::error::connection_reset, 0);
    } else if (ended_ || reader_closed_) {
      finish(writer_, asio::error::broken_pipe, 0);
    } else if (const std::size_t room = capacity() - size_; room != 0) {
      const std::size_t n = capped(std::min(writer_.from.size(), room), options_.max_write);
      arrivals_.push_back({C::now(executor_) + options_.delay,
                           std::string(static_cast<const char*>(writer_.from.data()), n)});
      size_ += n;
      finish(writer_, {}, n);
    }
  }

  void serve_reader() {
    if (broken_) {
      finish_reader(asio::error::connection_reset, 0);
    } else if (arrivals_.empty()) {
      if (ended_) {
        finish_reader(asio::error::eof, 0);
      }
    } else if (arrivals_.front().at > C::now(executor_)) {
      wait_for_arrival();
    } else if (waiter_) {
      waiter_.complete({});
    } else {
      finish_reader({}, take());
    }
  }

  void finish_reader(std::error_code ec, std::size_t n) {
    if (waiter_) {
      waiter_.complete({});
    }
    finish(reader_, ec, n);
  }

  // Copies what has arrived into the reader's buffer.
  std::size_t take() {
    const std::size_t most = capped(reader_.into.size(), options_.max_read);
    std::size_t n = 0;
    while (n < most && !arrivals_.empty() && arrivals_.front().at <= C::now(executor_)) {
      std::string& bytes = arrivals_.front().bytes;
      const std::size_t part = std::min(most - n, bytes.size());
      std::memcpy(static_cast<char*>(reader_.into.data()) + n, bytes.data(), part);
      n += part;
      bytes.erase(0, part);
      if (bytes.empty()) {
        arrivals_.pop_front();
      }
    }
    size_ -= n;
    if (writer_.handler) {
      serve_writer();
    }
    return n;
  }

  void wait_for_arrival() {
    timer_.expires_at(arrivals_.front().at);
    timer_.async_wait([weak = this->weak_from_this()](std::error_code ec) {
      if (const auto self = weak.lock(); self && !ec) {
        self->serve();
      }
    });
  }

  std::size_t capacity() const noexcept {
    return options_.capacity == 0 ? static_cast<std::size_t>(-1) : options_.capacity;
  }

  asio::any_io_executor executor_;
  MemoryOptions options_;
  typename C::template Timer<asio::any_io_executor> timer_;
  std::deque<Arrival> arrivals_;
  std::size_t size_ = 0;
  std::size_t operations_ = 0;
  bool ended_ = false;
  bool broken_ = false;
  bool reader_closed_ = false;
  Operation reader_;
  Operation writer_;
  PendingHandler<std::error_code> waiter_;
};

}  // namespace detail

}  // namespace cowire
