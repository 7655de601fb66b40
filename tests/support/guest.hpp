// SPDX-License-Identifier: BSL-1.0
// A server's client for tests: raw bytes over any transport.
#pragma once

#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

/// The client's end of a connection, without the type of its transport.
class Wire {
 public:
  using Done = std::function<void(std::error_code, std::size_t)>;

  virtual ~Wire() = default;
  virtual void read(asio::mutable_buffer into, Done done) = 0;
  virtual void write(asio::const_buffer from, Done done) = 0;
  virtual void end_output() = 0;
  virtual void close() = 0;
  virtual void abort() = 0;
};

template <class T>
class WireOf final : public Wire {
 public:
  explicit WireOf(T transport) : transport_(std::move(transport)) {}

  void read(asio::mutable_buffer into, Done done) override {
    transport_.async_read_some(into, std::move(done));
  }
  void write(asio::const_buffer from, Done done) override {
    transport_.async_write_some(from, std::move(done));
  }
  void end_output() override {
    std::error_code ignored;
    transport_.shutdown_send(ignored);
  }
  void close() override { transport_.close(); }
  void abort() override { transport_.abort(); }

 private:
  T transport_;
};

template <class T>
std::unique_ptr<Wire> wire_of(T transport) {
  return std::make_unique<WireOf<T>>(std::move(transport));
}

/// The client's side of a connection, bytes only: remembers what it hears.
class Guest {
 public:
  explicit Guest(std::unique_ptr<Wire> wire) : state_(std::make_shared<State>(std::move(wire))) {}

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
  void close() { state_->wire->close(); }
  void reset() { state_->wire->abort(); }

  const std::string& heard() const { return state_->heard; }
  bool has_heard(std::string_view text) const {
    return state_->heard.find(text) != std::string::npos;
  }
  std::size_t unsaid() const { return state_->to_write.size() - state_->written; }

  /// Whether the server's end was seen, be it a reset.
  bool has_ended() const { return state_->ended.has_value(); }
  std::error_code ended() const { return state_->ended.value_or(std::error_code()); }
  bool ended_cleanly() const { return state_->ended == asio::error::eof; }

 private:
  struct State {
    explicit State(std::unique_ptr<Wire> given) : wire(std::move(given)) {}
    std::unique_ptr<Wire> wire;
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
