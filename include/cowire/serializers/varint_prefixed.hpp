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
#include <utility>

namespace cowire {

/// The options of VarintPrefixed.
struct VarintOptions {
  std::size_t limit = default_frame_limit;  ///< The most bytes of a packet, without its length.
};

/// Makes a stream serializer of any serializer: each packet comes after its length, a varint of
/// protobuf: 7 bits in each byte, the lowest first; a byte of 128 or more is not the last.
///
///     VarintPrefixed{Text<>{}}       as protobuf's writeDelimitedTo and parseDelimitedFrom
///
///     received     02 'h' 'i' 00 ac 02 'w'
///     packets      "hi", ""                      kept: ac 02 'w', and 302 bytes are asked for
///
///     received     09 then 9 bytes, 01 'x'       (limit 4)
///     packets      too_large, "x"
///
/// A length has at most 10 bytes and 64 bits; what has more is malformed, and 10 bytes are dropped.
/// One that has more bytes than it needs, as 80 00 for 0, is taken, as by protobuf; none is sent.
/// Lengths are checked against the limit before any of the bytes that they count is waited for;
/// those of a packet over the limit are dropped as they come.
template <Serializer S>
class VarintPrefixed {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;
  struct decoder_state {};

  explicit VarintPrefixed(S serializer = S{}, const VarintOptions& options = {})
      : serializer_(std::move(serializer)), limit_(options.limit) {}

  /// Appends the packet's length and the packet.
  /// @throws Error too_large: it is over the limit. And what the inner serializer throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    out.append(std::byte{0});  // Room for the length of a small packet.
    serializer_.serialize(packet, out);
    const std::size_t size = out.size() - start - 1;
    if (size > limit_) [[unlikely]] {
      throw too_large(size, limit_);
    }
    std::size_t more = 0;
    for (std::uint64_t rest = size >> 7U; rest != 0; rest >>= 7U) {
      ++more;
    }
    if (more != 0) {
      out.prepare(more);
      out.commit(more);
      std::byte* const packet_begin = out.since(start).data() + 1;
      std::memmove(packet_begin + more, packet_begin, size);
    }
    const MutableBytes frame = out.since(start);
    std::uint64_t rest = size;
    for (std::size_t i = 0; i < more; ++i, rest >>= 7U) {
      frame[i] = static_cast<std::byte>(rest | 0x80U);
    }
    frame[more] = static_cast<std::byte>(rest);
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& /*state*/) const {
    using Result = Decoded<received_packet>;
    std::uint64_t length = 0;
    std::size_t width = 0;
    for (bool last = false; !last; ++width) {
      if (width == bytes.size()) {
        return Result::need_more(width + 1);
      }
      const auto byte = std::to_integer<std::uint64_t>(bytes[width]);
      if (width == most_width - 1 && byte > 1) [[unlikely]] {
        ErrorContext context;
        context.detail = "a length has more than 64 bits";
        return Result::bad(Error(errc::malformed, std::move(context)), most_width);
      }
      length |= (byte & 0x7fU) << (7 * width);
      last = byte < 0x80;
    }
    if (length > limit_) [[unlikely]] {
      const std::uint64_t room = std::numeric_limits<std::uint64_t>::max() - width;
      return Result::bad(too_large(length, limit_), std::min(length, room) + width);
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
    return limit_ + std::min(most_width, std::numeric_limits<std::size_t>::max() - limit_);
  }

 private:
  static constexpr std::size_t most_width = 10;

  [[no_unique_address]] S serializer_;
  std::size_t limit_;
};

}  // namespace cowire
