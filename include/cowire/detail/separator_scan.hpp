// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cowire::detail {

/// What is remembered of a stream whose packets end with a separator.
struct ScanState {
  std::size_t scanned = 0;  ///< No separator starts in this many of the first bytes.
  bool discarding = false;  ///< The packet under way was too large: skip to its separator.
};

/// Cuts a stream at separators: what LineSerializer and Separated have in common.
///
///     payload | separator | payload | separator | ...
///
/// A payload over the limit is one error, however it arrives; its bytes are dropped as they come,
/// up to and including its separator.
class SeparatorScan {
 public:
  static constexpr std::size_t longest = 16;

  /// With `drops_cr` a `\r` before the separator belongs to the separator.
  /// @throws Error invalid_argument unless the separator has 1 to 16 bytes.
  SeparatorScan(std::string_view separator, std::size_t limit, bool drops_cr = false)
      : limit_(limit), size_(separator.size()), drops_cr_(drops_cr) {
    if (separator.empty() || separator.size() > longest) {
      ErrorContext context;
      context.detail = "a separator must have 1 to 16 bytes";
      context.size = separator.size();
      throw Error(errc::invalid_argument, std::move(context));
    }
    std::ranges::copy(bytes_of(separator), separator_.begin());
  }

  Bytes separator() const noexcept { return {separator_.data(), size_}; }
  std::size_t limit() const noexcept { return limit_; }
  bool drops_cr() const noexcept { return drops_cr_; }

  /// The most bytes that a packet and its separator have.
  std::size_t frame_limit() const noexcept {
    const std::size_t room = size_ + (drops_cr_ ? 1 : 0);
    return limit_ + std::min(room, std::numeric_limits<std::size_t>::max() - limit_);
  }

  /// The position of the first separator at or after `from`, or npos.
  std::size_t find(Bytes bytes, std::size_t from = 0) const noexcept {
    return size_ == 1 ? cowire::find(bytes, separator_[0], from)
                      : cowire::find(bytes, separator(), from);
  }

  /// StreamSerializer's `decode`; `make` turns a payload into a packet or throws Error.
  template <class Packet, class Make>
  Decoded<Packet> decode(Bytes bytes, ScanState& state, const Make& make) const {
    std::size_t begin = 0;
    std::size_t end = find(bytes, state.scanned);
    if (state.discarding) [[unlikely]] {
      if (end == npos) {
        return Decoded<Packet>::need_more(0, bytes.size() - unfinished(bytes));
      }
      begin = end + size_;
      end = find(bytes, begin);
      state = {};
    }
    if (end == npos) {
      const Bytes rest = bytes.subspan(begin);
      if (rest.size() >= frame_limit()) [[unlikely]] {
        state = {0, true};
        return Decoded<Packet>::bad(too_large(rest.size()), bytes.size() - unfinished(rest));
      }
      state.scanned = rest.size() - std::min(rest.size(), size_ - 1);
      return Decoded<Packet>::need_more(0, begin);
    }
    state = {};
    return finish<Packet>(bytes.subspan(begin, end - begin), end + size_, make);
  }

  /// StreamSerializer's `decode_end`; with `deliver` the unfinished payload counts as a packet.
  template <class Packet, class Make>
  Decoded<Packet> decode_end(Bytes bytes, ScanState& state, bool deliver, const Make& make) const {
    const bool discarding = std::exchange(state, ScanState{}).discarding;
    if (bytes.empty() && !discarding) {
      return Decoded<Packet>::need_more();
    }
    if (discarding || !deliver) {
      ErrorContext context;
      context.detail = "the stream ended before the separator of a packet";
      context.size = bytes.size();
      return Decoded<Packet>::bad(Error(errc::truncated, std::move(context)), bytes.size());
    }
    return finish<Packet>(bytes, bytes.size(), make);
  }

 private:
  template <class Packet, class Make>
  Decoded<Packet> finish(Bytes payload, std::size_t consumed, const Make& make) const {
    if (drops_cr_ && !payload.empty() && payload.back() == std::byte{'\r'}) {
      payload = payload.first(payload.size() - 1);
    }
    if (payload.size() > limit_) [[unlikely]] {
      ErrorContext context;
      context.size = payload.size();
      context.limit = limit_;
      return Decoded<Packet>::bad(Error(errc::too_large, std::move(context)), consumed);
    }
    try {
      return Decoded<Packet>::packet(make(payload), consumed);
    } catch (const Error& error) {
      return Decoded<Packet>::bad(error, consumed);
    }
  }

  /// How many of the last bytes may be the beginning of a separator.
  std::size_t unfinished(Bytes bytes) const noexcept {
    std::size_t n = std::min(bytes.size(), size_ - 1);
    while (n != 0 && !std::ranges::equal(bytes.last(n), separator().first(n))) {
      --n;
    }
    return n;
  }

  Error too_large(std::size_t seen) const {
    ErrorContext context;
    context.detail = "no separator in " + std::to_string(seen) + " bytes";
    context.limit = limit_;
    return Error(errc::too_large, std::move(context));
  }

  std::array<std::byte, longest> separator_{};
  std::size_t limit_;
  std::size_t size_;
  bool drops_cr_;
};

}  // namespace cowire::detail
