// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/connection.hpp"
#include "cowire/limits.hpp"
#include "cowire/logger.hpp"
#include "cowire/protocol.hpp"

#include <memory>
#include <utility>

namespace cowire::detail {

// One connection of a server, as the server sees it.
class SessionBase {
 public:
  virtual ~SessionBase() = default;

  // Ends the session as soon as it is idle: between two packets, everything sent.
  virtual void drain() = 0;

  // Ends the session now: its handler finds errc::cancelled where it waits.
  virtual void cancel() = 0;

  // Ends the session without asking its handler.
  virtual void kill() = 0;

  // Whether its handler, or a hook, still runs or waits, or its last bytes are not sent; else the
  // connection waits for nothing but the peer's end.
  virtual bool is_unfinished() const noexcept = 0;
};

// What the sessions of a server share and call.
//
// The handler is not in the context: a handler that keeps copies of its peers, which keep their
// connections' context, would keep itself.
template <Protocol P, class H>
struct SessionOwner {
  SessionOwner(P protocol, const Limits& limits, Logger logger, H given)
      : context(make_context(std::move(protocol), limits, std::move(logger))),
        handler(std::move(given)) {}
  virtual ~SessionOwner() = default;

  // The session is over; it is forgotten.
  virtual void session_ended(SessionBase& session) = 0;

  std::shared_ptr<ConnectionContext<P>> context;
  H handler;
  bool log_connections = true;
};

}  // namespace cowire::detail
