// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/error.hpp"

#include <optional>
#include <utility>
#include <variant>

namespace cowire {

/// A value, or the Error that stands in its place.
///
/// What `co_yield as_result` gives a handler, so that it can answer a bad request: C++ forbids
/// `co_await` in a catch block.
///
///     auto request = co_yield as_result;
///     if (!request) {
///       client.send_packet(std::string("bad request: ") + request.error().what());
///       co_return;
///     }
///     client.send_packet(*request);
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value. @pre has_value()
  T& operator*() & noexcept { return *std::get_if<0>(&state_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() noexcept { return std::get_if<0>(&state_); }
  const T* operator->() const noexcept { return std::get_if<0>(&state_); }

  /// The value. @throws Error The error, if there is no value.
  T& value() & {
    check();
    return **this;
  }
  const T& value() const& {
    check();
    return **this;
  }
  T value() && {
    check();
    return *std::move(*this);
  }

  /// The error. @pre !has_value()
  const Error& error() const noexcept { return *std::get_if<1>(&state_); }

 private:
  void check() const {
    if (!has_value()) {
      throw error();
    }
  }

  std::variant<T, Error> state_;
};

namespace detail {

// Where a received packet, or the error in its place, is put for the one who waits for it.
template <class Packet>
struct PacketSlot {
  std::optional<Packet> packet;
  std::optional<Error> error;
};

}  // namespace detail

}  // namespace cowire
