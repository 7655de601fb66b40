// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace cowire {

/// The options of LengthPrefixed. A frame is a header, with the length in it, and what follows:
///
///     | offset bytes | length, width bytes | ... |     size = offset + width + adjustment + length
///     |    strip bytes    |   what the inner serializer gets, at most limit bytes   |
struct LengthOptions {
  std::size_t width = 4;                    ///< The bytes of the length: 1, 2, 3, 4 or 8.
  std::endian order = std::endian::big;     ///< Its byte order.
  std::size_t limit = default_frame_limit;  ///< The most bytes that the inner serializer gets.
  std::size_t offset = 0;                   ///< The bytes of a frame in front of its length.
  /// What the length does not count of the bytes behind it, or, negative, what it counts of those
  /// before: with `-(offset + width)` it is the size of the whole frame.
  std::int64_t adjustment = 0;
  /// The bytes at the front of a frame that the inner serializer does not see. By default
  /// `offset + width`: all up to the end of the length.
  std::optional<std::size_t> strip = std::nullopt;
};

/// Makes a stream serializer of any serializer: each packet says its length before it.
///
///     LengthPrefixed{Text<>{}, {.width = 2}}
///
///     received     00 02 'h' 'i' 00 00 00 05 'w'
///     packets      "hi", ""                        kept: 00 05 'w', and 7 bytes are asked for
///
///     received     00 09 then 9 bytes, 00 01 'x'   (limit 4)
///     packets      too_large, "x"
///
///     received     07 00 05 'h' 'i'                (width 2, offset 1, adjustment -3: the length
///     packet       "hi"                            is that of the whole frame)
///     packet       07 00 05 'h' 'i'                (the same, and strip 0)
///
/// The length is checked against the limit before any of the bytes that it counts is waited for;
/// those of a packet over the limit are dropped as they come. A frame that would end inside of its
/// own header is malformed: the header, up to the end of the length, is dropped, and the next byte
/// begins a frame. One that would end inside of `strip` is malformed and dropped to its end.
///
/// Sending, the inner serializer writes what it would get of the same frame. Where that has the
/// length in it, it is overwritten; bytes in front of it that are not the length are zeros.
template <Serializer S>
class LengthPrefixed {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;
  struct decoder_state {};

  /// @throws Error invalid_argument: a width other than 1, 2, 3, 4 and 8; an offset, strip or
  /// adjustment over 1 GiB; options with which no frame could be received.
  explicit LengthPrefixed(S serializer = S{}, const LengthOptions& options = {})
      : serializer_(std::move(serializer)),
        options_(options),
        header_(options.offset + options.width),
        strip_(options.strip.value_or(header_)) {
    check_options();
    beyond_ =
        static_cast<std::int64_t>(header_) + options.adjustment - static_cast<std::int64_t>(strip_);
    require(options.limit >= least_size(),
            "the limit of a length must have room for the header that is not stripped");
    const std::optional<std::uint64_t> most = size_of(longest());
    require(most && *most >= least_size(),
            "the adjustment of a length is such that every frame would end inside of its header");
  }

