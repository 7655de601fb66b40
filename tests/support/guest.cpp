// SPDX-License-Identifier: BSL-1.0
#include "support/guest.hpp"

#include <asio/buffer.hpp>

void Guest::read(const std::shared_ptr<State>& state) {
  state->reading = true;
  state->transport.async_read_some(
      asio::buffer(state->buffer),
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

void Guest::write_on(const std::shared_ptr<State>& state) {
  if (state->writing) {
    return;
  }
  if (state->written == state->to_write.size()) {
    if (std::exchange(state->ending, false)) {
      std::error_code ignored;
      state->transport.shutdown_send(ignored);
    }
    return;
  }
  state->writing = true;
  // A copy of a part: more may be said meanwhile.
  const auto bytes = std::make_shared<std::string>(state->to_write.substr(state->written, 1 << 18));
  state->transport.async_write_some(asio::buffer(*bytes), [weak = std::weak_ptr(state), bytes](
                                                              std::error_code ec, std::size_t n) {
    if (const auto self = weak.lock()) {
      self->writing = false;
      self->written += n;
      if (!ec) {
        write_on(self);
      }
    }
  });
}
