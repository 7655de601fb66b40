// SPDX-License-Identifier: BSL-1.0
#include "cowire/sync_client.hpp"

#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/switchable_protocol.hpp"
#include "cowire/transports/unix.hpp"
#include "support/thrown.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using asio::ip::tcp;
using Packets = std::vector<std::string>;

/// Lines; tells when it looks at received bytes: then somebody receives.
struct WatchedLines : LineSerializer<> {
  Decoded<std::string> decode(Bytes bytes, decoder_state& state) const {
    ++*looks;
    looks->notify_all();
    return LineSerializer<>::decode(bytes, state);
  }

  std::shared_ptr<std::atomic<int>> looks = std::make_shared<std::atomic<int>>(0);
};
using Lines = StreamProtocol<WatchedLines>;

ClientOptions with_close_timeout(std::chrono::milliseconds time) {
  ClientOptions options;
  options.limits.close_timeout = time;
  return options;
}

/// A client, and the other end as a socket that blocks.
struct Pair {
  explicit Pair(std::chrono::milliseconds close_timeout = 3s)
      : protocol(WatchedLines()),
        client("127.0.0.1", acceptor.local_endpoint().port(), protocol,
               with_close_timeout(close_timeout)),
        server(acceptor.accept()) {}

  void say(const std::string& text) { asio::write(server, asio::buffer(text)); }
  std::string hear(std::size_t size) {
    std::string heard(size, ' ');
    asio::read(server, asio::buffer(heard));
    return heard;
  }
  std::string hear_to_end(std::error_code& ec) {
    std::string heard;
    asio::read(server, asio::dynamic_buffer(heard), ec);
    return heard;
  }
  /// Says a part of a packet, and waits until a thread that receives has seen it.
  void say_to_receiver(const std::string& part) {
    const int before = *protocol.serializer().looks;
    say(part);
    protocol.serializer().looks->wait(before);
  }

  asio::io_context io;
  tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
  Lines protocol;
  SyncClient<Lines> client;
  tcp::socket server;  // Is closed first: the client need not wait for it.
};

template <class Call>
std::error_code code_of(Call&& call) {
  const auto error = thrown(std::forward<Call>(call));
  return error ? error->code() : std::error_code();
}

/// A port where nobody answers: the queue of connections is full.
struct FullDoor {
  FullDoor() {
    acceptor.bind({asio::ip::address_v4::loopback(), 0});
    acceptor.listen(0);
    for (int i = 0; i < 4; ++i) {
      fillers.emplace_back(io).async_connect(acceptor.local_endpoint(), [](std::error_code) {});
    }
  }
  std::uint16_t port() const { return acceptor.local_endpoint().port(); }

  asio::io_context io;
  tcp::acceptor acceptor{io, tcp::v4()};
  std::vector<tcp::socket> fillers;
};

/// Starts a thread that receives one packet; gives it, or the message of the error's code.
std::future<std::string> receive_in_thread(SyncClient<Lines>& client, RecvParams params = {}) {
  return std::async(std::launch::async, [&client, params] {
    try {
      return client.recv_packet(params);
    } catch (const Error& error) {
      return error.code() == errc::closed ? std::string("(closed)") : std::string(error.what());
    }
  });
}

}  // namespace

