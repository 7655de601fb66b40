// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/client_options.hpp"
#include "cowire/clock.hpp"
#include "cowire/connector.hpp"
#include "cowire/detail/client_connection.hpp"
#include "cowire/detail/completion.hpp"
#include "cowire/detail/to_executor.hpp"
#include "cowire/protocol.hpp"
#include "cowire/task.hpp"
#include "cowire/transports/tcp_connector.hpp"

#include <asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace cowire {

template <Protocol P>
class SyncClient;

/// Talks typed packets with one server.
///
///     Task<void> ask() {
///       Client client{co_await asio::this_coro::executor, StreamProtocol{LineSerializer{}}};
///       co_await client.connect("localhost", 9000);
///       client.send_packet("hello");
///       std::string answer = co_await client.recv_packet();
///     }
///
/// `connect`, `recv_packet`, `next_packet` and `wait_closed` are Tasks, which throw Error; with a
/// completion token as last argument they complete with (std::error_code, value) instead. Sending
/// is a plain call, whose result may be awaited: see SendOperation.
///
/// One receive at a time, and any number of sends, which keep their order. Everything belongs to
/// the client's executor, which must run one piece of work at a time; from other threads only
/// send_packet and send_packet_with_ancillary may be called, while the client is connected.
///
/// The destructor closes gracefully in the background, while the executor runs: what is queued is
/// sent; a connect() that is under way ends with errc::cancelled. After close(), or a failed
/// connect(), the client may connect again. A client that was moved from may only be destroyed,
/// assigned to, closed and asked whether it is connected.
template <Protocol P, class C = SteadyClock>
class Client {
  template <Protocol>
  friend class SyncClient;

 public:
  using protocol_type = P;
  using sent_packet = typename P::sent_packet;
  using received_packet = typename P::received_packet;

  /// A client that is not connected. `executor` may be an execution context too.
  template <class ExecutorOrContext>
    requires(!Transport<std::remove_cvref_t<ExecutorOrContext>>)
  explicit Client(ExecutorOrContext&& executor, P protocol, ClientOptions options = {})
      : state_(std::make_shared<State>(detail::to_executor(executor), std::move(protocol),
                                       std::move(options))) {}

  /// A client on a connected transport: memory, or a socket that came from elsewhere. (Or TLS,
  /// after its handshake.)
  template <Transport T>
  Client(T transport, P protocol, ClientOptions options = {})
      : Client(transport.get_executor(), std::move(protocol), std::move(options)) {
    state_->adopt(std::move(transport));
  }

  Client(Client&&) noexcept = default;
  Client& operator=(Client&& other) noexcept {
    std::swap(state_, other.state_);  // The other one closes what was here.
    return *this;
  }
  ~Client() { close(); }

  /// Connects through TCP, to the address of the host that answers first: see TcpConnector. A
  /// client that was closed, or has been told that its connection has ended, may connect again.
  /// @throws Error connect_failed, with each address's reason; handshake_failed, by TLS;
  /// connect_timeout; already_connected; cancelled, by close(); invalid_argument.
  /// @cancellation Total: the client is not connected then.
  template <class Token = AsTask>
  auto connect(std::string host, std::uint16_t port, Token&& token = {}) {
    return connect(std::move(host), port, state_->options.connect_timeout,
                   std::forward<Token>(token));
  }

  /// The same with a time limit of its own; 0: none.
  template <class Rep, class Period, class Token = AsTask>
  auto connect(std::string host, std::uint16_t port, std::chrono::duration<Rep, Period> timeout,
               Token&& token = {}) {
    return connect(TcpConnector(std::move(host), port, state_->options.local,
                                state_->options.happy_eyeballs_delay),
                   timeout, std::forward<Token>(token));
  }

  /// Connects by other means: `client.connect(UnixConnector("/run/my.sock"))`.
  template <Connector K, class Token = AsTask>
  auto connect(K connector, Token&& token = {}) {
    return connect(std::move(connector), state_->options.connect_timeout,
                   std::forward<Token>(token));
  }
  /// The same with a time limit of its own; 0: none.
  template <Connector K, class Rep, class Period, class Token = AsTask>
  auto connect(K connector, std::chrono::duration<Rep, Period> timeout, Token&& token = {}) {
    const bool valid = timeout >= std::chrono::duration<Rep, Period>::zero();  // NaN is not.
    return detail::complete_task(
        state_->executor,
        do_connect(state_, std::move(connector), detail::bounded(timeout), valid, state_->closes),
        std::forward<Token>(token));
  }

