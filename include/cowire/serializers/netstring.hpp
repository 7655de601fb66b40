// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace cowire {

/// The options of Netstring.
struct NetstringOptions {
  std::size_t limit = default_frame_limit;  ///< The most bytes of a packet.
};

/// Makes a stream serializer of any serializer: each packet is one of D. J. Bernstein's netstrings,
/// its size in decimal, a colon, its bytes, a comma.
///
///     Netstring{Text<>{}}
///
///     received     "5:hello,0:,12:hel"
///     packets      "hello", ""                kept: "12:hel", and 16 bytes are asked for
///
///     received     "9:123456789,1:x,"         (limit 4)
///     packets      too_large, "x"
///
///     received     "hello,05:hello,1:x,"
///     packets      malformed, malformed, "x"
///
/// A size is digits without needless zeros, less than 10^19. Where a byte is wrong, in the size or
/// in place of the comma, all is dropped up to and including the next comma: one error. Sizes are
/// checked against the limit before any of the bytes that they count is waited for; those of a
/// packet over the limit are dropped as they come.
template <Serializer S>
class Netstring {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;
  struct decoder_state {
    bool discarding = false;  ///< A byte was wrong: skip to the next comma.
  };

  explicit Netstring(S serializer = S{}, const NetstringOptions& options = {})
      : serializer_(std::move(serializer)), limit_(options.limit) {}

  /// Appends the packet as a netstring.
  /// @throws Error too_large: it is over the limit. And what the inner serializer throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    serializer_.serialize(packet, out);
    const std::size_t size = out.size() - start;
    if (size > limit_) [[unlikely]] {
      throw too_large(size, limit_);
    }
    const std::string head = std::to_string(size) + ":";
    out.prepare(head.size() + 1);
    out.commit(head.size() + 1);
    const MutableBytes frame = out.since(start);
    std::memmove(frame.data() + head.size(), frame.data(), size);
    std::memcpy(frame.data(), head.data(), head.size());
    frame.back() = std::byte{','};
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& state) const {
    using Result = Decoded<received_packet>;
    std::size_t begin = 0;
    if (state.discarding) [[unlikely]] {
      const std::size_t comma = find(bytes, std::byte{','});
      if (comma == npos) {
        return Result::need_more(0, bytes.size());
      }
      state.discarding = false;
      begin = comma + 1;
    }
    const std::string_view text = text_of(bytes.subspan(begin));
    if (text.empty()) {
      return begin == 0 ? Result::need_more(1) : Result::padding(begin);
    }
    std::uint64_t number = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && is_digit(text[digits]); ++digits) {
      if (digits == most_digits || (digits == 1 && number == 0)) {
        return bad("the size of a netstring has a needless zero or too many digits", begin + digits,
                   bytes, state);
      }
      number = number * 10 + static_cast<std::uint64_t>(text[digits] - '0');
    }
    if (digits == text.size()) {
      return Result::need_more(digits + 1, begin);
    }
    if (digits == 0 || text[digits] != ':') {
      return bad("a netstring begins with its size and a colon", begin + digits, bytes, state);
    }
    const std::size_t head = digits + 1;
    if (number > limit_) [[unlikely]] {
      return Result::bad(too_large(number, limit_), begin + head + number + 1);  // Below 2^64.
    }
    const auto size = static_cast<std::size_t>(number);
    if (size >= text.size() - head) {
      const std::size_t room = std::numeric_limits<std::size_t>::max() - head - 1;
      return Result::need_more(std::min(size, room) + head + 1, begin);
    }
    if (text[head + size] != ',') {
      return bad("a netstring ends with a comma", begin + head + size, bytes, state);
    }
    const std::size_t consumed = begin + head + size + 1;
    try {
      return Result::packet(serializer_.deserialize(bytes.subspan(begin + head, size)), consumed);
    } catch (const Error& error) {
      return Result::bad(error, consumed);
    }
  }

  /// The limit and room for size, colon and comma.
  std::size_t frame_limit() const noexcept {
    const std::size_t room = std::numeric_limits<std::size_t>::max() - limit_;
    return limit_ + std::min<std::size_t>(most_digits + 2, room);
  }

 private:
  static constexpr std::size_t most_digits = 19;

  static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

  // The byte at `wrong` is wrong; drops all up to the next comma.
  static Decoded<received_packet> bad(const char* detail, std::size_t wrong, Bytes bytes,
                                      decoder_state& state) {
    ErrorContext context;
    context.detail = detail;
    const std::size_t comma = find(bytes, std::byte{','}, wrong);
    state.discarding = comma == npos;
    return Decoded<received_packet>::bad(Error(errc::malformed, std::move(context)),
                                         state.discarding ? bytes.size() : comma + 1);
  }

  [[no_unique_address]] S serializer_;
  std::size_t limit_;
};

}  // namespace cowire
