// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/error.hpp"

#include <bit>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace cowire {

/// What a serializer says of the bytes received so far. There are three answers:
///
///     less than a packet   need_more(total)         "I need `total` bytes in all" (0: unknown)
///     a packet             packet(value, consumed)  "it took the first `consumed` bytes"
///     not a packet         bad(error, consumed)     "skip `consumed` bytes, then go on"
///
/// The connection drops the consumed bytes and asks again with the rest. `consumed` of a bad frame
/// may exceed the bytes there are: the rest is dropped as it arrives, without being buffered.
/// `need_more` may consume too: bytes that are known to be of no use, as in an overlong line.
/// `padding` is a `need_more` that has seen no beginning of a packet: the connection is idle.
template <class T>
class [[nodiscard]] Decoded {
 public:
  /// Less than a packet.
  static Decoded need_more(std::size_t total = 0, std::size_t consumed = 0) {
    return {std::in_place_index<0>, consumed, total};
  }
  /// Nothing of a packet: `consumed` bytes that mean nothing between packets, as white space.
  static Decoded padding(std::size_t consumed) {
    Decoded answer = need_more(0, consumed);
    answer.padding_ = true;
    return answer;
  }
  /// A packet, made of the first `consumed` bytes.
  static Decoded packet(T value, std::size_t consumed) {
    return {std::in_place_index<1>, consumed, 0, std::move(value)};
  }
  /// Not a packet; `consumed` bytes are to be skipped.
  static Decoded bad(Error error, std::uint64_t consumed) {
    return {std::in_place_index<2>, consumed, 0, std::move(error)};
  }

  bool needs_more() const noexcept { return state_.index() == 0; }
  bool has_packet() const noexcept { return state_.index() == 1; }
  bool is_bad() const noexcept { return state_.index() == 2; }
  bool is_padding() const noexcept { return padding_; }

  /// The bytes to drop from the front of the input. Never 0 for a bad frame.
  std::uint64_t consumed() const noexcept { return consumed_; }

  /// How many bytes the input must have before asking again makes sense; 0 if unknown.
  /// Counted after `consumed()` bytes were dropped. @pre needs_more()
  std::size_t total() const noexcept { return total_; }

  /// The packet. @pre has_packet()
  T& value() noexcept { return *std::get_if<1>(&state_); }

  /// Why the input is not a packet. @pre is_bad()
  const Error& error() const noexcept { return *std::get_if<2>(&state_); }

  /// The same answer with `f(packet)` as its packet, for wrappers.
  template <class F>
  auto transform(F f) && -> Decoded<std::invoke_result_t<F, T&&>> {
    using Result = Decoded<std::invoke_result_t<F, T&&>>;
    if (has_packet()) {
      return Result::packet(f(std::move(value())), static_cast<std::size_t>(consumed_));
    }
    if (is_bad()) {
      return Result::bad(error(), consumed_);
    }
    return is_padding() ? Result::padding(static_cast<std::size_t>(consumed_))
                        : Result::need_more(total_, static_cast<std::size_t>(consumed_));
  }

 private:
  // One type for each answer, even where T is an Error or a std::monostate.
  using State = std::variant<std::monostate, T, Error>;

  template <std::size_t I, class... Value>
  Decoded(std::in_place_index_t<I> which, std::uint64_t consumed, std::size_t total,
          Value&&... value)
      : state_(which, std::forward<Value>(value)...), consumed_(consumed), total_(total) {}

  State state_;
  std::uint64_t consumed_;
  std::size_t total_;
  bool padding_ = false;
};

/// The error of a packet that is over the limit; the size if it is known.
inline Error too_large(std::optional<std::uint64_t> size, std::uint64_t limit) {
  ErrorContext context;
  context.size = size;
  context.limit = limit;
  return Error(errc::too_large, std::move(context));
}

/// No position in a byte string.
inline constexpr std::size_t npos = static_cast<std::size_t>(-1);

/// The position of the first `wanted` at or after `from`, or npos.
inline std::size_t find(Bytes bytes, std::byte wanted, std::size_t from = 0) noexcept {
  if (from >= bytes.size()) {
    return npos;
  }
  const void* hit =
      std::memchr(bytes.data() + from, std::to_integer<int>(wanted), bytes.size() - from);
  return hit == nullptr
             ? npos
             : static_cast<std::size_t>(static_cast<const std::byte*>(hit) - bytes.data());
}

/// The position of the first `wanted`, a string of at least one byte, at or after `from`, or npos.
inline std::size_t find(Bytes bytes, Bytes wanted, std::size_t from = 0) noexcept {
  assert(!wanted.empty());
  return text_of(bytes).find(text_of(wanted), from);
}

/// An unsigned integer from the first `width` bytes. @pre bytes.size() >= width, width <= 8
inline std::uint64_t read_uint(Bytes bytes, std::size_t width, std::endian order) noexcept {
  assert(bytes.size() >= width && width <= 8);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const std::size_t at = order == std::endian::big ? i : width - 1 - i;
    value = value << 8U | std::to_integer<std::uint64_t>(bytes[at]);
  }
  return value;
}

/// Writes an unsigned integer into the first `width` bytes. @pre bytes.size() >= width, width <= 8
inline void write_uint(MutableBytes bytes, std::uint64_t value, std::size_t width,
                       std::endian order) noexcept {
  assert(bytes.size() >= width && width <= 8);
  for (std::size_t i = 0; i < width; ++i) {
    const std::size_t at = order == std::endian::big ? width - 1 - i : i;
    bytes[at] = static_cast<std::byte>(value & 0xffU);
    value >>= 8U;
  }
}

}  // namespace cowire
