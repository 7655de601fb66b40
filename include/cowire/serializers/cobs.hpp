// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace cowire {

/// The options of Cobs.
struct CobsOptions {
  std::size_t limit = default_frame_limit;  ///< The most bytes of a packet, not encoded.
};

/// Makes a stream serializer of any serializer: each packet is stuffed so that no byte of it is 0,
/// and a 0 follows. Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): one byte more in
/// 254. As serial lines have it: a receiver that comes late, or lost bytes, is right again behind
/// the next 0.
///
///     Cobs{Text<>{}}
///
///     packet       11 22 00 33     <->     03 11 22 02 33 00
///     packet       (empty)         <->     01 00
///
///     received     05 11 22 00 02 33 00
///     packets      malformed, 33           the first one ends before it should
///
/// Each block is a number n, n - 1 bytes that are not 0, and, unless n is 255 or the packet ends
/// there, a 0 that is left out. Zeros between packets are dropped; a sender may begin with one.
/// What is malformed, or over the limit, is dropped to the next 0, without being kept.
///
/// The inner serializer sees the decoded bytes in a buffer of the stream's own. Packets that are
/// views live as long as others: until the next one is asked for.
template <Serializer S>
class Cobs {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;
  struct decoder_state {
    std::size_t scanned = 0;         ///< No 0 is in this many of the first bytes.
    bool discarding = false;         ///< The packet under way was too large: skip to its end.
    std::vector<std::byte> decoded;  ///< The last packet, kept until the next: it may be a view.
  };

  explicit Cobs(S serializer = S{}, const CobsOptions& options = {})
      : serializer_(std::move(serializer)), limit_(options.limit) {}

  /// Appends the packet, stuffed, and a 0.
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
    // The packet is moved to the end of its room, and stuffed from there to the front: the stuffed
    // bytes never reach those that are still to be read.
    const std::size_t gap = 1 + size / longest_block;
    out.prepare(gap + 1);
    out.commit(gap + 1);
    const MutableBytes room = out.since(start);
    std::memmove(room.data() + gap, room.data(), size);
    const std::size_t end = stuff(room, gap, gap + size);
    room[end] = std::byte{0};
    out.truncate(start + end + 1);
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& state) const {
    using Result = Decoded<received_packet>;
    std::size_t begin = 0;
    std::size_t end = find(bytes, std::byte{0}, state.scanned);
    if (state.discarding) [[unlikely]] {
      if (end == npos) {
        return Result::need_more(0, bytes.size());
      }
      state.discarding = false;
      begin = end;
    }
    while (state.scanned == 0 && begin < bytes.size() && bytes[begin] == std::byte{0}) {
      ++begin;
    }
    if (begin == bytes.size()) {
      state.scanned = 0;
      return begin == 0 ? Result::need_more(1) : Result::padding(begin);
    }
    if (begin != 0) {
      end = find(bytes, std::byte{0}, begin);
    }
    const std::size_t size = std::min(end, bytes.size()) - begin;
    if (size > most_encoded()) [[unlikely]] {
      state.scanned = 0;
      state.discarding = end == npos;
      return Result::bad(too_large(std::nullopt, limit_),
                         begin + size + (state.discarding ? 0 : 1));
    }
    if (end == npos) {
      state.scanned = size;
      return Result::need_more(0, begin);
    }
    state.scanned = 0;
    const std::size_t consumed = end + 1;
    try {
      unstuff(bytes.subspan(begin, size), state.decoded);
      if (state.decoded.size() > limit_) [[unlikely]] {
        return Result::bad(too_large(state.decoded.size(), limit_), consumed);
      }
      return Result::packet(serializer_.deserialize(state.decoded), consumed);
    } catch (const Error& error) {
      return Result::bad(error, consumed);
    }
  }

  /// What a packet of the limit has when it is stuffed, and its 0.
  std::size_t frame_limit() const noexcept {
    return most_encoded() + (most_encoded() < std::numeric_limits<std::size_t>::max() ? 1 : 0);
  }

 private:
  static constexpr std::size_t longest_block = 254;

  std::size_t most_encoded() const noexcept {
    const std::size_t more = 1 + limit_ / longest_block;
    return limit_ + std::min(more, std::numeric_limits<std::size_t>::max() - limit_);
  }

  // Stuffs room[from, to) to the front of `room`; the end of it.
  static std::size_t stuff(MutableBytes room, std::size_t from, std::size_t to) noexcept {
    std::size_t at = 0;
    for (;;) {
      const std::size_t most = std::min(to - from, longest_block);
      const std::size_t size = std::min(find(room.subspan(from, most), std::byte{0}), most);
      room[at] = static_cast<std::byte>(size + 1);
      std::memmove(room.data() + at + 1, room.data() + from, size);
      at += size + 1;
      from += size;
      if (from == to) {
        return at;
      }
      if (size < longest_block) {
        ++from;  // The 0.
      }
    }
  }

  static void unstuff(Bytes bytes, std::vector<std::byte>& decoded) {
    if (decoded.capacity() > BlockPool::small_size) {
      decoded = std::vector<std::byte>();  // So small packets keep little, behind a large one, too.
    }
    decoded.clear();
    decoded.reserve(bytes.size());
    while (!bytes.empty()) {
      const auto size = std::to_integer<std::size_t>(bytes[0]);
      if (size == 0 || size > bytes.size()) {
        throw Error(errc::malformed, "a block of COBS goes beyond the end of its packet");
      }
      decoded.insert(decoded.end(), bytes.begin() + 1,
                     bytes.begin() + static_cast<std::ptrdiff_t>(size));
      bytes = bytes.subspan(size);
      if (size <= longest_block && !bytes.empty()) {
        decoded.push_back(std::byte{0});
      }
    }
  }

  [[no_unique_address]] S serializer_;
  std::size_t limit_;
};

}  // namespace cowire
