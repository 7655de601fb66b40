// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/protocol.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace cowire {

/// Several protocols, one after the other on one connection: text that becomes binary, a greeting
/// that chooses a version, an "Upgrade".
///
///     using Phases = SwitchableProtocol<StreamProtocol<LineSerializer<>>,      // 0: at first
///                                       StreamProtocol<LengthPrefixed<Text<>>>>;  // 1
///
///     received     "binary\n" 00 00 00 02 'h' 'i'
///     packets      variant<0>: "binary"; then, after client.switch_protocol(1), variant<1>: "hi"
///
/// Packets are `std::variant`s, an alternative for each protocol. What is received is decoded by
/// the protocol that Peer::switch_protocol() or Client::switch_protocol() named last; bytes that
/// came before, and belong to no packet yet, go to the new one. What is sent is written by the
/// protocol whose alternative it is, so that an agreement in the old language can be followed by
/// packets in the new one at once: each direction has its own moment.
///
/// Where two protocols have packets of one type, as here, say by number which is meant:
/// `Phases::sent_packet(std::in_place_index<1>, "hi")`, and `std::get<1>(packet)`.
template <Protocol... Ps>
  requires(sizeof...(Ps) > 0)
class SwitchableProtocol {
  static_assert((!SwitchesProtocol<Ps> && ...),
                "nobody could switch a SwitchableProtocol inside of another: list all of the "
                "protocols in one");

 public:
  using sent_packet = std::variant<typename Ps::sent_packet...>;
  using received_packet = std::variant<typename Ps::received_packet...>;
  struct decoder_state {
    std::size_t current = 0;  ///< Which protocol decodes.
    bool restarts = false;    ///< At the next call, with a state that is new.
    std::variant<typename Ps::decoder_state...> state;
  };

  explicit SwitchableProtocol(Ps... protocols) : protocols_(std::move(protocols)...) {}
  SwitchableProtocol()
    requires(std::default_initializable<Ps> && ...)
  = default;

  /// Appends the packet, as the protocol of its alternative does.
  /// @throws Error not_sendable: the variant is valueless. And what that protocol throws.
  void serialize(const sent_packet& packet, OutputBuffer& out) const {
    if (packet.valueless_by_exception()) {
      throw Error(errc::not_sendable, "the variant is valueless by exception");
    }
    with(packet.index(), [&]<std::size_t I>(const auto& protocol, Number<I>) {
      protocol.serialize(*std::get_if<I>(&packet), out);
    });
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& state) const {
    return decode_by(state, [&](const auto& protocol, auto& its_state) {
      return protocol.decode(bytes, its_state);
    });
  }

  Decoded<received_packet> decode_end(Bytes bytes, decoder_state& state) const {
    return decode_by(state, [&](const auto& protocol, auto& its_state) {
      return protocol.decode_end(bytes, its_state);
    });
  }

  /// The largest of the limits that the protocols state.
  std::size_t frame_limit() const noexcept {
    return std::apply(
        [](const Ps&... each) {
          return std::max({static_cast<std::size_t>(each.frame_limit())...});
        },
        protocols_);
  }

  /// That of the protocol that decodes.
  std::size_t frame_limit(const decoder_state& state) const noexcept {
    std::size_t limit = 0;
    with(state.current, [&limit]<std::size_t I>(const auto& protocol, Number<I>) {
      limit = static_cast<std::size_t>(protocol.frame_limit());
    });
    return limit;
  }

  /// From the next call on, protocol `index` decodes: for connections, see Peer::switch_protocol().
  /// @throws Error invalid_argument: there are not so many.
  void switch_to(std::size_t index, decoder_state& state) const {
    if (index >= sizeof...(Ps)) {
      throw Error(errc::invalid_argument, "there is no protocol " + std::to_string(index) +
                                              ": they are numbered 0 to " +
                                              std::to_string(sizeof...(Ps) - 1));
    }
    state.current = index;
    restart(state);
  }

  /// The current protocol begins anew. (At the next call: its last packet may be a view into its
  /// state.)
  void restart(decoder_state& state) const noexcept { state.restarts = true; }

 private:
  template <std::size_t I>
  using Number = std::integral_constant<std::size_t, I>;

  template <class F>
  void with(std::size_t index, F f) const {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((index == I ? f(std::get<I>(protocols_), Number<I>{}) : void()), ...);
    }(std::index_sequence_for<Ps...>{});
  }

  template <class Decode>
  Decoded<received_packet> decode_by(decoder_state& state, Decode decode) const {
    std::optional<Decoded<received_packet>> answer;
    with(state.current, [&]<std::size_t I>(const auto& protocol, Number<I>) {
      if (state.restarts || state.state.index() != I) {
        state.state.template emplace<I>();  // If this throws, the next call tries again.
        state.restarts = false;
      }
      answer.emplace(decode(protocol, *std::get_if<I>(&state.state)).transform([](auto&& packet) {
        return received_packet(std::in_place_index<I>, std::forward<decltype(packet)>(packet));
      }));
    });
    return *std::move(answer);
  }

  std::tuple<Ps...> protocols_;
};

}  // namespace cowire
