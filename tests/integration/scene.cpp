// SPDX-License-Identifier: BSL-1.0
#include "integration/scene.hpp"

#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/use_awaitable.hpp>

#include <optional>
#include <system_error>

namespace {

cowire::TcpTransport connect_tcp(asio::io_context& io, const std::string& host, std::uint16_t port,
                                 std::optional<int> receive_buffer) {
  const asio::ip::tcp::endpoint to(asio::ip::make_address(host), port);
  asio::ip::tcp::socket socket(io, to.protocol());
  if (receive_buffer) {  // Now: a window that was offered is not taken back.
    socket.set_option(asio::socket_base::receive_buffer_size(*receive_buffer));
  }
  socket.connect(to);
  socket.set_option(asio::ip::tcp::no_delay(true));  // Else bytes wait for acknowledgements.
  return {std::move(socket), to};
}

// What a server is to a door.
struct ListenerCollector {
  template <class L>
  void add_listener(L listener) {
    all.emplace_back(std::move(listener));
  }

  std::vector<AnyListener> all;
};

}  // namespace

AnyTransport OverMemory::connect() { return AnyTransport(listener_.connect({}, from_server_)); }

AnyTransport OverTcp::connect() {
  return AnyTransport(connect_tcp(*io_, host_, port_, receive_buffer_));
}

AnyTransport OverUnix::connect() {
  const asio::local::stream_protocol::endpoint to(path_);
  asio::local::stream_protocol::socket socket(*io_);
  socket.connect(to);
  return AnyTransport(cowire::UnixTransport(std::move(socket), to));
}

AnyTransport OverTls::connect() {
  cowire::TlsTransport transport(connect_tcp(*io_, "127.0.0.1", port_, receive_buffer_),
                                 test_client_context(), "localhost");
  std::optional<std::error_code> done;
  transport.async_handshake([&done](std::error_code ec) { done = ec; });
  REQUIRE(run_until(*io_, [&done] { return done.has_value(); }));
  REQUIRE(*done == std::error_code());
  return AnyTransport(std::move(transport));
}

AnyTransport OverTls::connect_silently() {
  return AnyTransport(connect_tcp(*io_, "127.0.0.1", port_, receive_buffer_));
}

AnyTransport OverAny::connect() {
  std::optional<AnyTransport> end;
  visit([&](auto& door) { end = door.connect(); });
  return std::move(*end);
}

AnyTransport OverAny::connect_silently() {
  return net_ == Net::tls ? tls_.connect_silently() : connect();
}

std::vector<AnyListener> OverAnyHidden::listeners() {
  ListenerCollector collector;
  OverAny::listen(collector);
  return std::move(collector.all);
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