  /// Queues a packet. It is written when the client waits for an answer, or in the next turn of the
  /// executor. Await the result to wait until the queue is short.
  /// @throws Error not_connected; closed; output_limit; what broke the connection; not_sendable or
  /// too_large, from the serializer, with nothing queued.
  SendOperation send_packet(detail::packet_argument_t<sent_packet> packet) {
    detail::SendChannel<sent_packet>& to = channel();
    to.send(packet);
    return {to, detail::OutputLevel::low};
  }

  /// Queues a packet, and what goes with its first byte: see Peer::send_packet_with_ancillary.
  /// @throws Error not_connected; and as there.
  SendOperation send_packet_with_ancillary(detail::packet_argument_t<sent_packet> packet,
                                           Ancillary&& ancillary) {
    detail::SendChannel<sent_packet>& to = channel();
    detail::send_with_ancillary(to, packet, ancillary);
    return {to, detail::OutputLevel::low};
  }

  /// Waits until the output queue is short. @throws Error not_connected
  SendOperation drain() { return {channel(), detail::OutputLevel::low}; }

  /// Waits until everything queued has been handed to the operating system.
  /// @throws Error not_connected
  SendOperation flush() { return {channel(), detail::OutputLevel::empty}; }

  /// The next packet from the server. A packet that is a view is valid until the next receive.
  ///
  /// @throws Error end_of_stream if the server closed between two packets, truncated inside one;
  /// timeout, malformed, too_large, serializer_failed: the client may receive again; peer_timeout,
  /// after a part of a packet (Limits::frame_timeout); busy, not_connected, closed; and what broke
  /// the connection.
  /// @cancellation Total: no received byte is lost. Throws operation_aborted.
  template <class Token = AsTask>
  auto recv_packet(RecvParams params = {}, Token&& token = {}) {
    return detail::complete_task(state_->executor, do_receive(state_->connection, params),
                                 std::forward<Token>(token));
  }

  /// The next packet, or nothing when the server has closed between two packets: for loops.
  ///
  ///     while (auto packet = co_await client.next_packet()) { use(*packet); }
  ///
  /// @throws Error As recv_packet(), but for end_of_stream. @cancellation Total.
  template <class Token = AsTask>
  auto next_packet(RecvParams params = {}, Token&& token = {}) {
    return detail::complete_task(state_->executor, do_next(state_->connection, params),
                                 std::forward<Token>(token));
  }

  /// Says that nothing more will be sent, after what is queued: the server sees the end of the
  /// stream, and may still answer. Sending throws errc::closed from then on. May be repeated.
  /// @throws Error not_connected
  void send_eof() { connected()->send_eof(); }

  /// Goes on with another protocol: see Peer::switch_protocol(). A new connection begins with the
  /// first one. A packet that a cancelled receive has left for the next one is still the old
  /// protocol's.
  /// @throws Error not_connected; invalid_argument: there is no such protocol; busy, while a
  /// receive waits.
  void switch_protocol(std::size_t index)
    requires SwitchesProtocol<P>
  {
    channel().switch_protocol(index);
  }

  /// Goes on with TLS, when the server has agreed to that, if the client was connected by a
  /// StartTlsConnector: see Peer::start_tls(). The server's certificate is checked.
  /// @throws Error not_connected; and as there. busy, while a receive waits.
  /// @cancellation The connection is closed.
  template <class Token = AsTask>
  auto start_tls(Token&& token = {}) {
    return detail::complete_task(state_->executor, do_start_tls(state_->connection),
                                 std::forward<Token>(token));
  }

  /// Closes gracefully: what is queued is sent first. A connect() that was called before, be it not
  /// awaited yet, is cancelled (errc::cancelled). May be repeated; see wait_closed().
  void close() {
    if (state_ == nullptr) {
      return;  // Moved from.
    }
    ++state_->closes;
    if (state_->attempt != nullptr) {
      state_->attempt->abandon();
    }
    if (state_->connection != nullptr) {
      state_->connection->channel().close();
    }
  }

  /// Closes at once; what is queued is lost, and the server sees a reset.
  void abort() {
    if (state_ != nullptr && state_->connection != nullptr) {
      state_->connection->channel().abort();
    }
    close();
  }

  /// Waits until the connection is closed, after close().
  template <class Token = AsTask>
  auto wait_closed(Token&& token = {}) {
    return detail::complete_task(state_->executor, do_wait_closed(state_->connection),
                                 std::forward<Token>(token));
  }

