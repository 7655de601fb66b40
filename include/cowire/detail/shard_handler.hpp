// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/handler.hpp"
#include "cowire/protocol.hpp"

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace cowire::detail {

// What makes the handler of each thread, given its number.
template <class F, class P>
concept HandlerFactory = !Handler<F, P> && std::invocable<F&, std::size_t> &&
                         Handler<std::invoke_result_t<F&, std::size_t>, P>;

template <class P, class H>
struct ShardHandler {
  using type = H;
};
template <class P, class F>
  requires HandlerFactory<F, P>
struct ShardHandler<P, F> {
  using type = std::invoke_result_t<F&, std::size_t>;
};

// The handler of one thread: made for it, or a copy.
template <class P, class H>
auto make_shard_handler(H& handler, std::size_t shard) {
  if constexpr (HandlerFactory<H, P>) {
    return handler(shard);
  } else {
    static_assert(check_handler<H, P>());
    static_assert(std::copy_constructible<H>,
                  "each thread has a handler of its own: make the handler copyable, or give a "
                  "function that makes one, as [](std::size_t shard) { return Handler{...}; }");
    return H(handler);
  }
}

}  // namespace cowire::detail
