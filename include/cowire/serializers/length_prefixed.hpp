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
#include <utility>

namespace cowire {

/// The options of LengthPrefixed.
struct LengthOptions {
  std::size_t width = 4;                    ///< The bytes of the length: 1, 2, 4 or 8.
  std::endian order = std::endian::big;     ///< Its byte order.
  std::size_t limit = default_frame_limit;  ///< The most bytes of a packet, without its length.
};

/// Makes a stream serializer of any serializer: each packet comes after its length.
///
///     LengthPrefixed{Text<>{}, {.width = 2}}
///
///     received     00 02 'h' 'i' 00 00 00 05 'w'
///     packets      "hi", ""                        kept: 00 05 'w', and 7 bytes are asked for
///
///     received     00 09 then 9 bytes, 00 01 'x'   (limit 4)
///     packets      too_large, "x"
///
/// The length counts the packet's bytes alone. It is checked against the limit before any of them
/// is waited for; those of a packet over the limit are dropped as they come.
template <Serializer S>
class LengthPrefixed {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;
  struct decoder_state {};

  /// @throws Error invalid_argument unless the width is 1, 2, 4 or 8.
  explicit LengthPrefixed(S serializer = S{}, const LengthOptions& options = {})
      : serializer_(std::move(serializer)), options_(options) {
    if (options.width > 8 || !std::has_single_bit(options.width)) {
      ErrorContext context;
      context.detail = "the width of a length must be 1, 2, 4 or 8 bytes";
      context.size = options.width;
      throw Error(errc::invalid_argument, std::move(context));
    }
  }

  /// Appends the packet's length and the packet.
  /// @throws Error too_large: it is over the limit, or its length does not fit in the width. And
  /// what the inner serializer throws.
  template <class Packet = sent_packet>
    requires requires(const S& s, const Packet& p, OutputBuffer& o) { s.serialize(p, o); }
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    out.prepare(options_.width);
    out.commit(options_.width);  // Filled below, when the length is known.
    serializer_.serialize(packet, out);
    const MutableBytes frame = out.since(start);
    const std::uint64_t length = frame.size() - options_.width;
    const std::uint64_t most = std::min<std::uint64_t>(options_.limit, longest());
    if (length > most) [[unlikely]] {
      throw too_large(length, most);
    }
    write_uint(frame, length, options_.width, options_.order);
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& /*state*/) const {
    using Result = Decoded<received_packet>;
    const std::size_t width = options_.width;
    if (bytes.size() < width) {
      return Result::need_more(width);
    }
    const std::uint64_t length = read_uint(bytes, width, options_.order);
    if (length > options_.limit) [[unlikely]] {
      const std::uint64_t room = std::numeric_limits<std::uint64_t>::max() - width;
      return Result::bad(too_large(length, options_.limit), std::min(length, room) + width);
    }
    const auto size = static_cast<std::size_t>(length);
    if (size > bytes.size() - width) {
      const std::size_t room = std::numeric_limits<std::size_t>::max() - width;
      return Result::need_more(std::min(size, room) + width);
    }
    try {
      return Result::packet(serializer_.deserialize(bytes.subspan(width, size)), width + size);
    } catch (const Error& error) {
      return Result::bad(error, width + size);
    }
  }

  /// The limit and room for the length.
  std::size_t frame_limit() const noexcept {
    const std::size_t room = std::numeric_limits<std::size_t>::max() - options_.limit;
    return options_.limit + std::min(options_.width, room);
  }

 private:
  static Error too_large(std::uint64_t size, std::uint64_t limit) {
    ErrorContext context;
    context.size = size;
    context.limit = limit;
    return Error(errc::too_large, std::move(context));
  }

  std::uint64_t longest() const noexcept {
    return std::numeric_limits<std::uint64_t>::max() >> (8 * (8 - options_.width));
  }

  [[no_unique_address]] S serializer_;
  LengthOptions options_;
};

}  // namespace cowire
