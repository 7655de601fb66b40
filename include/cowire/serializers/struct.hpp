// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cowire {

namespace detail {

struct NoFields {};

template <class T>
constexpr auto own_fields() {
  if constexpr (requires { T::fields; }) {
    return T::fields;
  } else {
    return NoFields{};
  }
}

}  // namespace detail

/// The members of T that are packed, in their order. By default T's own list `T::fields`; a
/// specialisation gives one to a type that cannot be changed:
///
///     template <>
///     inline constexpr auto cowire::struct_fields<Point> = std::tuple{&Point::x, &Point::y};
template <class T>
inline constexpr auto struct_fields = detail::own_fields<T>();

namespace detail {

template <class T>
concept PackedInteger = (std::integral<T> || std::is_enum_v<T>) && sizeof(T) <= 8;

template <class T>
concept PackedFloat = std::floating_point<T> && std::numeric_limits<T>::is_iec559 &&
                      (sizeof(T) == 4 || sizeof(T) == 8);

template <class T>
using FieldList = std::remove_cvref_t<decltype(struct_fields<T>)>;

template <class T>
concept HasFields = !std::same_as<FieldList<T>, NoFields>;

/// How one type is packed: its size, and both directions.
template <class T>
struct Pack;  // Incomplete for what cannot be packed: pointers, strings, structs without fields.

template <class T, class Member>
Member member_type(Member T::*);

/// A struct as the given members, one after the other.
template <class T, auto... Members>
struct PackMembers {
  static constexpr std::size_t size =
      (std::size_t{0} + ... + Pack<decltype(member_type(Members))>::size);

  static std::byte* put(const T& value, std::byte* to, std::endian order) {
    ((to = Pack<decltype(member_type(Members))>::put(value.*Members, to, order)), ...);
    return to;
  }

  static const std::byte* get(T& value, const std::byte* from, std::endian order) {
    ((from = Pack<decltype(member_type(Members))>::get(value.*Members, from, order)), ...);
    return from;
  }
};

/// The PackMembers of T's list of fields.
template <class T, std::size_t... I>
PackMembers<T, std::get<I>(struct_fields<T>)...> pack_listed(std::index_sequence<I...>);

template <HasFields T>
struct Pack<T>
    : decltype(pack_listed<T>(std::make_index_sequence<std::tuple_size_v<FieldList<T>>>{})) {};

template <PackedInteger T>
struct Pack<T> {
  static constexpr std::size_t size = sizeof(T);

  static std::byte* put(T value, std::byte* to, std::endian order) noexcept {
    write_uint({to, size}, static_cast<std::uint64_t>(value), size, order);
    return to + size;
  }

  static const std::byte* get(T& value, const std::byte* from, std::endian order) {
    const std::uint64_t bits = read_uint({from, size}, size, order);
    if constexpr (std::same_as<T, bool>) {
      if (bits > 1) {
        ErrorContext context;
        context.detail = "a bool field is " + std::to_string(bits) + " instead of 0 or 1";
        throw Error(errc::malformed, std::move(context));
      }
    }
    value = static_cast<T>(bits);
    return from + size;
  }
};

template <PackedFloat T>
struct Pack<T> {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  static constexpr std::size_t size = sizeof(T);

  static std::byte* put(T value, std::byte* to, std::endian order) noexcept {
    return Pack<Bits>::put(std::bit_cast<Bits>(value), to, order);
  }

  static const std::byte* get(T& value, const std::byte* from, std::endian order) {
    Bits bits = 0;
    from = Pack<Bits>::get(bits, from, order);
    value = std::bit_cast<T>(bits);
    return from;
  }
};

template <class T, std::size_t N>
struct Pack<std::array<T, N>> {
  static constexpr std::size_t size = N * Pack<T>::size;

  static std::byte* put(const std::array<T, N>& values, std::byte* to, std::endian order) {
    for (const T& value : values) {
      to = Pack<T>::put(value, to, order);
    }
    return to;
  }

  static const std::byte* get(std::array<T, N>& values, const std::byte* from, std::endian order) {
    for (T& value : values) {
      from = Pack<T>::get(value, from, order);
    }
    return from;
  }
};

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
/// The members may be named by `fields`, by a specialisation of `struct_fields`, or in place.
/// Fields may be integers, `bool`, enums, `float`, `double`, a `std::array` of these, and structs
/// that have a list of fields themselves. Their order is the list's, their byte order the network's
/// (big endian) unless the constructor is told otherwise. Use types of a fixed width: a `long` has
/// not the same size everywhere. Enums are not checked: a received one may be none of its names.
///
/// `FixedSize{StructSerializer<Point>{}}` makes a stream of them.
template <std::default_initializable T, auto... Members>
class StructSerializer {
  static_assert(sizeof...(Members) != 0 || detail::HasFields<T>,
                "say which members to pack: StructSerializer<T, &T::a, &T::b>, or in T: "
                "static constexpr auto fields = std::tuple{&T::a, &T::b};");
  using Packing = std::conditional_t<sizeof...(Members) != 0, detail::PackMembers<T, Members...>,
                                     detail::Pack<T>>;

 public:
  using sent_packet = T;
  using received_packet = T;

  /// The bytes of every packet.
  static constexpr std::size_t packed_size = Packing::size;

  explicit StructSerializer(std::endian order = std::endian::big) noexcept : order_(order) {}

  /// Appends the fields.
  void serialize(const T& packet, OutputBuffer& out) const {
    Packing::put(packet, out.prepare(packed_size).data(), order_);
    out.commit(packed_size);
  }

  /// @throws Error malformed: the size is not `packed_size`, or a bool is neither 0 nor 1.
  T deserialize(Bytes bytes) const {
    if (bytes.size() != packed_size) [[unlikely]] {
      ErrorContext context;
      context.detail = "the struct has " + std::to_string(packed_size) + " bytes";
      context.size = bytes.size();
      throw Error(errc::malformed, std::move(context));
    }
    T packet{};
    Packing::get(packet, bytes.data(), order_);
    return packet;
  }

 private:
  std::endian order_;
};

}  // namespace cowire
