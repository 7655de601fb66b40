// SPDX-License-Identifier: BSL-1.0
// A server's client for tests: raw bytes over any transport.
#pragma once

#include "support/any_transport.hpp"

#include <asio/error.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

/// The client's side of a connection, bytes only: remembers what it hears.
class Guest {
 public:
  explicit Guest(AnyTransport transport) : state_(std::make_shared<State>(std::move(transport))) {}

  /// Reads from now on.
  Guest& listen() {
    if (!state_->reading) {
      read(state_);
    }
    return *this;
  }

  void say(std::string_view bytes) {
    state_->to_write += bytes;
    write_on(state_);
  }

  /// Ends the output, after everything was said, and goes on hearing.
  void half_close() {
    state_->ending = true;
    write_on(state_);
  }
  void close() { state_->transport.close(); }
  void reset() { state_->transport.abort(); }

  const std::string& heard() const { return state_->heard; }
  /// Whether it has heard that, from `first` on.
  bool has_heard(std::string_view text, std::size_t first = 0) const {
    return state_->heard.find(text, first) != std::string::npos;
  }
  std::size_t unsaid() const { return state_->to_write.size() - state_->written; }

  /// Whether the server's end was seen, be it a reset.
  bool has_ended() const { return state_->ended.has_value(); }
  std::error_code ended() const { return state_->ended.value_or(std::error_code()); }
  bool ended_cleanly() const { return state_->ended == asio::error::eof; }

 private:
  struct State {
    explicit State(AnyTransport given) : transport(std::move(given)) {}
    AnyTransport transport;
    std::string heard;
    std::string to_write;
    std::size_t written = 0;
    char buffer[16 * 1024] = {};
    bool reading = false;
    bool writing = false;
    bool ending = false;
    std::optional<std::error_code> ended;
  };

  static void read(const std::shared_ptr<State>& state);
  static void write_on(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};
