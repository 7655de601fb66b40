// SPDX-License-Identifier: BSL-1.0
#include "integration/scene.hpp"

#include <asio/use_awaitable.hpp>

std::unique_ptr<Wire> OverTls::connect() {
  const asio::ip::tcp::endpoint to(asio::ip::make_address("127.0.0.1"), port_);
  asio::ip::tcp::socket socket(*io_);
  socket.connect(to);
  socket.set_option(asio::ip::tcp::no_delay(true));
  cowire::TlsTransport transport(cowire::TcpTransport(std::move(socket), to), test_client_context(),
                                 "localhost");
  std::optional<std::error_code> done;
  transport.async_handshake([&done](std::error_code ec) { done = ec; });
  REQUIRE(run_until(*io_, [&done] { return done.has_value(); }));
  REQUIRE(*done == std::error_code());
  return wire_of(std::move(transport));
}

std::unique_ptr<Wire> OverTls::connect_silently() {
  const asio::ip::tcp::endpoint to(asio::ip::make_address("127.0.0.1"), port_);
  asio::ip::tcp::socket socket(*io_);
  socket.connect(to);
  return wire_of(cowire::TcpTransport(std::move(socket), to));
}

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
