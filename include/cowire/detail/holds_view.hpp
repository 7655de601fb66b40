// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <ranges>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace cowire::detail {

// Whether T is a view, or may hold one: std::string_view, std::span, and variants, optionals,
// pairs, tuples, arrays and vectors of these. Structs cannot be looked into.
template <class T>
inline constexpr bool holds_view = std::ranges::view<T> && std::ranges::borrowed_range<T>;
template <class... T>
inline constexpr bool holds_view<std::variant<T...>> = (holds_view<T> || ...);
template <class... T>
inline constexpr bool holds_view<std::tuple<T...>> = (holds_view<T> || ...);
template <class A, class B>
inline constexpr bool holds_view<std::pair<A, B>> = holds_view<A> || holds_view<B>;
template <class T>
inline constexpr bool holds_view<std::optional<T>> = holds_view<T>;
template <class T, std::size_t N>
inline constexpr bool holds_view<std::array<T, N>> = holds_view<T>;
template <class T>
inline constexpr bool holds_view<std::vector<T>> = holds_view<T>;

// Whether packets are views into the bytes given to the serializer. Where those bytes are made for
// the call, such packets would dangle.
template <class S>
inline constexpr bool is_view_packet = holds_view<typename S::received_packet>;

}  // namespace cowire::detail
