// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/error.hpp"
#include "cowire/protocol.hpp"
#include "cowire/result.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <optional>
#include <utility>

namespace cowire {

/// Finds the packets in the bytes of one stream. No I/O: bytes go in, packets and errors come out.
///
///     MutableBytes room = reader.prepare();      // read into it
///     reader.commit(n);
///     while (reader.next(slot) == Outcome::packet) ...
///
/// Packets that are views stay valid until the next prepare() or release().
///
/// After a bad packet the reader goes on behind it. When a serializer throws, what was received so
/// far is dropped, since nobody knows where the next packet begins.
template <Protocol P>
class PacketReader {
 public:
  using packet_type = typename P::received_packet;
  using Slot = detail::PacketSlot<packet_type>;

  enum class Outcome {
    packet,   ///< The slot holds a packet, or the error that stands in its place.
    nothing,  ///< More bytes are needed.
    ended,    ///< end() was called, and nothing is left; truncated() tells how it ended.
  };

  /// @lifetime Protocol and pool must outlive the reader.
  PacketReader(const P& protocol, BlockPool& pool, std::size_t receive_limit)
      : protocol_(&protocol), receive_limit_(receive_limit), input_(pool) {}

  /// Takes out the next packet, or error.
  Outcome next(Slot& slot) {
    while (skip_ == 0 && input_.size() != 0 && input_.size() >= wanted_) {
      const Bytes bytes = input_.readable();
      std::optional<Decoded<packet_type>> decoded;
      try {
        decoded.emplace(protocol_->decode(bytes, decoder_));
      } catch (...) {
        return crash(slot);
      }
      if (!decoded->needs_more() && decoded->consumed() == 0) {
        return stuck(slot);
      }
      if (!decoded->needs_more()) {
        return take(*decoded, bytes, slot);
      }
      consume(decoded->consumed());
      wanted_ = decoded->total();
      mid_packet_ = input_.size() != 0 || (decoded->consumed() != 0 && !decoded->is_padding());
      if (decoded->consumed() == 0) {
        break;  // Else the decoder dropped something: it may see more in the rest.
      }
    }
    if (ended_) {
      return finish(slot);
    }
    if (std::max(input_.size(), wanted_) > limit()) {
      return overrun(slot);
    }
    return Outcome::nothing;
  }

  /// Room for the bytes to come, at least one.
  ///
  /// Little of it while the peer sends little, so that a connection which waits for its next small
  /// request owns a small block. It grows with what has really been received, not with what a
  /// header announces.
  MutableBytes prepare() {
    if (input_.size() == 0 && input_.capacity() > BlockPool::small_size &&
        last_size_ < BlockPool::small_size) {
      input_.release();
    }
    const std::size_t missing = wanted_ > input_.size() ? wanted_ - input_.size() : 1;
    const std::size_t affordable = std::max(input_.size(), BlockPool::block_size / 2);
    const std::size_t expected = last_size_ < BlockPool::small_size ? 1 : BlockPool::block_size / 2;
    return input_.prepare(std::max(expected, std::min(missing, affordable)));
  }

  /// Says that `n` bytes of the room were filled.
  void commit(std::size_t n) {
    last_size_ = n;
    input_.commit(n);
    if (skip_ != 0) {
      consume(std::exchange(skip_, 0));
    }
  }

  /// Says that no more bytes will come.
  void end() noexcept { ended_ = true; }

  /// Goes on with protocol `index`, from the first byte that was not taken.
  /// @throws Error invalid_argument: there is none of that number.
  void switch_protocol(std::size_t index)
    requires SwitchesProtocol<P>
  {
    protocol_->switch_to(index, decoder_);
    wanted_ = 0;
    mid_packet_ = input_.size() != 0;
  }

  /// Forgets the bytes that are left, and gives the memory back: no packets are to come.
  void drop() {
    drop_everything();
    decoder_ = {};
    input_.release();
  }

  /// Gives the memory back if no byte is kept.
  void release() noexcept { input_.release(); }

  /// Whether the peer has begun a packet and not finished it.
  bool mid_packet() const noexcept { return mid_packet_ || skip_ != 0; }

  /// The bytes received and not yet taken.
  Bytes pending() const noexcept { return input_.readable(); }

  /// Whether the stream ended inside a packet, and was not just ended between two: errc::truncated.
  /// @pre next() said `ended`
  const std::optional<Error>& truncated() const noexcept { return truncated_; }

 private:
  // Room beside the payload for a header, separator or line ending.
  static constexpr std::size_t frame_overhead = 64;

