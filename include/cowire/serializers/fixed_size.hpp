// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <cstddef>
#include <string>
#include <utility>

namespace cowire {

/// Makes a stream serializer of any serializer whose packets all have the same size.
///
///     FixedSize{Text<>{}, 4}
///
///     received     "abcdefghij"
///     packets      "abcd", "efgh"        kept: "ij", and 4 bytes are asked for
///
/// A serializer that knows its size, as StructSerializer does by its `packed_size`, needs no
/// number: `FixedSize{StructSerializer<Point>{}}`.
template <Serializer S>
class FixedSize {
  static_assert(
      !requires { requires S::variable_size; },
      "the packets of this serializer differ in size: use LengthPrefixed");

 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;
  struct decoder_state {};

  /// Packets of as many bytes as the serializer says itself.
  explicit FixedSize(S serializer = S{})
    requires requires { std::size_t{S::packed_size}; }
      : FixedSize(std::move(serializer), S::packed_size) {}

  /// @throws Error invalid_argument if the size is 0.
  FixedSize(S serializer, std::size_t size) : serializer_(std::move(serializer)), size_(size) {
    if (size == 0) {
      throw Error(errc::invalid_argument, "packets of a fixed size must have at least 1 byte");
    }
  }

  /// Appends the packet.
  /// @throws Error not_sendable: it has another size. And what the inner serializer throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    serializer_.serialize(packet, out);
    if (const std::size_t size = out.size() - start; size != size_) [[unlikely]] {
      ErrorContext context;
      context.detail = "packets must have " + std::to_string(size_) + " bytes";
      context.size = size;
      throw Error(errc::not_sendable, std::move(context));
    }
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& /*state*/) const {
    if (bytes.size() < size_) {
      return Decoded<received_packet>::need_more(size_);
    }
    try {
      return Decoded<received_packet>::packet(serializer_.deserialize(bytes.first(size_)), size_);
    } catch (const Error& error) {
      return Decoded<received_packet>::bad(error, size_);
    }
  }

  /// The size of each packet.
  std::size_t frame_limit() const noexcept { return size_; }

 private:
  [[no_unique_address]] S serializer_;
  std::size_t size_;
};

}  // namespace cowire
