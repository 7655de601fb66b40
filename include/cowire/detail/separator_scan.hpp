// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/detail/separator_set.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cowire::detail {

/// Cuts a stream at separators: what LineSerializer and Separated have in common.
///
///     payload | separator | payload | separator | ...
///
/// A payload over the limit is one error, however it arrives; its bytes are dropped as they come,
/// up to and including its separator.
///
/// One short separator is found by memchr and memcmp; several, and long ones, by a SeparatorSet.
class SeparatorScan {
 public:
  /// With `drops_cr` a `\r` before the separator belongs to the separator. The alternatives end
  /// received packets, too.
  /// @throws Error invalid_argument if a separator is empty.
  SeparatorScan(std::string_view separator, std::size_t limit, bool drops_cr = false,
                const std::vector<std::string_view>& alternatives = {})
      : limit_(limit), size_(separator.size()), drops_cr_(drops_cr) {
    std::vector<std::string_view> all{separator};
    all.insert(all.end(), alternatives.begin(), alternatives.end());
    if (std::ranges::any_of(all, &std::string_view::empty)) {
      throw Error(errc::invalid_argument, "a separator must have at least 1 byte");
    }
    if (all.size() == 1 && size_ <= separator_.size()) {
      std::ranges::copy(bytes_of(separator), separator_.begin());
    } else {
      set_ = std::make_shared<const SeparatorSet>(all);
      size_ = set_->longest();
    }
  }

  /// The one that is sent.
  Bytes separator() const noexcept {
    return set_ == nullptr ? Bytes{separator_.data(), size_} : set_->sent();
  }
  std::size_t limit() const noexcept { return limit_; }
  bool drops_cr() const noexcept { return drops_cr_; }

  /// The most bytes that a packet and its separator have.
  std::size_t frame_limit() const noexcept {
    const std::size_t room = size_ + (drops_cr_ ? 1 : 0);
    return limit_ + std::min(room, std::numeric_limits<std::size_t>::max() - limit_);
  }

  /// The position at which the receiver of `frame`, a packet of `size` bytes and a separator, would
  /// end it; npos if that is where it ends.
  std::size_t ends_early(Bytes frame, std::size_t size) const noexcept {
    if (set_ == nullptr) {
      const std::size_t at = find(frame);
      return at == size ? npos : at;
    }
    if (set_->begins_like_tail(frame)) {
      return 0;
    }
    ScanState state;
    const SeparatorSet::Match match = set_->find(frame, state);
    if (match.size == 0) {
      return frame.size() - set_->begun(state);  // More bytes might make a separator of this one.
    }
    return match.begin == size ? npos : match.begin;
  }

  /// The position of the first separator in a text, or npos.
  std::size_t find_in(Bytes text) const noexcept {
    if (set_ == nullptr) {
      return find(text);
    }
    ScanState state;
    const SeparatorSet::Match match = set_->find(text, state);
    return match.size != 0 ? match.begin : state.size != 0 ? text.size() - state.back : npos;
  }

  /// StreamSerializer's `decode`; `make` turns a payload into a packet or throws Error.
  template <class Packet, class Make>
  Decoded<Packet> decode(Bytes bytes, ScanState& state, const Make& make) const {
    if (set_ != nullptr) {
      return decode_set<Packet>(bytes, state, make);
    }
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
        return Decoded<Packet>::bad(no_separator_in(rest.size()), bytes.size() - unfinished(rest));
      }
      state.scanned = rest.size() - std::min(rest.size(), size_ - 1);
      return unfinished_packet<Packet>(begin, bytes.size());
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
  Decoded<Packet> decode_set(Bytes bytes, ScanState& state, const Make& make) const {
    std::size_t begin = 0;
    for (;;) {
      if (state.in_tail) {
        begin += set_->end_tail(bytes.subspan(begin), state);
        if (state.in_tail) {
          return unfinished_packet<Packet>(begin, bytes.size());
        }
      }
      const Bytes rest = bytes.subspan(begin);
      const bool discarding = state.discarding;
      const SeparatorSet::Match found = set_->find(rest, state);
      const std::size_t end = found.begin + found.size;
      if (found.size == 0) {
        const std::size_t begun = set_->begun(state);
        if (!discarding && rest.size() - begun <= limit_) {
          return unfinished_packet<Packet>(begin, bytes.size());
        }
        state.discarding = true;
        state.scanned = begun;
        const std::size_t consumed = bytes.size() - begun;
        return discarding ? Decoded<Packet>::need_more(0, consumed)
                          : Decoded<Packet>::bad(no_separator_in(rest.size()), consumed);
      }
      if (!discarding) {
        return finish<Packet>(rest.first(found.begin), begin + end, make);
      }
      begin += end;
    }
  }

  // The end of a packet that was dropped lies behind; has the next one begun?
  template <class Packet>
  static Decoded<Packet> unfinished_packet(std::size_t begin, std::size_t end) {
    return begin == end && begin != 0 ? Decoded<Packet>::padding(begin)
                                      : Decoded<Packet>::need_more(0, begin);
  }

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

  /// The position of the first separator at or after `from`, or npos. @pre set_ == nullptr
  std::size_t find(Bytes bytes, std::size_t from = 0) const noexcept {
    return size_ == 1 ? cowire::find(bytes, separator_[0], from)
                      : cowire::find(bytes, separator(), from);
  }

  /// How many of the last bytes may be the beginning of a separator.
  std::size_t unfinished(Bytes bytes) const noexcept {
    std::size_t n = std::min(bytes.size(), size_ - 1);
    while (n != 0 && !std::ranges::equal(bytes.last(n), separator().first(n))) {
      --n;
    }
    return n;
  }

  Error no_separator_in(std::size_t seen) const {
    ErrorContext context;
    context.detail = "no separator in " + std::to_string(seen) + " bytes";
    context.limit = limit_;
    return Error(errc::too_large, std::move(context));
  }

  std::array<std::byte, 16> separator_{};
  std::shared_ptr<const SeparatorSet> set_;
  std::size_t limit_;
  std::size_t size_;  // of the longest
  bool drops_cr_;
};

}  // namespace cowire::detail
