// expect: a Generator cannot co_await this
// SPDX-License-Identifier: BSL-1.0
// Only operations of cowire, tasks, and operations made with cowire::deferred can be awaited.
#include "cowire/generator.hpp"

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <string>

struct NoOperation {};

cowire::Generator<std::string> talk(asio::steady_timer& timer) {
#ifdef CONTROL
  co_await timer.async_wait(cowire::deferred);
#else
  timer.cancel();
  co_await NoOperation{};
#endif
}
