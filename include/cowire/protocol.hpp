// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/converter.hpp"
#include "cowire/serializer.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace cowire {

/// How the bytes of a connection become the packets that a handler sees: what `Server` and
/// `Client` are made with. `StreamProtocol` is the one that most programs use.
///
/// For a const protocol `p`, a packet `q`, bytes `b`, an output `out`, a state `m`:
///
///     expression          result                    meaning
///     P::sent_packet      type                      what send_packet() takes
///     P::received_packet  type                      what the handler receives
///     P::decoder_state    type                      what to remember of one stream; movable
///     p.serialize(q, out)                           appends q's bytes; throws if it cannot
///     p.decode(b, m)      Decoded<received_packet>  as StreamSerializer
///     p.decode_end(b, m)  Decoded<received_packet>  as StreamSerializer; `bad` with
///                                                   errc::truncated if the rest is no packet
///     p.frame_limit()     std::size_t               the most bytes a frame may have, 0: not known
template <class P>
concept Protocol = std::default_initializable<typename P::decoder_state> &&
                   std::movable<typename P::decoder_state> &&
                   requires(const P& p, const typename P::sent_packet& packet, OutputBuffer& out,
                            Bytes bytes, typename P::decoder_state& state) {
                     p.serialize(packet, out);
                     {
                       p.decode(bytes, state)
                     } -> std::same_as<Decoded<typename P::received_packet>>;
                     {
                       p.decode_end(bytes, state)
                     } -> std::same_as<Decoded<typename P::received_packet>>;
                     { p.frame_limit() } -> std::convertible_to<std::size_t>;
                   };

/// Whether a connection can go on with another protocol than it began with: SwitchableProtocol.
template <class P>
concept SwitchesProtocol =
    Protocol<P> && requires(const P& p, std::size_t index, typename P::decoder_state& state) {
      p.switch_to(index, state);
      p.restart(state);
      { p.frame_limit(std::as_const(state)) } -> std::convertible_to<std::size_t>;
    };

/// Stands for "no converter": the handler sees what the serializer carries.
struct NoConverter {};

namespace detail {

template <class Serializer, class Converter>
struct PacketTypes {
  using sent = typename Converter::sent_packet;
  using received = typename Converter::received_packet;
};
template <class Serializer>
struct PacketTypes<Serializer, NoConverter> {
  using sent = typename Serializer::sent_packet;
  using received = typename Serializer::received_packet;
};

}  // namespace detail

/// A serializer, and optionally a converter between its data and the packets of the program.
///
///     StreamProtocol{LineSerializer{}}               // std::string packets, a line each
///     StreamProtocol{LineSerializer{}, converter}    // the program's own packets, a line each
///
/// Copyable if its parts are. Const, and so usable by any number of connections at once.
template <StreamSerializer S, class C = NoConverter>
  requires std::same_as<C, NoConverter> || Converter<C, S>
class StreamProtocol {
 public:
  using sent_packet = typename detail::PacketTypes<S, C>::sent;
  using received_packet = typename detail::PacketTypes<S, C>::received;
  using decoder_state = typename S::decoder_state;

  explicit StreamProtocol(S serializer = S{}, C converter = C{})
      : serializer_(std::move(serializer)), converter_(std::move(converter)) {}

  const S& serializer() const noexcept { return serializer_; }

  /// Appends the bytes of one packet.
  ///
  /// Takes whatever the serializer takes, as a std::string_view for a text serializer, so that
  /// no packet object is made just to be written.
  /// @throws Error not_sendable, too_large; and whatever the converter throws.
  template <class Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    if constexpr (!std::same_as<C, NoConverter>) {
      serializer_.serialize(converter_.to_wire(packet), out);
    } else if constexpr (requires { serializer_.serialize(packet, out); }) {
      serializer_.serialize(packet, out);
    } else {
      serializer_.serialize(sent_packet(packet), out);
    }
  }

  /// The first packet in the bytes received so far; see Decoded.
  Decoded<received_packet> decode(Bytes bytes, decoder_state& state) const {
    return convert(serializer_.decode(bytes, state));
  }

  /// What the bytes that were left when the stream ended are.
  Decoded<received_packet> decode_end(Bytes bytes, decoder_state& state) const {
    if constexpr (DecodesEnd<S>) {
      return convert(serializer_.decode_end(bytes, state));
    } else {
      ErrorContext context;
      context.detail = "the stream ended inside a packet";
      context.size = bytes.size();
      return Decoded<received_packet>::bad(Error(errc::truncated, std::move(context)),
                                           bytes.size());
    }
  }

  /// The serializer's frame limit, or 0 if it states none.
  std::size_t frame_limit() const noexcept {
    if constexpr (HasFrameLimit<S>) {
      return serializer_.frame_limit();
    } else {
      return 0;
    }
  }

 private:
  using Data = typename S::received_packet;

  Decoded<received_packet> convert(Decoded<Data> decoded) const {
    if constexpr (std::same_as<C, NoConverter>) {
      return decoded;
    } else {
      const std::uint64_t consumed = decoded.consumed();
      try {
        return std::move(decoded).transform(
            [this](Data&& data) { return received_packet(converter_.from_wire(std::move(data))); });
      } catch (const Error& error) {
        return Decoded<received_packet>::bad(error, consumed);
      }
    }
  }

  [[no_unique_address]] S serializer_;
  [[no_unique_address]] C converter_;
};

}  // namespace cowire
