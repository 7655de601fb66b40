// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/channel.hpp"

#include <asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace cowire {

template <class Response>
class Peer;
template <class Response>
class PeerGroup;

namespace detail {

// For the server: a peer that does not keep its connection alive, since it is a part of it.
template <class Response>
Peer<Response> make_peer(SendChannel<Response>& channel);

}  // namespace detail

/// The other side of a connection, as a handler sees it: somebody to send to.
///
/// It does not know the transport: one handler serves all of them.
///
/// The handler's reference is valid until `on_disconnection` has ended. A copy may be kept for
/// longer, by other tasks or threads: it keeps the connection's memory, not its socket. After the
/// end sending throws errc::closed or what broke the connection, and the copy may outlive the
/// server, and the execution context too if the executor is no strand (which is a part of its
/// context).
///
/// send_packet, send_packet_with_ancillary, close, abort, is_closing and id may be called from any
/// thread, the others on the connection's executor.
template <class Response>
class Peer {
 public:
  Peer(const Peer& other) : channel_(other.channel_), owner_(other.channel_->shared_from_this()) {}
  Peer& operator=(const Peer& other) {
    channel_ = other.channel_;
    owner_ = other.channel_->shared_from_this();
    return *this;
  }

  /// Queues a packet. It is serialized before this returns and written when the handler suspends,
  /// or in the next turn of the executor. Await the result to wait until the queue is short.
  ///
  /// From another thread the packet is serialized there and posted; it is dropped, without an
  /// error, if the connection ends before it arrives. Its result must not be awaited there.
  /// @throws Error closed, after close(); output_limit, if the peer does not read; what broke the
  /// connection; not_sendable or too_large, from the serializer, with nothing queued.
  SendOperation send_packet(detail::packet_argument_t<Response> packet) {
    channel_->send(packet);
    return {*channel_, detail::OutputLevel::low};
  }

  /// Queues a packet, and what goes with its first byte: see cowire/ancillary.hpp. In order with
  /// all others. The descriptors are kept open until they are sent, and closed then, or when the
  /// connection ends before. One that waits counts for 1 KiB of the output queue.
  ///
  /// The receiver gets them with this packet; if it is no program of cowire's, with the read that
  /// ends with bytes of this packet.
  /// @throws Error as send_packet(); invalid_argument with nothing queued, and what was to go with
  /// the packet still the caller's: if the transport is no Unix domain socket, if there are more
  /// than Ancillary::most_descriptors, or an empty one, or if the packet has no bytes.
  SendOperation send_packet_with_ancillary(detail::packet_argument_t<Response> packet,
                                           Ancillary&& ancillary) {
    detail::send_with_ancillary(*channel_, packet, ancillary);
    return {*channel_, detail::OutputLevel::low};
  }

  /// Waits until the output queue is short: below Limits::output_low, once it was above
  /// output_high.
  SendOperation drain() noexcept { return {*channel_, detail::OutputLevel::low}; }

  /// Waits until everything queued has been handed to the operating system.
  SendOperation flush() noexcept { return {*channel_, detail::OutputLevel::empty}; }

  /// Goes on with TLS, when peer and handler have agreed on that ("STARTTLS"), if the peer came by
  /// a StartTlsListener: sends what is queued, makes the handshake within
  /// Limits::handshake_timeout, and returns when all that is sent and received from then on is
  /// under TLS. What others send meanwhile waits for that.
  ///
  ///     client.send_packet("220 go ahead");
  ///     co_await client.start_tls();
  ///
  /// Forget what the peer said before: it may have been an attacker's word.
  /// @throws Error handshake_failed; malformed, if the peer sent more behind its request (an
  /// attacker's words, to be taken for the peer's); peer_timeout; what broke the connection. Then
  /// it is closed. invalid_argument, where TLS cannot be started, or was. busy.
  /// @cancellation The connection is closed.
  Task<void> start_tls() { return channel_->start_tls(); }

  /// Goes on with another protocol of a SwitchableProtocol: what the peer sent behind the packet
  /// received last is decoded by protocol `index`, also what has been received already.
  ///
  ///     if (*command == "binary") {
  ///       client.send_packet("from now on, then");
  ///       client.switch_protocol(1);
  ///     }
  ///
  /// To be called behind a packet; without effect once the connection is closed. Behind an error a
  /// part of the bad frame may be there still, and goes to the new protocol; but where a header has
  /// said how much is left of it, that is skipped.
  /// @throws Error invalid_argument: there is no such protocol, or only one; busy, while a receive
  /// waits.
  void switch_protocol(std::size_t index) { channel_->switch_protocol(index); }

  /// The bytes that are queued and that the operating system has not taken yet.
  std::size_t queued() const noexcept { return channel_->queued(); }

  /// Whether Limits::output_high or more are queued: the peer reads more slowly than it is sent to,
  /// and an awaited send would wait.
  bool is_slow() const noexcept { return channel_->is_slow(); }

  /// Closes gracefully: what is queued is sent first. Requests that came already are not handled;
  /// the handler's next yield ends it. May be repeated.
  void close() { channel_->close(); }

  /// Closes at once; the peer sees a reset where the transport can. What is queued is lost.
  void abort() { channel_->abort(); }

  /// Whether this side has begun to close. False after the peer's disconnect: an on_disconnection
  /// that finds it false may say good-bye.
  bool is_closing() const noexcept { return channel_->is_closing(); }

  /// Counts the server's connections, from 1.
  std::uint64_t id() const noexcept { return channel_->id(); }

  /// The addresses. After the end the local one of a socket is unknown: empty.
  Endpoint local_endpoint() const { return channel_->local_endpoint(); }
  Endpoint remote_endpoint() const { return channel_->remote_endpoint(); }

  /// The socket, for its options, or -1. Do not close, read or write it.
  int native_handle() const { return channel_->native_handle(); }

  /// What TLS says of the connection, such as the peer's certificate; nothing without TLS, and
  /// after the end. Each call makes it anew.
  std::optional<TlsInfo> tls() const { return channel_->tls_info(); }

  /// Where the connection's work runs.
  asio::any_io_executor executor() const { return channel_->executor(); }

 private:
  friend class PeerGroup<Response>;
  friend Peer detail::make_peer<Response>(detail::SendChannel<Response>& channel);
  explicit Peer(detail::SendChannel<Response>& channel) noexcept : channel_(&channel) {}

  detail::SendChannel<Response>* channel_;
  std::shared_ptr<detail::Channel> owner_;  // Null in the connection's own peer.
};

template <class Response>
Peer<Response> detail::make_peer(SendChannel<Response>& channel) {
  return Peer<Response>(channel);
}

}  // namespace cowire
