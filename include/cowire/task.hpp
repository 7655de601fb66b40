// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

namespace cowire {

/// A piece of asynchronous work: Asio's own coroutine type, under a name of this library.
///
/// Hooks, client operations and background work are tasks. They are awaited in other tasks and in
/// generators, or started with `asio::co_spawn` or a TaskGroup.
template <class T = void>
using Task = asio::awaitable<T, asio::any_io_executor>;

}  // namespace cowire
