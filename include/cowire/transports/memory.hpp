// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/clock.hpp"
#include "cowire/detail/event.hpp"
#include "cowire/detail/memory_pipe.hpp"
#include "cowire/task.hpp"
#include "cowire/transport.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace cowire {

/// One end of a connection inside the process. A Transport for tests: bytes are read in the pieces,
/// at the times and up to the failure that the test chooses.
///
/// Both ends belong to one executor that runs one piece of work at a time.
template <class C = SteadyClock>
class BasicMemoryTransport {
 public:
  using executor_type = asio::any_io_executor;

  /// Two connected ends. The options are those of the bytes that each end writes.
  static std::pair<BasicMemoryTransport, BasicMemoryTransport> pair(
      const asio::any_io_executor& executor, const MemoryOptions& first = {},
      const MemoryOptions& second = {}) {
    auto a = std::make_shared<Pipe>(executor, first);
    auto b = std::make_shared<Pipe>(executor, second);
    return {BasicMemoryTransport(executor, b, a, "memory-a"),
            BasicMemoryTransport(executor, a, b, "memory-b")};
  }

  BasicMemoryTransport(BasicMemoryTransport&&) noexcept = default;
  BasicMemoryTransport& operator=(BasicMemoryTransport&&) noexcept = default;
  ~BasicMemoryTransport() { close(); }

  executor_type get_executor() const { return executor_; }

  template <class Token>
  auto async_read_some(asio::mutable_buffer buffer, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
        [](auto handler, Pipe* pipe, asio::mutable_buffer into) {
          pipe->read(into, std::move(handler));
        },
        token, in_.get(), buffer);
  }
  template <class Token>
  auto async_write_some(asio::const_buffer buffer, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
        [](auto handler, Pipe* pipe, asio::const_buffer from) {
          pipe->write(from, std::move(handler));
        },
        token, out_.get(), buffer);
  }
  template <class Token>
  auto async_wait_read(Token&& token) {
    return asio::async_initiate<Token, void(std::error_code)>(
        [](auto handler, Pipe* pipe) { pipe->wait_read(std::move(handler)); }, token, in_.get());
  }

  void cancel() {
    in_->cancel_reader();
    out_->cancel_writer();
  }
  void shutdown_send(std::error_code& ec) {
    ec = {};
    out_->end();
  }
  void close() {
    if (in_ != nullptr) {
      out_->end();
      out_->cancel_writer();
      in_->close_reader();
    }
  }
  void abort() {
    out_->cancel_writer();
    in_->cancel_reader();
    out_->reset();
    in_->reset();
  }

  Endpoint local_endpoint() const { return {name_, 0}; }
  Endpoint remote_endpoint() const { return {name_ == "memory-a" ? "memory-b" : "memory-a", 0}; }
  int native_handle() const noexcept { return -1; }
  void apply(const SocketOptions&) const noexcept {}

  /// The behaviour of the bytes that this end writes, to be changed at any time.
  MemoryOptions& output_options() noexcept { return out_->options(); }

 private:
  using Pipe = detail::MemoryPipe<C>;

  BasicMemoryTransport(asio::any_io_executor executor, std::shared_ptr<Pipe> in,
                       std::shared_ptr<Pipe> out, std::string name)
      : executor_(std::move(executor)),
        in_(std::move(in)),
        out_(std::move(out)),
        name_(std::move(name)) {}

  asio::any_io_executor executor_;
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  std::string name_;
};

using MemoryTransport = BasicMemoryTransport<>;

/// A listener inside the process. A Listener, and a handle: copies stand for the same listener, so
/// that a test keeps one to connect with, and gives one to the server.
template <class C = SteadyClock>
class BasicMemoryListener {
 public:
  using transport_type = BasicMemoryTransport<C>;

  explicit BasicMemoryListener(const asio::any_io_executor& executor)
      : state_(std::make_shared<State>(executor)) {}

  asio::any_io_executor get_executor() const { return state_->executor; }

  /// Connects: returns the client's end. The server's end waits to be accepted.
  /// @throws std::system_error connection_refused if the listener is closed.
  transport_type connect(const MemoryOptions& from_client = {},
                         const MemoryOptions& from_server = {}) {
    if (!state_->open) {
      throw std::system_error(make_error_code(std::errc::connection_refused));
    }
    auto ends = transport_type::pair(state_->executor, from_client, from_server);
    state_->waiting.push_back(std::move(ends.second));
    state_->changed.notify();
    return std::move(ends.first);
  }

  /// Lets the next accept fail, as a socket's does when descriptors run out.
  void fail_next(std::error_code ec) {
    state_->failures.push_back(ec);
    state_->changed.notify();
  }

  /// The next connection. @throws std::system_error @cancellation Total.
  Task<transport_type> accept() {
    auto state = state_;
    const std::size_t cancels = state->cancels;
    while (state->open && state->failures.empty() && state->waiting.empty()) {
      co_await state->changed.wait();
      if (state->cancels != cancels) {
        break;
      }
    }
    if (!state->open || state->cancels != cancels) {
      throw std::system_error(asio::error::operation_aborted);
    }
    if (!state->failures.empty()) {
      const std::error_code ec = state->failures.front();
      state->failures.pop_front();
      throw std::system_error(ec);
    }
    transport_type transport = std::move(state->waiting.front());
    state->waiting.pop_front();
    co_return transport;
  }

  bool is_open() const noexcept { return state_->open; }
  void cancel() {
    ++state_->cancels;
    state_->changed.notify();
  }
  void close() {
    state_->open = false;
    state_->waiting.clear();
    cancel();
  }
  Endpoint local_endpoint() const { return {"memory", 0}; }
  int native_handle() const noexcept { return -1; }

 private:
  struct State {
    explicit State(const asio::any_io_executor& given) : executor(given), changed(given) {}

    asio::any_io_executor executor;
    std::deque<transport_type> waiting;
    std::deque<std::error_code> failures;
    detail::Event changed;    // Somebody waits, an accept is to fail, or the listener closed.
    std::size_t cancels = 0;  // An accept that began before one of them ends.
    bool open = true;
  };

  std::shared_ptr<State> state_;
};

using MemoryListener = BasicMemoryListener<>;

}  // namespace cowire
