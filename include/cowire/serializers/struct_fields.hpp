// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/serializer.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

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

template <class T>
inline constexpr bool needs_prefix = false;
template <>
inline constexpr bool needs_prefix<std::string> = true;
template <class T>
inline constexpr bool needs_prefix<std::vector<T>> = true;
template <class T, std::size_t N>
inline constexpr bool needs_prefix<std::array<T, N>> = needs_prefix<T>;
template <class T>
inline constexpr bool needs_prefix<std::optional<T>> = needs_prefix<T>;

}  // namespace detail

/// The members of T that are packed, in their order. By default T's own list `T::fields`; a
/// specialisation gives one to a type that cannot be changed:
///
///     template <>
///     inline constexpr auto cowire::struct_fields<Point> = std::tuple{&Point::x, &Point::y};
template <class T>
inline constexpr auto struct_fields = detail::own_fields<T>();

/// How the length of a string or vector in a struct is written.
struct Prefix {
  std::size_t width = 4;                    ///< The bytes of the length: 1, 2, 4 or 8.
  std::size_t limit = default_frame_limit;  ///< The most characters or elements.
};

/// A member with a length in front of it; see prefixed().
template <class T, class Member>
struct PrefixedField {
  Member T::* member;
  Prefix outer;
  Prefix inner;
};

/// A string or vector in a list of fields: its length comes first.
///
///     std::tuple{&Order::id, prefixed(&Order::customer, {.width = 1, .limit = 40})}
///
/// `inner` is for strings and vectors inside of a vector.
template <class T, class Member>
constexpr PrefixedField<T, Member> prefixed(Member T::* member, Prefix outer = {},
                                            Prefix inner = {}) {
  static_assert(detail::needs_prefix<Member>,
                "only strings, vectors, and arrays and optionals of these have a length");
  return {member, outer, inner};
}

}  // namespace cowire
