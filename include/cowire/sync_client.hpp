// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/client.hpp"
#include "cowire/detail/holds_view.hpp"
#include "cowire/detail/sync_loop.hpp"
#include "cowire/tls_info.hpp"

#include <asio/co_spawn.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cowire {

/// A client that blocks: for threads, scripts and tests that have no coroutines.
///
///     SyncClient client{"localhost", 9000, StreamProtocol{LineSerializer{}}};
///     client.send_packet("hello");
///     std::string answer = client.recv_packet(10s);
///
/// There is no thread behind it: the calling thread does the work, and between two calls nothing
/// happens at all (what the server sends waits in the operating system). All time limits may be any
/// duration; a negative one or NaN is errc::invalid_argument, an infinite one none.
///
/// Thread-safe: threads may send, receive and close at the same time. Those that receive take
/// turns, first come, first served, and so do those that send; the wait for the turn counts towards
/// the time limit. Only the destructor must be the last call. Not to be used inside a handler or a
/// task: it would stop everything else on that executor. Can be neither copied nor moved.
///
/// Packets that are views, such as std::string_view, or variants of these, do not compile: nothing
/// would hold the buffer that they point into while other threads receive.
template <Protocol P>
class SyncClient {
  static_assert(!detail::holds_view<typename P::received_packet>,
                "a SyncClient cannot receive packets that are views: the buffer that they point "
                "into belongs to whichever thread receives next; take a serializer whose "
                "received_packet owns its bytes, such as LineSerializer<std::string>");

 public:
  using protocol_type = P;
  using sent_packet = typename P::sent_packet;
  using received_packet = typename P::received_packet;

  /// Connects through TCP, within ClientOptions::connect_timeout.
  /// @throws Error connect_failed, with each address's reason; connect_timeout. If the system is
  /// still looking a name up then, it is waited for: that cannot be interrupted.
  SyncClient(const std::string& host, std::uint16_t port, P protocol, ClientOptions options = {})
      : client_(loop_.io(), std::move(protocol), std::move(options)) {
    connect(host, port);
  }

  /// Connects by other means: `SyncClient client{UnixConnector("/run/my.sock"), protocol};`
  /// @throws Error connect_failed, handshake_failed, connect_timeout.
  template <Connector K>
  SyncClient(K connector, P protocol, ClientOptions options = {})
      : client_(loop_.io(), std::move(protocol), std::move(options)) {
    connect(std::move(connector));
  }

  /// On a connected socket from elsewhere, or another transport. `open(executor)` returns it:
  ///
  ///     SyncClient client{[&](const auto& executor) {
  ///       return TcpTransport(asio::ip::tcp::socket(executor, asio::ip::tcp::v4(), handle));
  ///     }, protocol};
  ///
  /// @throws What `open` throws.
  template <class Open>
    requires Transport<std::invoke_result_t<Open&, const asio::any_io_executor&>>
  SyncClient(Open open, P protocol, ClientOptions options = {})
      : client_(open(asio::any_io_executor(loop_.io().get_executor())), std::move(protocol),
                std::move(options)) {
    note_endpoints();
  }

  SyncClient(const SyncClient&) = delete;
  SyncClient& operator=(const SyncClient&) = delete;

  /// As close(). No other thread may use the client any more.
  ~SyncClient() {
    try {
      close();
    } catch (...) {  // Only want of memory: the connection is closed all the same, if less gently.
    }
  }

  /// Connects again, after close() or when a receive has told the end of the connection. Waits for
  /// threads that still send or receive; close() or abort() by another thread cancels it.
  /// @throws Error As Client::connect().
  void connect(const std::string& host, std::uint16_t port) {
    connect_within(client_.state_->options.connect_timeout, host, port);
  }
  /// The same with a time limit of its own; 0: none.
  template <class Rep, class Period>
  void connect(const std::string& host, std::uint16_t port,
               std::chrono::duration<Rep, Period> timeout) {
    connect_within(timeout, host, port);
  }
  /// Connects by other means: `client.connect(UnixConnector("/run/my.sock"))`.
  template <Connector K>
  void connect(K connector) {
    connect_within(client_.state_->options.connect_timeout, std::move(connector));
  }
  /// The same with a time limit of its own; 0: none.
  template <Connector K, class Rep, class Period>
  void connect(K connector, std::chrono::duration<Rep, Period> timeout) {
    connect_within(timeout, std::move(connector));
  }

  /// Goes on with TLS, as Client::start_tls() does. Waits for threads that send or receive.
  void start_tls() {
    (void)alone(std::nullopt, [this] { return client_.start_tls(); });
  }

