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

/// The heads of CBOR: RFC 8949, section 3.
struct CborFormat {
  static constexpr unsigned indefinite = 31;

  static std::size_t head_size(std::byte first) noexcept {
    const unsigned info = std::to_integer<unsigned>(first) & 0x1fU;
    return info >= 24 && info <= 27 ? 1 + (std::size_t{1} << (info - 24)) : 1;
  }

  static ItemHead read(Bytes bytes) noexcept {
    const unsigned first = std::to_integer<unsigned>(bytes[0]);
    const unsigned info = first & 0x1fU;
    ItemHead head;
    head.size = head_size(bytes[0]);
    head.type = static_cast<std::uint8_t>(first >> 5U);
    if (info > 27 && info < indefinite) {
      head.problem = "a reserved number in the head of a CBOR item";
      return head;
    }
    const std::uint64_t value =
        head.size == 1 ? info : read_uint(bytes.subspan(1), head.size - 1, std::endian::big);
    if (info == indefinite) {
      return endless(head);
    }
    switch (head.type) {
      case 2:
      case 3: head.payload = value; break;
      case 4: head.children = value; break;
      case 5: head.children = saturated_sum(value, value); break;
      case 6: head.children = 1; break;
      case 7:
        if (info == 24 && value < 32) {
          head.problem = "a simple value of CBOR in two bytes instead of one";
        }
        break;
      default: break;
    }
    return head;
  }

 private:
  static ItemHead endless(ItemHead head) noexcept {
    switch (head.type) {
      case 2:
      case 3: head.kind = ItemHead::endless_string; break;
      case 4: head.kind = ItemHead::endless_array; break;
      case 5: head.kind = ItemHead::endless_map; break;
      case 7: head.kind = ItemHead::end_mark; break;
      default: head.problem = "a number or tag of CBOR with an indefinite length";
    }
    return head;
  }
};

}  // namespace detail

/// The options of CborItems.
struct CborItemsOptions {
  std::size_t limit = default_frame_limit;  ///< The most bytes of an item.
  std::size_t depth = 128;                  ///< The most arrays, maps, tags that an item is in.
};

/// Makes a stream serializer of any serializer of CBOR: items say themselves where they end.
///
///     CborItems{Text<>{}}       a CBOR sequence (RFC 8742)
///
///     received     83 01 61 61 f6 a0 18 64 9f 01
///     packets      83 01 61 61 f6   a0   18 64       kept: 9f 01, an array without its end
///
///     received     1c 00   9f 81 ff 02 ff 00
///     packets      malformed, 00, malformed, 00      1c is reserved; ff ends no 81
///
/// An item is well-formed after RFC 8949, section 5.3.1, or one error `malformed`; whether it is
/// valid (UTF-8, keys, tags) is for the inner serializer, which gets its bytes. Sizes and counts
/// are checked against the limit with the head that says them: an array of 2^32 items has at least
/// 2^32 bytes.
///
/// An item that is malformed, too large or too deep is dropped to where it ends, without being
/// kept; a head that makes no sense counts as an item without contents. Nothing in the stream says
/// where an item begins: behind `malformed`, close unless you trust the peer. An item of indefinite
/// lengths that is too deep is dropped with all that comes after it.
template <Serializer S>
class CborItems {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;
  using decoder_state = detail::ItemState;

  explicit CborItems(S serializer = S{}, const CborItemsOptions& options = {})
      : serializer_(std::move(serializer)), scan_(options.limit, options.depth) {}

  /// Appends the item.
  /// @throws Error too_large: it is over the limit or too deep. not_sendable: the inner serializer
  /// wrote something else than one item. And what that throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    serializer_.serialize(packet, out);
    scan_.check(out.since(start));
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& state) const {
    return scan_.template decode<received_packet>(
        bytes, state, [this](Bytes item) { return serializer_.deserialize(item); });
  }

  /// The limit, and room for a head that begins within it.
  std::size_t frame_limit() const noexcept { return scan_.frame_limit(); }

 private:
  [[no_unique_address]] S serializer_;
  detail::ItemScan<detail::CborFormat> scan_;
};

}  // namespace cowire
