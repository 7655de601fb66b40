// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/limits.hpp"
#include "cowire/logger.hpp"
#include "cowire/protocol.hpp"
#include "cowire/server_stats.hpp"

#include <memory>
#include <utility>

namespace cowire {

/// What the connections of one server, or one client, have in common.
template <Protocol P>
struct ConnectionContext {
  P protocol;
  Limits limits;
  Logger logger;
  BlockPool pool;
  ServerStats stats = {};  // A client's are not looked at.
};

namespace detail {

// The common part of connections, with limits that make sense together.
template <Protocol P>
std::shared_ptr<ConnectionContext<P>> make_context(P protocol, const Limits& limits,
                                                   Logger logger) {
  return std::shared_ptr<ConnectionContext<P>>(new ConnectionContext<P>{
      std::move(protocol), within_bounds(limits), std::move(logger), {}, {}});
}

}  // namespace detail

}  // namespace cowire