  /// Goes on with another protocol, as Client::switch_protocol() does. Waits for threads that
  /// receive, for as long as they do.
  void switch_protocol(std::size_t index)
    requires SwitchesProtocol<P>
  {
    detail::SyncLoop::Place receiver(loop_, receivers_);
    receiver.wait(std::nullopt);
    in_turn([&] { connection().channel().switch_protocol(index); });
  }

  /// Sends a packet; returns when the operating system has all of its bytes.
  /// @throws Error not_sendable or too_large, from the serializer, with nothing sent; output_limit;
  /// peer_timeout (Limits::send_timeout); closed; and what broke the connection.
  void send_packet(detail::packet_argument_t<sent_packet> packet) { send(packet, std::nullopt); }

  /// The same with a time limit; 0: only if the system takes it at once.
  ///
  /// If the time passes while the packet is under way, the client is closed, and the server sees a
  /// reset: nobody knows how much of the packet it has got. (The code is errc::timeout all the
  /// same, though condition::usable is true of it.) A packet whose turn did not come, for other
  /// threads that send, was not begun: then the client stays connected.
  /// @throws Error timeout; invalid_argument; and as above.
  template <class Rep, class Period>
  void send_packet(detail::packet_argument_t<sent_packet> packet,
                   std::chrono::duration<Rep, Period> timeout) {
    send(packet, RecvParams(timeout).timeout());
  }

  /// Sends a packet, and what goes with its first byte: see Peer::send_packet_with_ancillary.
  /// @throws Error As send_packet(); and as there.
  void send_packet_with_ancillary(detail::packet_argument_t<sent_packet> packet,
                                  Ancillary&& ancillary) {
    send(packet, std::nullopt, &ancillary);
  }

  /// The next packet from the server. `params` is a time limit, and may ask for what comes with the
  /// packet (RecvParams::with_ancillary); 0: only what has been received.
  /// @throws Error end_of_stream if the server closed between two packets, truncated inside one;
  /// timeout (what was received of the packet is kept), malformed, too_large, serializer_failed:
  /// receive again; peer_timeout, after a part of a packet (Limits::frame_timeout); closed;
  /// invalid_argument; and what broke the connection.
  received_packet recv_packet(RecvParams params = {}) {
    std::optional<Error> end;
    auto packet = receive(params, end);
    if (!packet) {
      throw *end;
    }
    return *std::move(packet);
  }

  /// The next packet, or nothing when the server has closed between two packets.
  /// @throws Error As recv_packet(), but for end_of_stream.
  std::optional<received_packet> next_packet(RecvParams params = {}) {
    std::optional<Error> end;
    auto packet = receive(params, end);
    if (end && end->code() != errc::end_of_stream) {
      throw *end;
    }
    return packet;
  }

  class PacketRange;

  /// The packets that come, for a range-based for loop:
  ///
  ///     for (const auto& packet : client.packets(1s)) { use(packet); }
  ///
  /// The time limit is for each packet, and runs only while the loop waits for it. The loop ends
  /// when the server has closed between two packets, and also when the time has passed: with 0 it
  /// takes what has been received. (Then next_packet(0s) tells which it was: empty at the end,
  /// errc::timeout else.) All other errors are thrown, as by recv_packet().
  /// @lifetime The client must outlive the range.
  PacketRange packets(RecvParams params = {}) { return PacketRange(*this, params); }

  /// Says that nothing more will be sent: the server sees the end of the stream, and may still
  /// answer. Sending throws errc::closed from then on. May be repeated.
  void send_eof() {
    in_turn([this] { connection().send_eof(); });
  }

  /// Closes. Threads that wait get errc::closed; a packet that another thread is sending is cut,
  /// with a reset. May be repeated, by any thread.
  ///
  /// Waits until the server has closed too, for Limits::close_timeout at most (3 s; 0: not at
  /// all): a connection that is dropped earlier could take the last packet with it.
  void close() {
    bool closed = false;
    in_turn([&] {
      if (sending_) {
        client_.abort();
      } else {
        client_.close();
      }
      asio::co_spawn(loop_.io(), connection().wait_closed(),
                     [&](const std::exception_ptr&) { loop_.finish(closed); });
    });
    loop_.wait(std::nullopt, closed);
  }

  /// Closes at once, with a reset. Threads that send or wait get errc::closed.
  void abort() {
    in_turn([this] { client_.abort(); });
  }

  /// Whether there is a connection, as far as is known: see Client::is_connected().
  bool is_connected() {
    bool connected = false;
    in_turn([&] { connected = client_.is_connected(); });
    return connected;
  }

  /// The addresses, also after a close.
  Endpoint local_endpoint() { return look_at(local_); }
  Endpoint remote_endpoint() { return look_at(remote_); }

  /// What TLS says of the connection, such as the server's certificate; nothing without TLS, or
  /// after a close.
  std::optional<TlsInfo> tls() {
    std::optional<TlsInfo> info;
    in_turn([&] { info = connection().channel().tls_info(); });
    return info;
  }

