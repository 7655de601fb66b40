// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/item_scan.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace cowire {

namespace detail {

/// The heads of MessagePack: https://github.com/msgpack/msgpack/blob/master/spec.md
struct MessagePackFormat {
  static std::size_t head_size(std::byte first) noexcept {
    return 1 + length_size(std::to_integer<unsigned>(first));
  }

  static ItemHead read(Bytes bytes) noexcept {
    const unsigned first = std::to_integer<unsigned>(bytes[0]);
    ItemHead head;
    head.size = head_size(bytes[0]);
    const std::uint64_t length = read_uint(bytes.subspan(1), head.size - 1, std::endian::big);
    if (first >= 0x80 && first <= 0x8f) {
      head.children = std::uint64_t{2} * (first & 0x0fU);
    } else if (first >= 0x90 && first <= 0x9f) {
      head.children = first & 0x0fU;
    } else if (first >= 0xa0 && first <= 0xbf) {
      head.payload = first & 0x1fU;
    } else if (first == 0xc1) {
      head.problem = "the byte c1 is never used in MessagePack";
    } else if (first >= 0xc4 && first <= 0xc6) {  // bin
      head.payload = length;
    } else if (first >= 0xc7 && first <= 0xc9) {  // ext, whose type is one byte
      head.payload = length + 1;
    } else if (first >= 0xca && first <= 0xcb) {  // float
      head.payload = std::uint64_t{4} << (first - 0xca);
    } else if (first >= 0xcc && first <= 0xd3) {  // uint, int
      head.payload = std::uint64_t{1} << (first & 0x03U);
    } else if (first >= 0xd4 && first <= 0xd8) {  // fixext
      head.payload = (std::uint64_t{1} << (first - 0xd4)) + 1;
    } else if (first >= 0xd9 && first <= 0xdb) {  // str
      head.payload = length;
    } else if (first == 0xdc || first == 0xdd) {
      head.children = length;
    } else if (first == 0xde || first == 0xdf) {
      head.children = 2 * length;
    }
    return head;
  }

 private:
  static std::size_t length_size(unsigned first) noexcept {
    switch (first) {
      case 0xc4:
      case 0xc7:
      case 0xd9: return 1;
      case 0xc5:
      case 0xc8:
      case 0xda:
      case 0xdc:
      case 0xde: return 2;
      case 0xc6:
      case 0xc9:
      case 0xdb:
      case 0xdd:
      case 0xdf: return 4;
      default: return 0;
    }
  }
};

}  // namespace detail

/// The options of MessagePackObjects.
struct MessagePackObjectsOptions {
  std::size_t limit = default_frame_limit;  ///< The most bytes of an object.
  std::size_t depth = 128;                  ///< The most arrays and maps that an object is in.
};

/// Makes a stream serializer of any serializer of MessagePack: objects say themselves where they
/// end.
///
///     MessagePackObjects{Text<>{}}
///
///     received     93 01 a1 61 c0 80 cc 64 92 01
///     packets      93 01 a1 61 c0   80   cc 64       kept: 92 01, and a byte more is asked for
///
///     received     93 01 c1 03 00
///     packets      malformed, 00                     c1 is no object
///
/// Sizes and counts are checked against the limit with the head that says them: an array of 2^32 -
/// 1 objects has at least as many bytes. The inner serializer gets the bytes of an object.
///
/// An object that is malformed, too large or too deep is one error, and is dropped to where it
/// ends, without being kept; a c1 counts as an object. Nothing in the stream says where an object
/// begins: behind `malformed`, close unless you trust the peer.
template <Serializer S>
class MessagePackObjects {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;
  using decoder_state = detail::ItemState;

  explicit MessagePackObjects(S serializer = S{}, const MessagePackObjectsOptions& options = {})
      : serializer_(std::move(serializer)), scan_(options.limit, options.depth) {}

  /// Appends the object.
  /// @throws Error too_large: it is over the limit or too deep. not_sendable: the inner serializer
  /// wrote something else than one object. And what that throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    serializer_.serialize(packet, out);
    scan_.check(out.since(start));
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& state) const {
    return scan_.template decode<received_packet>(
        bytes, state, [this](Bytes object) { return serializer_.deserialize(object); });
  }

  /// The limit, and room for a head that begins within it.
  std::size_t frame_limit() const noexcept { return scan_.frame_limit(); }

 private:
  [[no_unique_address]] S serializer_;
  detail::ItemScan<detail::MessagePackFormat> scan_;
};

}  // namespace cowire