TEST_CASE("SyncClient: connects, sends and receives") {
  Pair pair;
  CHECK(pair.client.is_connected());
  CHECK(pair.client.remote_endpoint() ==
        Endpoint{"127.0.0.1", pair.acceptor.local_endpoint().port()});
  CHECK(pair.client.local_endpoint() == to_endpoint(pair.server.remote_endpoint()));
  int on = 0;
  socklen_t size = sizeof(on);
  CHECK(::getsockopt(pair.client.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
  CHECK(on != 0);

  pair.client.send_packet("one");
  CHECK(pair.hear(4) ==
        "one\n");  // It is sent when send_packet() returns: nobody else would do it.
  pair.say("two\nthree\n");
  CHECK(pair.client.recv_packet() == "two");
  CHECK(pair.client.recv_packet(10s) == "three");

  pair.server.close();
  pair.client.close();
  pair.client.close();
  CHECK_FALSE(pair.client.is_connected());
  CHECK(pair.client.native_handle() == -1);
  CHECK(pair.client.remote_endpoint().port == pair.acceptor.local_endpoint().port());
  CHECK(code_of([&] { pair.client.send_packet("x"); }) == errc::closed);
  CHECK(code_of([&] { pair.client.recv_packet(); }) == errc::closed);
  pair.client.send_eof();
}

TEST_CASE("C20: SyncClient: a failed connect is one error that names the address and the reason") {
  asio::io_context io;
  const std::uint16_t port =
      tcp::acceptor(io, {asio::ip::address_v4::loopback(), 0}).local_endpoint().port();
  const auto error = thrown([&] { SyncClient client("127.0.0.1", port, Lines{}); });
  REQUIRE(error);
  CHECK(error->code() == errc::connect_failed);
  const std::string what = error->what();
  CHECK(what.find("127.0.0.1:" + std::to_string(port)) != std::string::npos);
  CHECK(what.find("refused") != std::string::npos);
}

TEST_CASE("SyncClient: a connect that nobody answers ends by its time limit") {
  const FullDoor full;
  ClientOptions options;
  options.connect_timeout = 20ms;
  CHECK(code_of([&] { SyncClient client("127.0.0.1", full.port(), Lines{}, options); }) ==
        errc::connect_timeout);
}

TEST_CASE("SyncClient: connects again, after a close or when it was told of the end") {
  Pair pair;
  const std::uint16_t port = pair.acceptor.local_endpoint().port();
  const Endpoint before = pair.client.local_endpoint();
  SUBCASE("after a close") {
    pair.server.close();
    pair.client.close();
  }
  SUBCASE("after the end") {
    pair.server.close();
    CHECK(pair.client.next_packet() == std::nullopt);
  }
  SUBCASE("after a failed attempt") {
    pair.server.close();
    pair.client.close();
    const FullDoor full;
    CHECK(code_of([&] { pair.client.connect("127.0.0.1", full.port(), 20ms); }) ==
          errc::connect_timeout);
    CHECK_FALSE(pair.client.is_connected());
    CHECK(pair.client.local_endpoint() == before);
  }
  pair.client.connect(TcpConnector("127.0.0.1", port), 10s);
  pair.server = pair.acceptor.accept();
  CHECK(pair.client.is_connected());
  CHECK(pair.client.local_endpoint() == to_endpoint(pair.server.remote_endpoint()));
  CHECK(pair.client.local_endpoint() != before);
  pair.client.send_packet("again");
  CHECK(pair.hear(6) == "again\n");
  pair.say("and\n");
  CHECK(pair.client.recv_packet() == "and");
}

TEST_CASE("SyncClient: connecting while it is connected is an error, and disturbs nobody") {
  Pair pair;
  auto received = receive_in_thread(pair.client);
  pair.say_to_receiver("fir");
  CHECK(code_of([&] { pair.client.connect("127.0.0.1", 1); }) == errc::already_connected);
  pair.say("st\n");
  CHECK(received.get() == "first");
}

TEST_CASE("C13: SyncClient: a close or an abort by another thread ends a connect") {
  Pair pair;
  pair.server.close();
  pair.client.close();
  const FullDoor full;
  bool by_abort = false;
  SUBCASE("close") {}
  SUBCASE("abort") { by_abort = true; }
  auto code = std::async(std::launch::async, [&] {
    return code_of([&] { pair.client.connect("127.0.0.1", full.port(), 60s); });
  });
  while (code.wait_for(0s) != std::future_status::ready) {  // It may not have begun yet.
    if (by_abort) {
      pair.client.abort();
    } else {
      pair.client.close();
    }
  }
  CHECK(code.get() == errc::cancelled);
}

TEST_CASE("SyncClient: a connect waits for who still sends; in time, and until a close") {
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  acceptor.set_option(asio::socket_base::receive_buffer_size(65536));
  const std::uint16_t port = acceptor.local_endpoint().port();
  SyncClient client("127.0.0.1", port,
                    StreamProtocol{LengthPrefixed{Text<>{}, LengthOptions{.limit = 1 << 24}}},
                    with_close_timeout(0ms));
  tcp::socket server = acceptor.accept();
  server.shutdown(tcp::socket::shutdown_send);
  CHECK(client.next_packet() == std::nullopt);  // It may connect again, from its side.
  const std::string large(8'000'000, 'x');      // More than the system takes.
  auto sent =
      std::async(std::launch::async, [&] { return code_of([&] { client.send_packet(large); }); });
  char length[4];
  asio::read(server, asio::buffer(length));  // It has begun, and will not come to an end.

  const auto late = thrown([&] { client.connect("127.0.0.1", port, 20ms); });
  REQUIRE(late);
  CHECK(late->code() == errc::connect_timeout);
  CHECK(std::string(late->what()).find("other threads still use") != std::string::npos);
  auto connecting = std::async(
      std::launch::async, [&] { return code_of([&] { client.connect("127.0.0.1", port, 30s); }); });
  CHECK(connecting.wait_for(20ms) == std::future_status::timeout);
  client.close();
  CHECK(sent.get() == errc::closed);
  const std::error_code code = connecting.get();
  CHECK((code == errc::cancelled || client.is_connected()));  // If it began behind the close.
}

TEST_CASE("C19: SyncClient: threads connect, send, receive and close at once, and none is stuck") {
  Pair pair(0ms);
  const std::uint16_t port = pair.acceptor.local_endpoint().port();
  std::atomic<bool> over = false;
  std::thread server([&] {
    std::vector<tcp::socket> sockets;
    pair.acceptor.non_blocking(true);
    while (!over) {
      std::error_code none;
      tcp::socket next = pair.acceptor.accept(none);
      if (!none) {
        sockets.push_back(std::move(next));
      }
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        (void)code_of([&] {
          switch (t) {
            case 0: pair.client.close(); break;
            case 1: pair.client.send_packet("x", 1ms); break;
            case 2: (void)pair.client.recv_packet(1ms); break;
            case 3: (void)pair.client.remote_endpoint(); break;
            default: pair.client.connect("127.0.0.1", port, 10s);
          }
        });
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  over = true;
  server.join();
}

TEST_CASE("C2: SyncClient: a connected socket from elsewhere") {
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  tcp::socket connected(io);
  connected.connect(acceptor.local_endpoint());
  tcp::socket server = acceptor.accept();
  const int handle = connected.release();
  SyncClient client(
      [&](const auto& executor) { return TcpTransport(tcp::socket(executor, tcp::v4(), handle)); },
      Lines{});
  CHECK(client.native_handle() == handle);
  CHECK(client.remote_endpoint() == to_endpoint(acceptor.local_endpoint()));
  client.send_packet("hello");
  std::string heard(6, ' ');
  asio::read(server, asio::buffer(heard));
  CHECK(heard == "hello\n");
  server.close();
  client.close();
  client.connect("127.0.0.1", acceptor.local_endpoint().port());
  CHECK(client.is_connected());
  acceptor.accept().close();
}

TEST_CASE("SyncClient: connects to a Unix socket") {
  asio::io_context io;
  UnixListener listener(io.get_executor(), "");
  const std::string name = abstract_name(listener.local_endpoint().address.substr(1));
  SyncClient client(UnixConnector(name), Lines{}, with_close_timeout(0ms));
  client.send_packet("is taken by the system");
  CHECK(client.remote_endpoint() == listener.local_endpoint());
}

TEST_CASE("C18: SyncClient: a receive may give up; what came so far is kept") {
  Pair pair;
  CHECK(code_of([&] { pair.client.recv_packet(5ms); }) == errc::timeout);
  pair.say("hal");
  CHECK(code_of([&] { pair.client.recv_packet(5ms); }) == errc::timeout);
  CHECK(code_of([&] { pair.client.next_packet(0s); }) == errc::timeout);
  pair.say("f\n");
  CHECK(pair.client.recv_packet(10s) == "half");
  CHECK(pair.client.is_connected());
}

TEST_CASE("C18: SyncClient: a limit of 0 takes what has been received, or times out") {
  Pair pair;
  CHECK(code_of([&] { pair.client.recv_packet(0s); }) == errc::timeout);
  pair.say("one\ntwo\n");
  char byte = 0;  // The system has received it now.
  REQUIRE(::recv(pair.client.native_handle(), &byte, 1, MSG_PEEK) == 1);
  CHECK(pair.client.recv_packet(0s) == "one");
  CHECK(pair.client.recv_packet(0s) == "two");
  CHECK(code_of([&] { pair.client.recv_packet(0s); }) == errc::timeout);
  pair.client.send_packet("sent", 0s);
  CHECK(pair.hear(5) == "sent\n");
}

TEST_CASE("C18: SyncClient: a limit that is negative or no number is an error, and does nothing") {
  Pair pair;
  const std::chrono::duration<double> nan(std::nan(""));
  CHECK(code_of([&] { pair.client.recv_packet(-1ms); }) == errc::invalid_argument);
  CHECK(code_of([&] { pair.client.next_packet(nan); }) == errc::invalid_argument);
  CHECK(code_of([&] { pair.client.send_packet("x", -1ms); }) == errc::invalid_argument);
  CHECK(code_of([&] { pair.client.send_packet("x", nan); }) == errc::invalid_argument);
  pair.client.send_packet("y", std::chrono::duration<double>(INFINITY));
  CHECK(pair.hear(2) == "y\n");
}

TEST_CASE("SyncClient: the end of the stream") {
  Pair pair;
  SUBCASE("clean: again and again, and the client may send") {
    pair.say("last\n");
    pair.server.shutdown(tcp::socket::shutdown_send);
    CHECK(pair.client.recv_packet() == "last");
    CHECK(code_of([&] { pair.client.recv_packet(); }) == errc::end_of_stream);
    CHECK(pair.client.next_packet() == std::nullopt);
    CHECK(pair.client.next_packet(0s) == std::nullopt);
    CHECK(pair.client.is_connected());
    pair.client.send_packet("still");
    CHECK(pair.hear(6) == "still\n");
  }
  SUBCASE("inside a packet") {
    pair.say("cu");
    pair.server.shutdown(tcp::socket::shutdown_send);
    CHECK(code_of([&] { pair.client.recv_packet(); }) == errc::truncated);
    CHECK(code_of([&] { pair.client.next_packet(); }) == errc::truncated);
  }
  SUBCASE("a reset") {
    pair.server.set_option(asio::socket_base::linger(true, 0));
    pair.server.close();
    CHECK(code_of([&] { pair.client.recv_packet(); }) == condition::disconnected);
    CHECK(code_of([&] { pair.client.send_packet("x"); }) == condition::disconnected);
  }
}

TEST_CASE("SyncClient: after a bad packet the next one may be received; one is not sent") {
  Pair pair;
  pair.say(std::string(70'000, 'x') + "\ngood\n");
  CHECK(code_of([&] { pair.client.recv_packet(); }) == errc::too_large);
  CHECK(pair.client.recv_packet() == "good");
  CHECK(code_of([&] { pair.client.send_packet("two\nlines"); }) == errc::not_sendable);
  pair.client.send_packet("one line");
  CHECK(pair.hear(9) == "one line\n");
}

TEST_CASE("C10: SyncClient: a loop over the packets ends at the end, or when the time is over") {
  Pair pair;
  Packets packets;
  pair.say("A\nB\n");
  for (const auto& packet : pair.client.packets(20ms)) {
    packets.push_back(packet);
  }
  CHECK(packets == Packets{"A", "B"});
  CHECK(code_of([&] { pair.client.next_packet(0s); }) == errc::timeout);

  pair.say("C\nD\n");
  pair.server.shutdown(tcp::socket::shutdown_send);
  for (const auto& packet : pair.client.packets()) {
    packets.push_back(packet);
  }
  CHECK(packets == Packets{"A", "B", "C", "D"});
  CHECK(pair.client.next_packet(0s) == std::nullopt);

  pair.client.close();
  CHECK(code_of([&] {
          for (const auto& packet : pair.client.packets()) {
            packets.push_back(packet);
          }
        }) == errc::closed);
}

TEST_CASE("SyncClient: send_eof ends the output; receiving goes on") {
  Pair pair;
  pair.client.send_packet("last");
  pair.client.send_eof();
  pair.client.send_eof();
  std::error_code ec;
  CHECK(pair.hear_to_end(ec) == "last\n");
  CHECK(ec == asio::error::eof);
  CHECK(code_of([&] { pair.client.send_packet("more"); }) == errc::closed);
  pair.say("answer\n");
  CHECK(pair.client.recv_packet() == "answer");
}

TEST_CASE("C18: SyncClient: a send whose time is over closes the client") {
  Pair pair;
  const std::string much(60'000, 'x');
  std::size_t sent = 0;
  const auto error = thrown([&] {
    for (;;) {
      pair.client.send_packet(much, 20ms);
      ++sent;
    }
  });
  CHECK(error->code() == errc::timeout);
  CHECK_FALSE(pair.client.is_connected());
  CHECK(code_of([&] { pair.client.send_packet("more"); }) == errc::closed);
  CHECK(code_of([&] { pair.client.recv_packet(); }) == errc::closed);
  std::error_code ec;
  pair.hear_to_end(ec);
  CHECK(ec == asio::error::connection_reset);  // So the server cannot take it for a whole.
}

TEST_CASE("SyncClient: large packets are sent to the last byte, while the server reads slowly") {
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  SyncClient client("127.0.0.1", acceptor.local_endpoint().port(),
                    StreamProtocol{LengthPrefixed{Text<>{}, LengthOptions{.limit = 1 << 24}}});
  tcp::socket server = acceptor.accept();
  const std::string large(8'000'000, 'x');
  auto heard = std::async(std::launch::async, [&] {
    std::string all(large.size() + 4, ' ');
    asio::read(server, asio::buffer(all));
    server.close();
    return all;
  });
  client.send_packet(large, 30s);
  CHECK(heard.get().substr(4) == large);
}

TEST_CASE("C19: SyncClient: one thread sends while another one receives") {
  Pair pair;
  pair.say("hal");
  auto received = receive_in_thread(pair.client);
  pair.say_to_receiver("f");
  pair.client.send_packet("question");
  CHECK(pair.hear(9) == "question\n");
  pair.say("\n");
  CHECK(received.get() == "half");
}

TEST_CASE("C19: SyncClient: threads that receive take turns; the wait for the turn counts") {
  Pair pair;
  auto first = receive_in_thread(pair.client);
  pair.say_to_receiver("fir");
  const int looks = *pair.protocol.serializer().looks;
  const auto begin = std::chrono::steady_clock::now();
  CHECK(code_of([&] { pair.client.recv_packet(30ms); }) == errc::timeout);
  CHECK(std::chrono::steady_clock::now() - begin >= 30ms);
  CHECK(code_of([&] { pair.client.recv_packet(0s); }) == errc::timeout);
  CHECK(*pair.protocol.serializer().looks == looks);  // Their turn never came.
  auto second = receive_in_thread(pair.client, 30s);
  auto third = receive_in_thread(pair.client, 30s);
  pair.say("st\nx\nx\n");
  CHECK(first.get() == "first");
  CHECK(second.get() == "x");
  CHECK(third.get() == "x");
}

TEST_CASE("SyncClient: a switch of the protocol waits for the thread that receives") {
  using Frames = StreamProtocol<LengthPrefixed<Text<>>>;
  asio::io_context io;
  tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
  const Lines lines{WatchedLines()};
  SyncClient client("127.0.0.1", acceptor.local_endpoint().port(),
                    SwitchableProtocol(lines, Frames(LengthPrefixed<Text<>>({}, {.width = 1}))));
  tcp::socket server = acceptor.accept();
  auto first = std::async(std::launch::async,
                          [&] { return code_of([&] { (void)client.recv_packet(200ms); }); });
  asio::write(server, asio::buffer("\2h", 2));
  lines.serializer().looks->wait(0);
  client.switch_protocol(1);  // It would be busy.
  CHECK(first.get() == errc::timeout);
  asio::write(server, asio::buffer("i", 1));
  CHECK(std::get<1>(client.recv_packet(30s)) == "hi");
  server.close();
}

TEST_CASE("C6: SyncClient: close wakes the threads that wait") {
  Pair pair;
  auto first = receive_in_thread(pair.client);
  pair.say_to_receiver("fir");
  auto second = receive_in_thread(pair.client);
  auto closed = std::async(std::launch::async, [&] { pair.client.close(); });
  CHECK(first.get() == "(closed)");
  CHECK(second.get() == "(closed)");
  pair.server.close();
  closed.get();
}

TEST_CASE("C6: SyncClient: close cuts a packet that another thread is sending") {
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  acceptor.set_option(asio::socket_base::receive_buffer_size(65536));
  SyncClient client("127.0.0.1", acceptor.local_endpoint().port(),
                    StreamProtocol{LengthPrefixed{Text<>{}, LengthOptions{.limit = 1 << 24}}});
  tcp::socket server = acceptor.accept();
  const std::string large(8'000'000, 'x');  // More than the system takes.
  const auto send = [&] { return code_of([&] { client.send_packet(large); }); };
  auto first = std::async(std::launch::async, send);
  char length[4];
  asio::read(server, asio::buffer(length));  // It has begun.
  auto second = std::async(std::launch::async, send);
  client.close();
  CHECK(first.get() == errc::closed);
  CHECK(second.get() == errc::closed);
  std::string rest;
  std::error_code ec;
  asio::read(server, asio::dynamic_buffer(rest), ec);
  CHECK(ec == asio::error::connection_reset);
}

TEST_CASE("C21: SyncClient: close waits until the server has closed too, for a time") {
  const auto begin = std::chrono::steady_clock::now();
  SUBCASE("the server does not close") {
    {
      Pair pair(50ms);
      pair.client.send_packet("last");
      pair.client.close();
      CHECK(std::chrono::steady_clock::now() - begin >= 50ms);
      std::error_code ec;
      CHECK(pair.hear_to_end(ec) == "last\n");
      CHECK(ec == asio::error::eof);
    }
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
  }
  SUBCASE("the server closes, and what it said before does no harm") {
    Pair pair(30s);
    pair.say("nobody reads this\n");
    auto heard = std::async(std::launch::async, [&] {
      std::error_code ec;
      std::string all = pair.hear_to_end(ec);
      pair.server.close();
      return all;
    });
    pair.client.send_packet("last");
    pair.client.close();
    CHECK(heard.get() == "last\n");
    CHECK(std::chrono::steady_clock::now() - begin < 20s);
  }
}

TEST_CASE("C19: SyncClient: many threads send and receive at once; nothing is lost or mixed up") {
  Pair pair;
  constexpr int threads = 3;
  constexpr int each = 200;
  std::thread echo([&server = pair.server] {
    std::error_code ec;
    char bytes[4096];
    while (!ec) {
      const std::size_t n = server.read_some(asio::buffer(bytes), ec);
      std::error_code ignored;
      asio::write(server, asio::buffer(bytes, n), ignored);
    }
    server.close();
  });
  std::vector<std::future<void>> senders;
  std::vector<std::future<Packets>> receivers;
  for (int t = 0; t < threads; ++t) {
    senders.push_back(std::async(std::launch::async, [&client = pair.client, t] {
      for (int i = 0; i < each; ++i) {
        client.send_packet(std::to_string(t) + "." + std::to_string(i), 30s);
      }
    }));
    receivers.push_back(std::async(std::launch::async, [&client = pair.client] {
      Packets packets;
      for (int i = 0; i < each; ++i) {
        packets.push_back(client.recv_packet(30s));
      }
      return packets;
    }));
  }
  for (auto& sender : senders) {
    sender.get();
  }
  std::set<std::string> all;
  for (auto& receiver : receivers) {
    for (auto& packet : receiver.get()) {
      all.insert(std::move(packet));
    }
  }
  CHECK(all.size() == threads * each);
  CHECK(all.count("2.199") == 1);
  pair.client.close();
  echo.join();
}

TEST_CASE("SyncClient: threads that close at once, while others receive") {
  for (int i = 0; i < 20; ++i) {
    Pair pair;
    auto receiver = receive_in_thread(pair.client);
    pair.server.close();
    std::thread one([&] { pair.client.close(); });
    std::thread other([&] { pair.client.close(); });
    pair.client.close();
    one.join();
    other.join();
    const std::string outcome = receiver.get();
    CHECK_MESSAGE((outcome == "(closed)" || outcome.find("ended the stream") != std::string::npos),
                  outcome);
    CHECK_FALSE(pair.client.is_connected());
  }
}
