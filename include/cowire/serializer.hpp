// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/framing.hpp"

#include <concepts>
#include <cstddef>
#include <vector>

namespace cowire {

/// Whether a serializer can write a `Packet`: its `sent_packet`, or another type that it takes.
template <class S, class Packet>
concept Writes =
    requires(const S& s, const Packet& packet, OutputBuffer& out) { s.serialize(packet, out); };

/// Turns one packet into bytes and back, given all the bytes of that packet.
///
/// For a const serializer `s`, a packet `p`, all the bytes `b` of one packet, an output `out`:
///
///     expression          result                 meaning
///     S::sent_packet      type                   what is written
///     S::received_packet  type                   what is read; may be a view into the input
///     s.serialize(p,out)                         appends p's bytes to out; throws Error
///                                                not_sendable if p cannot be written
///     s.deserialize(b)    S::received_packet     the packet; throws Error malformed
///
/// Laws: where both packet types are one type, `deserialize(bytes of p) == p`. A serializer is
/// shared by all connections: it is const, and keeps nothing of a packet. After a throwing
/// `serialize` the caller takes back what was appended.
///
/// A `Serializer` does not know where a packet ends in a stream. Wrapped in `LengthPrefixed`,
/// `Separated` or `FixedSize` it becomes a `StreamSerializer`.
template <class S>
concept Serializer =
    requires(const S& s, const typename S::sent_packet& packet, OutputBuffer& out, Bytes bytes) {
      typename S::sent_packet;
      typename S::received_packet;
      s.serialize(packet, out);
      { s.deserialize(bytes) } -> std::convertible_to<typename S::received_packet>;
    };

/// Turns packets into a stream of bytes and finds them again in the stream, however it is cut.
///
/// For a const serializer `s`, a packet `p`, bytes `b`, an output `out`, a state `m`:
///
///     expression          result                 meaning
///     S::sent_packet      type                   what is written
///     S::received_packet  type                   what is read; may be a view into the input
///     S::decoder_state    type                   what to remember of one stream between two
///                                                calls, default constructed at its start;
///                                                movable
///     s.serialize(p,out)                         appends p's bytes, its end marked
///     s.decode(b, m)      Decoded<received_      looks at all the bytes received and not yet
///                         packet>                consumed: less than a packet, a packet, or bad
///     s.decode_end(b, m)  the same; optional     asked once after the last byte, if bytes are
///                                                left: is that a packet? Without it they are
///                                                errc::truncated
///     s.frame_limit()     std::size_t; optional  the most bytes a frame may have; the connection
///                                                makes room for it
///
/// Laws:
///   * `decode(bytes of p followed by anything)` is p and consumes exactly the bytes of p.
///   * `decode` of a proper prefix of a frame is `need_more` (or `bad`, if no packet starts so). It
///     keeps the bytes until all of the frame is there, or nobody is told if the stream ends
///     inside.
///   * The same packets and errors come out however the stream is cut.
///   * The sum of the work is linear in the bytes, also when they come one at a time: remember in
///     the state what was scanned. After a packet or a bad frame the state is as at the start,
///     unless a bad frame's rest is still to be skipped.
///   * Sizes are checked before the bytes are buffered: an attacker chooses them.
template <class S>
concept StreamSerializer =
    std::default_initializable<typename S::decoder_state> &&
    std::movable<typename S::decoder_state> &&
    requires(const S& s, const typename S::sent_packet& packet, OutputBuffer& out, Bytes bytes,
             typename S::decoder_state& state) {
      typename S::sent_packet;
      typename S::received_packet;
      s.serialize(packet, out);
      { s.decode(bytes, state) } -> std::same_as<Decoded<typename S::received_packet>>;
    };

/// The frame limit of serializers that are not told otherwise: 64 KiB of payload.
inline constexpr std::size_t default_frame_limit = 64 * 1024;

/// The bytes of one packet, for other purposes than streams: files, caches, datagrams.
///
///     const std::vector<std::byte> bytes = to_bytes(serializer, packet);
///     const auto again = from_bytes(serializer, bytes);
///
/// @throws Error what the serializer throws: not_sendable, too_large.
template <class S, class Packet = typename S::sent_packet>
  requires Serializer<S>
std::vector<std::byte> to_bytes(const S& serializer, const Packet& packet) {
  BlockPool pool;
  OutputBuffer out(pool);
  serializer.serialize(packet, out);
  return {out.readable().begin(), out.readable().end()};
}

/// The packet of all these bytes.
///
/// @throws Error malformed, or what else the serializer throws.
/// @lifetime Packets that are views are views into `bytes`.
template <class S>
  requires Serializer<S>
typename S::received_packet from_bytes(const S& serializer, Bytes bytes) {
  return serializer.deserialize(bytes);
}

/// Whether a stream serializer makes something of bytes that the end of the stream cut short.
template <class S>
concept DecodesEnd =
    StreamSerializer<S> && requires(const S& s, Bytes bytes, typename S::decoder_state& state) {
      { s.decode_end(bytes, state) } -> std::same_as<Decoded<typename S::received_packet>>;
    };

/// Whether a stream serializer states the size of its largest frame.
template <class S>
concept HasFrameLimit = requires(const S& s) {
  { s.frame_limit() } -> std::convertible_to<std::size_t>;
};

}  // namespace cowire
