// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/holds_view.hpp"
#include "cowire/detail/zlib_stream.hpp"
#include "cowire/error.hpp"
#include "cowire/serializer.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace cowire {

/// What is around compressed data.
enum class CompressFormat {
  zlib,  ///< RFC 1950: a header of 2 bytes, and a checksum.
  gzip,  ///< RFC 1952: a header of 10 bytes, a checksum and the size.
  raw,   ///< RFC 1951: nothing.
};

/// The options of Compressed.
struct CompressOptions {
  int level = 6;  ///< 0 (none) to 9 (smallest).
  CompressFormat format = CompressFormat::zlib;
  std::size_t limit = default_frame_limit;  ///< The most bytes of a packet, not compressed.
  std::size_t ratio = 200;  ///< The most bytes of a packet per compressed byte. 0: any.
};

/// One-shot: a packet of another serializer, compressed by zlib. Needs the CMake target
/// `cowire::zlib`.
///
///     Compressed{Text<>{}}                   "aaaaaaaaaa"  <->  78 9c 4b 4c 84 01 00 14 e1 03 cb
///     LengthPrefixed<Compressed<Cbor<T>>>                       00 00 00 0b 78 9c ...
///
/// Each packet is a stream of its own. A packet that would be over the limit or the ratio is given
/// up while it is decompressed: a bomb costs no more memory than one and a half of the limit. A
/// packet that is so even that it compresses better than the ratio allows is sent as it is, inside
/// of the format.
///
/// Compress before encryption only what no attacker can add to: the size tells what is alike.
template <Serializer S>
class Compressed {
  static_assert(!detail::is_view_packet<S>,
                "the packets of this serializer are views, and the bytes decompressed are "
                "temporary: use packets that own what they hold, such as std::string");

 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;

  /// @throws Error invalid_argument unless the level is 0 to 9.
  explicit Compressed(S serializer = S{}, const CompressOptions& options = {})
      : serializer_(std::move(serializer)), options_(options) {
    if (options.level < 0 || options.level > 9) {
      throw Error(errc::invalid_argument, "a level of compression must be 0 to 9");
    }
  }

  /// Appends the packet, compressed.
  /// @throws Error too_large: it is over the limit. And what the inner serializer throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    serializer_.serialize(packet, out);
    const Bytes plain = out.since(start);
    if (plain.size() > options_.limit) [[unlikely]] {
      throw too_large(plain.size(), options_.limit);
    }
    const std::vector<std::byte> copy(plain.begin(), plain.end());
    out.truncate(start);
    detail::deflate_all(copy, options_.level, window_bits(), out);
    if (copy.size() > most_output(out.size() - start)) [[unlikely]] {
      out.truncate(start);
      detail::deflate_all(copy, 0, window_bits(), out);
    }
  }

  /// @throws Error malformed: this is no stream of the format, or not one alone. too_large: the
  /// packet is over the limit or the ratio. And what the inner serializer throws.
  received_packet deserialize(Bytes bytes) const {
    return serializer_.deserialize(
        detail::inflate_all(bytes, window_bits(), most_output(bytes.size())));
  }

 private:
  int window_bits() const noexcept {
    constexpr int most = 15;
    constexpr int gzip = 16;
    switch (options_.format) {
      case CompressFormat::zlib: return most;
      case CompressFormat::gzip: return most + gzip;
      case CompressFormat::raw: return -most;
    }
    return most;
  }

  std::size_t most_output(std::size_t input) const noexcept {
    const bool any = options_.ratio == 0 || input > options_.limit / options_.ratio;
    return any ? options_.limit : input * options_.ratio;
  }

  [[no_unique_address]] S serializer_;
  CompressOptions options_;
};

}  // namespace cowire
