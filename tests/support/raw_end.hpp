// SPDX-License-Identifier: BSL-1.0
// The other end of a connection under test: bytes in and out, nothing else.
#pragma once

#include "cowire/transport.hpp"

#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

/// Writes what it is told to, and remembers what it reads, from read_on() on.
template <cowire::Transport T>
class RawEnd {
 public:
  explicit RawEnd(T transport) : state_(std::make_shared<State>(std::move(transport))) {}

  /// Reads all that comes, until the end.
  RawEnd& read_on() {
    if (!std::exchange(state_->reading, true)) {
      read(state_);
    }
    return *this;
  }
  void write(const std::string& bytes) {
    state_->to_write += bytes;
    if (!state_->writing) {
      write_on(state_);
    }
  }
  /// Nothing more will be written; all of it must have been, by now.
  void finish() {
    std::error_code ignored;
    state_->transport.shutdown_send(ignored);
  }
  void close() { state_->transport.close(); }
  void reset() { state_->transport.abort(); }

  const std::string& heard() const { return state_->heard; }

  /// How many reads it took.
  std::size_t reads() const { return state_->reads; }

  /// What ended the reading: asio::error::eof, or something worse.
  std::optional<std::error_code> ended() const { return state_->ended; }
  bool has_seen_end() const { return state_->ended == asio::error::eof; }

  T& transport() { return state_->transport; }

 private:
  struct State {
    explicit State(T given) : transport(std::move(given)) {}
    T transport;
    std::string heard;
    std::string to_write;
    std::string in_flight;
    std::array<char, 65536> buffer{};
    std::size_t reads = 0;
    bool reading = false;
    bool writing = false;
    std::optional<std::error_code> ended;
  };

  static void read(const std::shared_ptr<State>& state) {
    state->transport.async_read_some(
        asio::buffer(state->buffer),
        [weak = std::weak_ptr(state)](std::error_code ec, std::size_t n) {
          if (const auto self = weak.lock()) {
            self->heard.append(self->buffer.data(), n);
            ++self->reads;
            if (ec) {
              self->ended = ec;
            } else {
              read(self);
            }
          }
        });
  }
  static void write_on(const std::shared_ptr<State>& state) {
    state->writing = true;
    state->in_flight += std::exchange(state->to_write, {});
    state->transport.async_write_some(
        asio::buffer(state->in_flight),
        [weak = std::weak_ptr(state)](std::error_code ec, std::size_t n) {
          if (const auto self = weak.lock()) {
            self->writing = false;
            self->in_flight.erase(0, n);
            if (!ec && self->in_flight.size() + self->to_write.size() != 0) {
              write_on(self);
            }
          }
        });
  }

  std::shared_ptr<State> state_;
};
