// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace cowire {

/// The options of Raw.
struct RawOptions {
  std::size_t limit = default_frame_limit;  ///< The most bytes of a received packet.
};

/// No framing: sends bytes as they are, receives whatever has arrived.
///
///     received     "GET x\r\nHos"
///     packet       "GET x\r\nHos"     kept: nothing
///
/// Where one packet ends and the next begins means nothing: TCP joins and cuts them as it likes.
/// The packets are `std::string`, or `std::string_view`: views into the receive buffer, which live
/// until the next packet is asked for.
template <class Packet = std::string>
  requires std::constructible_from<Packet, std::string_view>
class Raw {
 public:
  using sent_packet = Packet;
  using received_packet = Packet;
  struct decoder_state {};

  Raw() = default;

  /// @throws Error invalid_argument if the limit is 0.
  explicit Raw(const RawOptions& options) : limit_(options.limit) {
    if (limit_ == 0) {
      throw Error(errc::invalid_argument, "the limit of Raw must be at least 1 byte");
    }
  }

  /// Appends the bytes as they are, however many.
  void serialize(std::string_view bytes, OutputBuffer& out) const { out.append(bytes); }

  Decoded<Packet> decode(Bytes bytes, decoder_state& /*state*/) const {
    if (bytes.empty()) {
      return Decoded<Packet>::need_more(1);
    }
    const std::size_t size = std::min(bytes.size(), limit_);
    return Decoded<Packet>::packet(Packet(text_of(bytes.first(size))), size);
  }

  std::size_t frame_limit() const noexcept { return limit_; }

 private:
  std::size_t limit_ = default_frame_limit;
};

}  // namespace cowire
