// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <ranges>

namespace cowire::detail {

// Whether packets are views into the bytes given to the serializer: std::string_view, std::span.
// Where those bytes are made for the call, such packets would dangle.
template <class S>
inline constexpr bool is_view_packet = std::ranges::view<typename S::received_packet> &&
                                       std::ranges::borrowed_range<typename S::received_packet>;

}  // namespace cowire::detail
