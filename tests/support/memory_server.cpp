// SPDX-License-Identifier: BSL-1.0
#include "support/memory_server.hpp"

namespace {

cowire::ServerOptions with_logger(cowire::ServerOptions options, const Records& records) {
  options.logger = records.logger();
  return options;
}

}  // namespace

MemoryServer::MemoryServer(Script script, cowire::ServerOptions options)
    : server(std::in_place, io.get_executor(), Lines{}, std::move(script),
             with_logger(std::move(options), records)) {
  server->add_listener(door);
}

template class cowire::detail::ServerState<Lines, Script, cowire::testing::ManualClock>;
template class cowire::Server<Lines, Script, cowire::testing::ManualClock>;
