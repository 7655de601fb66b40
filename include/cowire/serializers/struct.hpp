// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/pack.hpp"
#include "cowire/detail/pack_members.hpp"
#include "cowire/error.hpp"
#include "cowire/serializer.hpp"
#include "cowire/serializers/struct_fields.hpp"

#include <bit>
#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

namespace cowire {

namespace detail {

template <class T, auto... Fields>
using PackingOf = typename std::conditional_t<sizeof...(Fields) != 0,
                                              std::type_identity<PackMembers<T, Fields...>>,
                                              std::type_identity<Pack<T>>>::type;

// What a StructSerializer says of its size.
template <class Packing, bool Fixed>
struct PackedSize {
  static constexpr std::size_t packed_size = Packing::size;
};
template <class Packing>
struct PackedSize<Packing, false> {
  static constexpr bool variable_size = true;
};

template <class T, auto... Fields>
constexpr auto packed_size_of() {
  static_assert(sizeof...(Fields) != 0 || HasFields<T>,
                "say which members to pack: StructSerializer<T, &T::a, &T::b>, or in T: "
                "static constexpr auto fields = std::tuple{&T::a, &T::b};");
  if constexpr (sizeof...(Fields) != 0 || HasFields<T>) {
    using Packing = PackingOf<T, Fields...>;
    return PackedSize<Packing, Packing::fixed>{};
  }
}

}  // namespace detail

/// One-shot: a struct whose fields are packed one after the other, without padding.
///
///     struct Point {
///       std::int32_t x;
///       std::uint16_t y;
///       static constexpr auto fields = std::tuple{&Point::x, &Point::y};
///     };
///
///     StructSerializer<Point>                           Point{-2, 258}  <->  ff ff ff fe 01 02
///     StructSerializer<Point, &Point::y, &Point::x>     Point{-2, 258}  <->  01 02 ff ff ff fe
///
///     struct Note {
///       std::string text;
///       std::vector<std::uint16_t> pages;
///       std::optional<Point> place;
///       static constexpr auto fields = std::tuple{
///           prefixed(&Note::text, {.width = 1}), prefixed(&Note::pages), &Note::place};
///     };
///
///     StructSerializer<Note>                 Note{"hi", {7}, {}}  <->  02 68 69 00 00 00 01 00 07
///     00
///
/// The members may be named by `fields`, by a specialisation of `struct_fields`, or in place.
/// Fields may be integers, `bool`, enums, `float`, `double`, `std::string`, a `std::array`,
/// `std::vector` or `std::optional` (after a byte, 0 or 1) of these, and structs that have a list
/// of fields themselves; but not structs that hold themselves. Strings and vectors come after their
/// length, of which `prefixed` says the width and the limit. The byte order is the network's (big
/// endian) unless the constructor is told otherwise, or a struct declares its own, for itself and
/// what is in it: `static constexpr std::endian byte_order = std::endian::little;`. Use types of a
/// fixed width: a `long` has not the same size everywhere. Enums are not checked: a received one
/// may be none of its names.
///
/// A struct without strings, vectors and optionals has the member `packed_size`, the bytes of every
/// packet, and `FixedSize{StructSerializer<Point>{}}` makes a stream of them. Others need
/// `LengthPrefixed`. Errors name the field: "pages[2]", or "#2" where the compiler knows no names.
template <std::default_initializable T, auto... Fields>
class StructSerializer : public decltype(detail::packed_size_of<T, Fields...>()) {
  using Packing = detail::PackingOf<T, Fields...>;

 public:
  using sent_packet = T;
  using received_packet = T;

  explicit StructSerializer(std::endian order = std::endian::big) noexcept : order_(order) {}

  /// Appends the fields.
  /// @throws Error too_large: a string or vector is longer than its prefix allows.
  void serialize(const T& packet, OutputBuffer& out) const {
    if constexpr (Packing::fixed) {
      Packing::put(packet, out.prepare(Packing::size).data(), order_);
      out.commit(Packing::size);
    } else {
      Packing::write(packet, out, {order_, {}, {}});
    }
  }

  /// @throws Error malformed: the fields need more bytes, or fewer, or a bool is neither 0 nor 1.
  /// too_large: a string or vector is longer than its prefix allows.
  T deserialize(Bytes bytes) const {
    T packet{};
    if constexpr (Packing::fixed) {
      if (bytes.size() != Packing::size) [[unlikely]] {
        ErrorContext context;
        context.detail = "the struct has " + std::to_string(Packing::size) + " bytes";
        context.size = bytes.size();
        throw Error(errc::malformed, std::move(context));
      }
      Packing::get(packet, bytes.data(), order_);
    } else {
      detail::PackInput in(bytes);
      Packing::read(packet, in, {order_, {}, {}});
      if (in.left() != 0) [[unlikely]] {
        detail::throw_unpacked(errc::malformed, "there are bytes behind the last field",
                               in.position());
      }
    }
    return packet;
  }

 private:
  std::endian order_;
};

}  // namespace cowire
