// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/execution_context.hpp>

#include <type_traits>

namespace cowire::detail {

// The executor of an execution context, or the executor itself.
template <class ExecutorOrContext>
auto to_executor(ExecutorOrContext&& given) {
  if constexpr (std::is_convertible_v<ExecutorOrContext&, asio::execution_context&>) {
    return given.get_executor();
  } else {
    return std::decay_t<ExecutorOrContext>(given);
  }
}

}  // namespace cowire::detail
