// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/pack.hpp"

#include <bit>
#include <concepts>
#include <cstddef>
#include <source_location>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cowire::detail {

// The name of the member, as the compiler spells this function; empty where it does not.
//     g++      ... [with auto Field = &Point::x; std::string_view = ...]
//     clang    ... [Field = &Point::x]
//     prefixed ... Field = PrefixedField<Point, int>{&Point::x, Prefix{...
template <auto Field>
constexpr std::string_view member_name() {
  std::string_view text = std::source_location::current().function_name();
  const std::size_t start = text.find("Field = ");
  const std::size_t ampersand = start == npos ? npos : text.find('&', start);
  if (ampersand == npos) {
    return {};
  }
  text = text.substr(ampersand, text.find_first_of(",;]", ampersand) - ampersand);
  const std::size_t colon = text.rfind(':');
  return colon == npos ? std::string_view{} : text.substr(colon + 1);
}

// For errors: the member's name, else its number in the list.
template <auto Field>
std::string field_label(std::size_t index) {
  constexpr std::string_view name = member_name<Field>();
  return name.empty() ? "#" + std::to_string(index + 1) : std::string(name);
}

template <class T, class Member>
constexpr auto member_of(Member T::* member) {
  return member;
}
template <class T, class Member>
constexpr auto member_of(const PrefixedField<T, Member>& field) {
  return field.member;
}

template <class T, class Member>
constexpr PackRules rules_of(Member T::* /*member*/, std::endian order) {
  return {order, {}, {}};
}
template <class T, class Member>
constexpr PackRules rules_of(const PrefixedField<T, Member>& field, std::endian order) {
  return {order, field.outer, field.inner};
}

constexpr bool is_width(std::size_t width) {
  return width == 1 || width == 2 || width == 4 || width == 8;
}

template <class T, class Member>
Member member_type_of(Member T::*);
template <class T, class Member>
Member member_type_of(const PrefixedField<T, Member>&);

// One entry of a list of fields.
template <auto Field>
struct PackField {
  using Member = decltype(member_type_of(Field));
  static constexpr bool declared = !std::is_member_pointer_v<decltype(Field)>;
  static constexpr PackRules rules = rules_of(Field, std::endian::big);
  static_assert(declared || !needs_prefix<Member>,
                "say how the length of a string or vector is written: "
                "prefixed(&T::member, {.width = 2})");
  static_assert(is_width(rules.outer.width) && is_width(rules.inner.width),
                "the width of a length must be 1, 2, 4 or 8 bytes");
  static constexpr bool fixed = Pack<Member>::fixed;
};

// The byte order that T declares, or that of what it is in.
template <class T>
constexpr std::endian order_of(std::endian outer) {
  if constexpr (requires { requires std::same_as<const std::endian, decltype(T::byte_order)>; }) {
    return T::byte_order;
  } else {
    return outer;
  }
}

// Runs f, which reads or writes a member; an error of it says which.
template <auto Field, class F>
void in_member(std::size_t index, F&& f) {
  try {
    f();
  } catch (const Error& error) {
    throw error.in_field(field_label<Field>(index));
  }
}

/// A struct as the given members, one after the other; all of them have a fixed size.
template <bool Fixed, class T, auto... Fields>
struct PackMembersAs {
  static constexpr bool fixed = true;
  static constexpr std::size_t size =
      (std::size_t{0} + ... + Pack<typename PackField<Fields>::Member>::size);

  static std::byte* put(const T& value, std::byte* to, std::endian order) {
    order = order_of<T>(order);
    ((to = Pack<typename PackField<Fields>::Member>::put(value.*member_of(Fields), to, order)),
     ...);
    return to;
  }

  static const std::byte* get(T& value, const std::byte* from, std::endian order) {
    order = order_of<T>(order);
    std::size_t index = 0;
    (in_member<Fields>(index++,
                       [&] {
                         from = Pack<typename PackField<Fields>::Member>::get(
                             value.*member_of(Fields), from, order);
                       }),
     ...);
    return from;
  }
};

/// The same where a member has no fixed size.
template <class T, auto... Fields>
struct PackMembersAs<false, T, Fields...> {
  static constexpr bool fixed = false;
  static constexpr std::size_t least =
      (std::size_t{0} + ... + least_size<typename PackField<Fields>::Member>());

  static void write(const T& value, OutputBuffer& out, const PackRules& outside) {
    const std::endian order = order_of<T>(outside.order);
    std::size_t index = 0;
    (in_member<Fields>(index++,
                       [&] { pack_value(value.*member_of(Fields), out, rules_of(Fields, order)); }),
     ...);
  }

  static void read(T& value, PackInput& in, const PackRules& outside) {
    const std::endian order = order_of<T>(outside.order);
    std::size_t index = 0;
    (in_member<Fields>(
         index++, [&] { unpack_value(value.*member_of(Fields), in, rules_of(Fields, order)); }),
     ...);
  }
};

template <class T, auto... Fields>
using PackMembers = PackMembersAs<(PackField<Fields>::fixed && ...), T, Fields...>;

/// The PackMembers of T's list of fields.
template <class T, std::size_t... I>
PackMembers<T, std::get<I>(struct_fields<T>)...> pack_listed(std::index_sequence<I...>);

template <HasFields T>
struct Pack<T>
    : decltype(pack_listed<T>(std::make_index_sequence<std::tuple_size_v<FieldList<T>>>{})) {};

}  // namespace cowire::detail
