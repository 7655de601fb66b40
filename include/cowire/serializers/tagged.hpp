// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/serializer.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>

namespace cowire {

/// A serializer with the tag byte of its packets, for Tagged.
template <std::uint8_t Number, Serializer S>
struct Tag {
  using serializer = S;
  static constexpr std::uint8_t number = Number;  ///< The first byte of the packet.

  S inner{};
};

/// One-shot: packets of several types, a byte in front says which.
///
///     using Login = StructSerializer<LoginPacket>;
///     using Chat = Text<>;
///     LengthPrefixed<Tagged<Tag<1, Login>, Tag<7, Chat>>>
///
///     00 00 00 03 07 'h' 'i'    <->    std::variant<LoginPacket, std::string>: "hi"
///
/// The handler visits the `std::variant`. What the alternatives can be made of can be sent without
/// one. Malformed: no byte, or a tag that none has.
template <class... Tags>
class Tagged {
  static constexpr std::array<std::uint8_t, sizeof...(Tags)> numbers{Tags::number...};

  static constexpr bool all_differ() {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (numbers[i] == numbers[j]) {
          return false;
        }
      }
    }
    return true;
  }
  static_assert(sizeof...(Tags) > 0 && all_differ(), "each Tag needs a number of its own");

 public:
  using sent_packet = std::variant<typename Tags::serializer::sent_packet...>;
  using received_packet = std::variant<typename Tags::serializer::received_packet...>;

  Tagged() = default;
  /// With serializers that have options: `Tagged{Tag<1, Text<>>{Text<>{options}}, ...}`.
  explicit Tagged(Tags... tags)
    requires(sizeof...(Tags) > 0)
      : tags_(std::move(tags)...) {}

  /// Appends the tag and the packet.
  /// @throws Error not_sendable: the variant is valueless. And what the inner serializer throws.
  void serialize(const sent_packet& packet, OutputBuffer& out) const {
    if (packet.valueless_by_exception()) {
      throw Error(errc::not_sendable, "the variant is valueless by exception");
    }
    serialize(packet, out, std::index_sequence_for<Tags...>{});
  }

  /// @throws Error malformed: no byte, or a tag that none has. And what the inner serializer
  /// throws.
  received_packet deserialize(Bytes bytes) const {
    if (bytes.empty()) {
      throw malformed("a packet without a tag");
    }
    return deserialize(std::to_integer<std::uint8_t>(bytes[0]), bytes.subspan(1),
                       std::index_sequence_for<Tags...>{});
  }

 private:
  template <std::size_t... I>
  void serialize(const sent_packet& packet, OutputBuffer& out,
                 std::index_sequence<I...> /*tags*/) const {
    out.append(std::byte{numbers[packet.index()]});
    ((packet.index() == I ? std::get<I>(tags_).inner.serialize(*std::get_if<I>(&packet), out)
                          : void()),
     ...);
  }

  template <std::size_t... I>
  received_packet deserialize(std::uint8_t number, Bytes rest,
                              std::index_sequence<I...> /*tags*/) const {
    std::optional<received_packet> packet;
    ((numbers[I] == number
          ? void(packet.emplace(std::in_place_index<I>, std::get<I>(tags_).inner.deserialize(rest)))
          : void()),
     ...);
    if (!packet) {
      std::string known;
      ((known += (known.empty() ? "" : ", ") + std::to_string(Tags::number)), ...);
      throw malformed("the tag " + std::to_string(number) + " is none of " + known);
    }
    return *std::move(packet);
  }

  static Error malformed(std::string detail) {
    ErrorContext context;
    context.detail = std::move(detail);
    context.position = 0;
    return Error(errc::malformed, std::move(context));
  }

  std::tuple<Tags...> tags_;
};

}  // namespace cowire