  /// Appends the packet's frame.
  /// @throws Error too_large: it is over the limit, or its length does not fit in the width.
  /// not_sendable: it is shorter than the header, or than the adjustment allows. And what the inner
  /// serializer throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    std::ranges::fill(out.prepare(strip_).first(strip_), std::byte{0});
    out.commit(strip_);  // The length is filled in below, when it is known.
    serializer_.serialize(packet, out);
    const MutableBytes frame = out.since(start);
    const std::uint64_t size = frame.size() - strip_;
    const std::uint64_t most =
        std::min<std::uint64_t>(options_.limit, size_of(longest()).value_or(0));
    if (size > most) [[unlikely]] {
      throw too_large(size, most);
    }
    const std::uint64_t least = std::max(least_size(), size_of(0).value_or(0));
    if (size < least) [[unlikely]] {
      ErrorContext context;
      context.detail = "packets of this format have at least " + std::to_string(least) + " bytes";
      context.size = size;
      throw Error(errc::not_sendable, std::move(context));
    }
    const std::uint64_t length = size - static_cast<std::uint64_t>(beyond_);
    write_uint(frame.subspan(options_.offset), length, options_.width, options_.order);
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& /*state*/) const {
    using Result = Decoded<received_packet>;
    if (bytes.size() < header_) {
      return Result::need_more(header_);
    }
    const std::uint64_t length =
        read_uint(bytes.subspan(options_.offset), options_.width, options_.order);
    const std::optional<std::uint64_t> known = size_of(length);
    if (!known || *known < least_size()) [[unlikely]] {
      const std::uint64_t frame = length + static_cast<std::uint64_t>(beyond_) + strip_;  // wraps
      return Result::bad(malformed(length), ends_in_strip(length) ? frame : header_);
    }
    if (*known > options_.limit) [[unlikely]] {
      const std::uint64_t room = std::numeric_limits<std::uint64_t>::max() - strip_;
      return Result::bad(too_large(*known, options_.limit), std::min(*known, room) + strip_);
    }
    const auto size = static_cast<std::size_t>(*known);
    if (bytes.size() < strip_ || size > bytes.size() - strip_) {
      const std::size_t room = std::numeric_limits<std::size_t>::max() - strip_;
      return Result::need_more(std::min(size, room) + strip_);
    }
    try {
      return Result::packet(serializer_.deserialize(bytes.subspan(strip_, size)), strip_ + size);
    } catch (const Error& error) {
      return Result::bad(error, strip_ + size);
    }
  }

  /// The limit and room for what is stripped.
  std::size_t frame_limit() const noexcept {
    const std::size_t room = std::numeric_limits<std::size_t>::max() - options_.limit;
    return options_.limit + std::min(strip_, room);
  }

 private:
  static constexpr std::size_t most_extra = std::size_t{1} << 30U;

  static void require(bool condition, const char* detail) {
    if (!condition) {
      throw Error(errc::invalid_argument, detail);
    }
  }

  void check_options() const {
    const std::size_t width = options_.width;
    if (width == 0 || (width > 4 && width != 8)) {
      ErrorContext context;
      context.detail = "the width of a length must be 1, 2, 3, 4 or 8 bytes";
      context.size = width;
      throw Error(errc::invalid_argument, std::move(context));
    }
    constexpr auto most = static_cast<std::int64_t>(most_extra);
    require(options_.offset <= most_extra && (strip_ <= most_extra || strip_ == header_) &&
                options_.adjustment >= -most && options_.adjustment <= most,
            "the offset, strip and adjustment of a length must be at most 1 GiB");
  }

  static Error malformed(std::uint64_t length) {
    return Error(errc::malformed, "with a length of " + std::to_string(length) +
                                      " the frame would end inside of its header");
  }

  // The bytes behind `strip` of a frame with this length, at most 2^64-1; nothing if the frame ends
  // before.
  std::optional<std::uint64_t> size_of(std::uint64_t length) const noexcept {
    const auto shift = static_cast<std::uint64_t>(beyond_);
    if (beyond_ >= 0) {
      return length + std::min(shift, std::numeric_limits<std::uint64_t>::max() - length);
    }
    if (length < 0 - shift) {
      return std::nullopt;
    }
    return length + shift;
  }

  // What of the header the inner serializer sees.
  std::uint64_t least_size() const noexcept { return header_ > strip_ ? header_ - strip_ : 0; }

  // Whether a frame that is too short has its header at least.
  bool ends_in_strip(std::uint64_t length) const noexcept {
    const std::int64_t adjustment = options_.adjustment;
    return adjustment >= 0 || length >= 0 - static_cast<std::uint64_t>(adjustment);
  }

  std::uint64_t longest() const noexcept {
    return std::numeric_limits<std::uint64_t>::max() >> (8 * (8 - options_.width));
  }

  [[no_unique_address]] S serializer_;
  LengthOptions options_;
  std::size_t header_ = 0;  // up to the end of the length
  std::size_t strip_ = 0;
  std::int64_t beyond_ = 0;  // bytes behind `strip`, beside those that the length counts
};

}  // namespace cowire