  static std::size_t with_overhead(std::size_t limit) noexcept {
    return limit + std::min(frame_overhead, std::numeric_limits<std::size_t>::max() - limit);
  }

  // Of the protocol that decodes: what is fit for peers that logged in is too much for strangers.
  std::size_t limit() const {
    if constexpr (SwitchesProtocol<P>) {
      return std::max(receive_limit_, with_overhead(protocol_->frame_limit(decoder_)));
    } else {
      return std::max(receive_limit_, with_overhead(protocol_->frame_limit()));
    }
  }

  Outcome take(Decoded<packet_type>& decoded, Bytes bytes, Slot& slot) {
    mid_packet_ = false;
    wanted_ = 0;
    if (decoded.has_packet()) {
      slot.packet.emplace(std::move(decoded.value()));
    } else {
      slot.error.emplace(decoded.error().with_peer({}, bytes));
    }
    consume(decoded.consumed());
    return Outcome::packet;
  }

  // Bytes beyond those received are dropped when they arrive.
  void consume(std::uint64_t n) {
    const std::size_t here = static_cast<std::size_t>(std::min<std::uint64_t>(n, input_.size()));
    input_.consume(here);
    skip_ = n - here;
  }

  void drop_everything() {
    input_.consume(input_.size());
    if constexpr (SwitchesProtocol<P>) {
      protocol_->restart(decoder_);
    } else {
      decoder_ = {};
    }
    wanted_ = 0;
    mid_packet_ = false;
  }

  Outcome crash(Slot& slot) {
    ErrorContext context;
    context.cause = std::current_exception();
    try {
      throw;
    } catch (const std::exception& error) {
      context.detail = std::string("the serializer failed on received bytes: ") + error.what();
    } catch (...) {
      context.detail = "the serializer failed on received bytes";
    }
    slot.error.emplace(
        Error(errc::serializer_failed, std::move(context)).with_peer({}, input_.readable()));
    drop_everything();
    return Outcome::packet;
  }

  // It would say the same for ever.
  Outcome stuck(Slot& slot) {
    ErrorContext context;
    context.detail = "the serializer made a packet, or an error, of no bytes";
    slot.error.emplace(
        Error(errc::serializer_failed, std::move(context)).with_peer({}, input_.readable()));
    drop_everything();
    return Outcome::packet;
  }

  // The serializer has no limit of its own, or does not keep it.
  Outcome overrun(Slot& slot) {
    ErrorContext context;
    context.detail = "the serializer finds no packet in the bytes received";
    context.size = std::max(input_.size(), wanted_);
    context.limit = limit();
    slot.error.emplace(Error(errc::too_large, std::move(context)).with_peer({}, input_.readable()));
    drop_everything();
    return Outcome::packet;
  }

  // The stream has ended: the rest may be a packet still.
  Outcome finish(Slot& slot) {
    if (skip_ != 0) {
      truncate("the stream ended inside a packet that was too large");
    } else if (input_.size() != 0) {
      const Bytes bytes = input_.readable();
      std::optional<Decoded<packet_type>> decoded;
      try {
        decoded.emplace(protocol_->decode_end(bytes, decoder_));
      } catch (...) {
        return crash(slot);
      }
      const bool is_cut = decoded->is_bad() && decoded->error().code() == errc::truncated;
      if (!is_cut && !decoded->needs_more() && decoded->consumed() != 0) {
        return take(*decoded, bytes, slot);  // The rest, if any, is asked for next time.
      }
      if (is_cut) {
        truncated_.emplace(decoded->error().with_peer({}, bytes));
        drop_everything();
      } else if (decoded->is_padding() && decoded->consumed() >= bytes.size()) {
        drop_everything();
      } else {
        truncate("the stream ended inside a packet");
      }
    }
    return Outcome::ended;
  }

  void truncate(const char* detail) {
    ErrorContext context;
    context.detail = detail;
    truncated_.emplace(errc::truncated, std::move(context));
    drop_everything();
    skip_ = 0;
  }

  const P* protocol_;
  std::size_t receive_limit_;
  ReceiveBuffer input_;
  [[no_unique_address]] typename P::decoder_state decoder_{};
  std::size_t wanted_ = 0;     // How many bytes the decoder wants to see before it is asked again.
  std::uint64_t skip_ = 0;     // Bytes of a bad packet still to come.
  std::size_t last_size_ = 0;  // of the last commit
  bool mid_packet_ = false;
  bool ended_ = false;
  std::optional<Error> truncated_;
};

}  // namespace cowire
