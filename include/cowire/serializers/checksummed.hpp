// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/crc32c.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace cowire {

/// The options of Checksummed.
struct ChecksumOptions {
  std::endian order = std::endian::big;  ///< The byte order of the checksum.
};

/// One-shot: a packet of another serializer with its CRC-32C behind it.
///
///     Checksummed{Text<>{}}                 "123456789"  <->  '1' ... '9' e3 06 92 83
///     LengthPrefixed<Checksummed<Text<>>>                     00 00 00 0d '1' ... '9' e3 06 92 83
///
/// Finds bytes that were changed by accident: by memory, disks, or proxies, behind TCP's own weak
/// checksum. Anybody can make a valid one: against intent there is HmacSha256. Packets may be
/// views. Malformed: fewer than 4 bytes, or another checksum. The inner serializer sees no such
/// packet.
template <Serializer S>
class Checksummed {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;

  explicit Checksummed(S serializer = S{}, const ChecksumOptions& options = {})
      : serializer_(std::move(serializer)), options_(options) {}

  /// Appends the packet and its checksum.
  /// @throws Error What the inner serializer throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    serializer_.serialize(packet, out);
    const std::uint32_t sum = detail::crc32c(out.since(start));
    write_uint(out.prepare(width), sum, width, options_.order);
    out.commit(width);
  }

  /// @throws Error malformed: the checksum is another. And what the inner serializer throws.
  received_packet deserialize(Bytes bytes) const {
    ErrorContext context;
    if (bytes.size() < width) {
      context.detail = "a checksum needs 4 bytes";
      context.size = bytes.size();
      throw Error(errc::malformed, std::move(context));
    }
    const Bytes packet = bytes.first(bytes.size() - width);
    if (read_uint(bytes.last(width), width, options_.order) != detail::crc32c(packet)) {
      context.detail = "the checksum is wrong: bytes were changed on their way";
      throw Error(errc::malformed, std::move(context));
    }
    return serializer_.deserialize(packet);
  }

 private:
  static constexpr std::size_t width = 4;

  [[no_unique_address]] S serializer_;
  ChecksumOptions options_;
};

}  // namespace cowire