  /// The socket, for its options, or -1 after a close. Do not close, read or write it.
  int native_handle() {
    int handle = -1;
    in_turn([&] { handle = connection().channel().native_handle(); });
    return handle;
  }

 private:
  using Until = detail::SyncLoop::Until;

  // Waits for the output queue to be empty.
  class Flushed final : public detail::OutputWaiter {
   public:
    explicit Flushed(SyncClient& client) noexcept : client_(&client) {}

    void wake(std::error_code ec) override {
      code = ec;
      client_->sending_ = false;
      client_->loop_.finish(done);
    }

    std::error_code code;
    bool done = false;

   private:
    SyncClient* client_;
  };

  struct Reception {
    detail::SyncLoop* loop;
    std::error_code code = {};
    bool has_packet = false;
    bool done = false;
  };

  detail::ClientChannel<P>& connection() { return *client_.connected(); }

  Error timed_out(const char* detail, std::optional<std::chrono::nanoseconds> limit) {
    ErrorContext context;
    context.detail = detail;
    context.time_limit = limit;
    context.peer = to_string(remote_endpoint());
    return Error(errc::timeout, std::move(context));
  }

  static Until end_of(const std::optional<std::chrono::nanoseconds>& timeout) {
    return timeout ? Until(detail::SyncLoop::Clock::now() + *timeout) : Until();
  }

  template <class F>
  void in_turn(F f) {
    loop_.turn([&] { connection().in_turn([&f] { f(); }); });
  }

  template <class Duration, class... How>
  void connect_within(Duration timeout, How&&... how);
  template <class Begin>
  bool alone(const Until& until, Begin begin);

  void note_endpoints() {
    local_ = client_.local_endpoint();
    remote_ = client_.remote_endpoint();
  }

  Endpoint look_at(const Endpoint& endpoint) {
    Endpoint seen;
    loop_.turn([&] { seen = endpoint; });
    return seen;
  }

  void send(detail::packet_argument_t<sent_packet> packet,
            const std::optional<std::chrono::nanoseconds>& timeout,
            Ancillary* ancillary = nullptr) {
    const Until until = end_of(timeout);
    detail::SyncLoop::Place place(loop_, senders_);
    if (!place.wait(until)) {
      throw timed_out("the packet's turn to be sent did not come within the time limit", timeout);
    }
    Flushed flushed(*this);
    auto& channel = connection().channel();
    in_turn([&] {
      if (ancillary != nullptr) {
        detail::send_with_ancillary(channel, packet, *ancillary);
      } else {
        channel.send(packet);
      }
      channel.flush();
      if (channel.may_go_on(detail::OutputLevel::empty, flushed.code) || flushed.code) {
        flushed.done = true;
      } else {
        sending_ = true;
        channel.wait(flushed, detail::OutputLevel::empty);
      }
    });
    if (!loop_.wait(until, flushed.done)) {
      give_up(flushed, timeout);
    }
    if (flushed.code) {
      throw Error(flushed.code).with_peer(to_string(remote_));
    }
  }

  void give_up(Flushed& flushed, std::optional<std::chrono::nanoseconds> timeout);

  // A packet; or nothing, and why there will be none.
  std::optional<received_packet> receive(const RecvParams& params, std::optional<Error>& end) {
    const auto timeout = params.timeout();
    const Until until = end_of(timeout);
    detail::SyncLoop::Place place(loop_, receivers_);
    const char* const no_packet = "no packet came within the time limit";
    if (!place.wait(until)) {
      throw timed_out(no_packet, timeout);
    }
    std::optional<std::chrono::nanoseconds> left = timeout;
    if (until) {
      left = std::max(std::chrono::nanoseconds(0),
                      std::chrono::nanoseconds(*until - detail::SyncLoop::Clock::now()));
    }
    Reception reception{&loop_};
    in_turn([&] {
      connection().receive_in_turn(params, left, [&reception](std::error_code ec, bool has_packet) {
        reception.code = ec;
        reception.has_packet = has_packet;
        reception.loop->finish(reception.done);
      });
    });
    loop_.wait(std::nullopt, reception.done);  // The connection has the time limit.
    if (reception.code == errc::timeout) {
      throw timed_out(no_packet, timeout);
    }
    if (!reception.has_packet) {
      in_turn([&] { end = connection().end_of_input(); });
      return std::nullopt;
    }
    return Client<P>::take(connection().slot());
  }

  detail::SyncLoop loop_;
  Client<P> client_;
  detail::SyncLoop::Queue senders_;
  detail::SyncLoop::Queue receivers_;
  bool sending_ = false;  // A packet is under way. Read and written in turns.
  Endpoint local_;
  Endpoint remote_;
};

}  // namespace cowire

#include "cowire/impl/sync_client.hpp"