  /// Whether there is a connection that this side has not closed, and that is not known to be
  /// broken: that shows in a send or a receive. One that the server has ended is still good for
  /// sending.
  bool is_connected() const noexcept { return state_ != nullptr && state_->is_connected(); }

  /// @throws Error not_connected
  Endpoint local_endpoint() const { return connected()->channel().local_endpoint(); }
  /// @throws Error not_connected
  Endpoint remote_endpoint() const { return connected()->channel().remote_endpoint(); }

  /// The socket, for its options, or -1. Do not close, read or write it.
  /// @throws Error not_connected
  int native_handle() const { return connected()->channel().native_handle(); }

  /// What TLS says of the connection, such as the server's certificate; nothing without TLS.
  /// @throws Error not_connected
  std::optional<TlsInfo> tls() const { return connected()->channel().tls_info(); }

  /// Where everything of the client happens.
  asio::any_io_executor executor() const { return state_->executor; }

 private:
  using Connected = std::shared_ptr<detail::ClientChannel<P>>;

  // What the operations under way share with the client, which may be moved or destroyed meanwhile.
  struct State {
    State(asio::any_io_executor on, P protocol, ClientOptions given)
        : executor(std::move(on)),
          options(std::move(given)),
          context(detail::make_context(std::move(protocol), options.limits, Logger::silent())) {}

    bool is_connected() const noexcept { return connection != nullptr && !connection->is_gone(); }

    void require_unconnected() const {
      if (attempt != nullptr || (is_connected() && !connection->has_ended())) {
        throw Error(errc::already_connected);
      }
    }

    template <Transport T>
    void adopt(T transport) {
      transport.apply(options.socket);
      connection =
          std::make_shared<detail::ClientConnection<P, T, C>>(std::move(transport), context);
    }

    asio::any_io_executor executor;
    ClientOptions options;
    std::shared_ptr<ConnectionContext<P>> context;
    Connected connection;
    std::shared_ptr<ConnectAttempt> attempt;  // while connect() is under way
    std::uint64_t closes = 0;                 // how often close() was called
  };

  static const Connected& require(const Connected& connection) {
    if (connection == nullptr) {
      throw Error(errc::not_connected);
    }
    return connection;
  }
  const Connected& connected() const {
    if (state_ == nullptr) {  // Moved from.
      throw Error(errc::not_connected);
    }
    return require(state_->connection);
  }
  detail::SendChannel<sent_packet>& channel() const { return connected()->channel(); }

  template <Connector K>
  static Task<void> do_connect(std::shared_ptr<State> state, K connector,
                               std::chrono::nanoseconds timeout, bool valid, std::uint64_t closes) {
    if (!valid) {
      throw Error(errc::invalid_argument,
                  "the time limit of a connect is negative or not a number");
    }
    if (state->closes != closes) {
      throw Error(errc::cancelled);
    }
    state->require_unconnected();
    if (state->connection != nullptr) {
      state->connection->channel().close();
    }
    state->attempt = std::make_shared<ConnectAttempt>(state->executor);
    std::exception_ptr failed;
    try {
      state->adopt(co_await ConnectAttempt::run<C>(state->attempt, std::move(connector),
                                                   state->executor, timeout));
    } catch (...) {
      failed = std::current_exception();
    }
    state->attempt = nullptr;
    if (failed) {
      std::rethrow_exception(failed);
    }
  }

  static received_packet take(detail::PacketSlot<received_packet>& slot) {
    if (slot.error) {
      const Error error = *std::exchange(slot.error, std::nullopt);
      throw error;
    }
    return *std::exchange(slot.packet, std::nullopt);
  }

  static Task<received_packet> do_receive(Connected connection, RecvParams params) {
    const bool received = co_await require(connection)->receive(params);
    if (!received) {
      throw connection->end_of_input();
    }
    co_return take(connection->slot());
  }

  static Task<std::optional<received_packet>> do_next(Connected connection, RecvParams params) {
    const bool received = co_await require(connection)->receive(params);
    if (!received) {
      const Error end = connection->end_of_input();
      if (end.code() != errc::end_of_stream) {
        throw end;
      }
      co_return std::nullopt;
    }
    co_return take(connection->slot());
  }

  static Task<void> do_start_tls(Connected connection) {
    co_await require(connection)->channel().start_tls();
  }

  static Task<void> do_wait_closed(Connected connection) {
    if (connection != nullptr) {
      co_await connection->wait_closed();
    }
  }

  std::shared_ptr<State> state_;
};

}  // namespace cowire
