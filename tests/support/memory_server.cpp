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

void Guest::read(const std::shared_ptr<State>& state) {
  state->end.async_read_some(asio::buffer(state->buffer),
                             [weak = std::weak_ptr(state)](std::error_code ec, std::size_t n) {
                               if (const auto self = weak.lock()) {
                                 self->heard.append(self->buffer, n);
                                 if (ec) {
                                   self->ended = ec;
                                 } else {
                                   read(self);
                                 }
                               }
                             });
}

void Guest::write(const std::shared_ptr<State>& state) {
  state->writing = true;
  state->end.async_write_some(asio::buffer(state->to_write),
                              [weak = std::weak_ptr(state)](std::error_code ec, std::size_t n) {
                                if (const auto self = weak.lock()) {
                                  self->writing = false;
                                  self->to_write.erase(0, n);
                                  if (!ec && !self->to_write.empty()) {
                                    write(self);
                                  }
                                }
                              });
}

template class cowire::detail::ServerState<Lines, Script, cowire::testing::ManualClock>;
template class cowire::Server<Lines, Script, cowire::testing::ManualClock>;
