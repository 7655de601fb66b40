// SPDX-License-Identifier: BSL-1.0
#include "integration/scene.hpp"

#include <asio/use_awaitable.hpp>

cowire::Task<void> say_good_bye(std::string& journal, Client& client) {
  if (client.is_closing()) {
    journal += "closing";
    co_return;
  }
  try {
    client.send_packet("bye");
    co_await client.flush()(asio::use_awaitable);
    journal += "said";
  } catch (const std::system_error& error) {
    journal += error.code() == cowire::condition::disconnected ? "gone" : error.what();
  }
}

template class cowire::detail::ServerState<Lines, Script<>, ManualClock>;
template class cowire::Server<Lines, Script<>, ManualClock>;
template class Scene<>;
