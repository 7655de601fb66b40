// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/clock.hpp"
#include "cowire/connection_context.hpp"
#include "cowire/detail/channel.hpp"
#include "cowire/detail/lazy_timer.hpp"
#include "cowire/detail/passing_transport.hpp"
#include "cowire/detail/peer_executor.hpp"
#include "cowire/detail/receive_deadlines.hpp"
#include "cowire/detail/runs_here.hpp"
#include "cowire/detail/stream_ancillary.hpp"
#include "cowire/detail/visitors.hpp"
#include "cowire/limits.hpp"
#include "cowire/logger.hpp"
#include "cowire/output_queue.hpp"
#include "cowire/packet_reader.hpp"
#include "cowire/protocol.hpp"
#include "cowire/server_stats.hpp"
#include "cowire/task.hpp"
#include "cowire/transport.hpp"

#include <asio/error.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

namespace cowire {

/// Packets on a stream: where the message tower and the streams meet. The engine of both sides.
///
/// Receiving: `poll` takes the next packet out of what has arrived. When there is none,
/// `start_receive` waits for more; then `on_received` or `on_receive_timeout` is called, and the
/// owner polls again. Nothing is read unless the owner waits, so a slow owner slows its peer down.
///
/// Sending: `send` appends to one ordered queue. It is written by `flush`, which the owner calls
/// when it suspends; a send from elsewhere on the executor schedules one.
///
/// Closing: `close` sends what is queued, then the end of the stream, then waits for the peer to
/// end too (Limits::close_timeout); `abort` drops everything. `on_closed` is called once.
///
/// Derived from by the server's Session and by the Client. Made by std::make_shared only.
/// Everything happens on the executor of the transport, which must not run two pieces of work at
/// once (one thread, or a strand); send, close, abort, is_closing and id may be called from any
/// thread.
template <Protocol P, Transport T, class C = SteadyClock>
class Connection : public detail::SendChannel<typename P::sent_packet> {
  static_assert(Clock<C, typename T::executor_type>);

 public:
  using sent_packet = typename P::sent_packet;
  using typename detail::SendChannel<sent_packet>::SendWith;
  using received_packet = typename P::received_packet;
  using Slot = detail::PacketSlot<received_packet>;
  using Context = ConnectionContext<P>;

  /// When packets are taken. Who answers requests takes none while its answers are not read; who
  /// asks must read the answers, or neither side would read any more.
  enum class Intake { while_output_is_short, always };

  Connection(T transport, std::shared_ptr<Context> context, std::uint64_t id,
             Intake intake = Intake::while_output_is_short)
      : context_(std::move(context)),
        executor_(transport.get_executor()),
        transport_(std::move(transport)),
        id_(id),
        intake_(intake),
        reader_(context_->protocol, context_->pool, context_->limits.receive_limit),
        output_(context_->pool),
        timer_(executor_),
        deadlines_(context_->limits) {}

  asio::any_io_executor executor() const final { return executor_; }
  Endpoint local_endpoint() const final { return transport_.local_endpoint(); }
  Endpoint remote_endpoint() const final { return transport_.remote_endpoint(); }
  int native_handle() final { return transport_.native_handle(); }
  std::optional<TlsInfo> tls_info() const final { return transport_.tls_info(); }
  std::uint64_t id() const noexcept final { return id_; }
  bool is_closing() const noexcept final { return closing_; }
  std::size_t queued() const noexcept final { return output_.size(); }
  bool is_slow() const noexcept final { return output_.size() >= limits().output_high; }

  /// Queues a packet. From another thread it is serialized there, and posted.
  /// @throws Error closed, output_limit, what broke the connection; and what the serializer throws.
  void send(detail::packet_argument_t<sent_packet> packet) final;
  SendWith send_with() const noexcept final;

  /// Writes what the transport takes at once of what is queued, and the rest as it can.
  void flush() final;
  void close() final;
  void abort() final;

  /// Goes on with TLS, on a transport that StartsTls: see Peer::start_tls().
  Task<void> start_tls() final;

  /// See Peer::switch_protocol().
  void switch_protocol(std::size_t index) final;

  /// The two questions of those who wait for the output queue: see detail::Channel.
  bool may_go_on(detail::OutputLevel level, std::error_code& ec) const final;
  bool reached(detail::OutputLevel level, std::error_code& ec) const final;
  void check_sendable() const final;

 protected:
  /// What there is to receive.
  enum class Polled {
    packet,     ///< The slot holds a packet, or the error that stands in its place.
    nothing,    ///< Wait: start_receive().
    turn_over,  ///< There may be more, but others come first: start_receive().
    ended,      ///< Nothing will come any more: end_error().
  };

  /// There may be something to poll: a packet, the end, or room in the output queue.
  virtual void on_received() = 0;

  /// The time given to start_receive() is over. Nothing received is lost.
  virtual void on_receive_timeout() = 0;

  /// Everything queued has been written, outside of the owner's own turn.
  virtual void on_flushed() = 0;

  /// The connection is closed; nothing will be called any more.
  virtual void on_closed() = 0;

  /// Makes the transport's handshake, within Limits::handshake_timeout, and calls done(error), with
  /// nothing if it succeeded; never, if the connection is closed before.
  /// @pre NeedsHandshake<T>; nothing else was begun
  template <class Done>
  void start_handshake(Done done);

  /// Takes the next packet out of the received bytes, without I/O.
  Polled poll(Slot& slot);

  /// Gives what came with the packet of poll() to the one who asked for it; closes it if none did.
  template <class A>
  void hand_over(A* into);

  /// Why this connection cannot receive so, if so.
  std::optional<Error> refusal(const RecvParams& params);

  /// Waits for what poll() did not find, for `timeout` at most.
  void start_receive(std::optional<RecvParams::duration> timeout);

  /// The next wait looks at the socket at once, not one turn later: for owners who do not wait
  /// long, or to whom a turn costs more than that look.
  void look_at_once() noexcept { last_read_was_short_ = false; }

  /// Goes on waiting, when poll() found nothing again in on_received().
  void continue_receive();

  /// The owner waits no longer. The bytes stay.
  void stop_receive() noexcept { waiting_ = false; }

  /// The same, and the time limits of what has begun to arrive stand still.
  void pause_receive() {
    stop_receive();
    deadlines_.pause(C::now(executor_));
  }

  /// abort(), for callers who know that this is the executor, or that it does not run.
  void abort_here();

  /// Gives the memory back, when the connection is closed and nobody looks at its packets any more.
  /// The pool belongs to the executor; the last Peer may be destroyed elsewhere.
  void release_buffers();

  /// Sends the end of the stream after what is queued. The peer may still send.
  void end_output();

  /// A new turn of the executor: the budgets of the last one are forgotten.
  void begin_turn() noexcept;

  /// Why there is nothing more to receive, or to send; end_of_stream if nothing went wrong.
  /// @pre poll() said `ended`, or the connection failed or is closing
  std::error_code end_code() const noexcept;

  /// The same with all that is known of it.
  Error end_error() const;

  /// Whether it is known to be of no use any more: not if the peer has only ended its stream.
  bool is_broken() const noexcept;

  /// Whether the peer has begun a packet, or has not yet taken what is queued for it.
  bool is_busy() const noexcept {
    return reader_.mid_packet() || !reader_.pending().empty() || !output_.empty();
  }

  /// Whether something is queued or being written, be it the end of the stream.
  bool has_unsent() const noexcept { return writing_ || !output_.empty(); }

  /// Whether the owner's code runs just now: see Running.
  bool is_running() const noexcept {
    return running_in_.load(std::memory_order_relaxed) != std::thread::id();
  }
  bool is_closed() const noexcept { return closed_; }

  /// Whether what the peer sent first looks like TLS.
  bool is_called_by_tls() const noexcept { return is_called_by_tls_; }

  const Limits& limits() const noexcept { return context_->limits; }
  const Context& context() const noexcept { return *context_; }
  ServerStats& stats() noexcept { return context_->stats; }
  std::uint64_t packets_received() const noexcept { return packets_received_; }

  /// Marks the thread that runs the owner's code: sends from it are direct, and wait for the
  /// flush that the holder of the mark owes. Meanwhile this is the current_peer().
  class Running {
   public:
    explicit Running(Connection& connection) noexcept
        : connection_(&connection), scope_(&connection) {
      connection_->running_in_ = std::this_thread::get_id();
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { connection_->running_in_ = std::thread::id(); }

   private:
    Connection* connection_;
    detail::PeerScope scope_;
  };

  /// Where the owner's tasks run: as executor(), and this is their current_peer().
  asio::any_io_executor peer_executor() {
    return detail::executor_for(this->shared_from_this(), executor_);
  }

  /// Runs `f(*this)` from the executor's queue.
  template <class F>
  void post(F f) {
    asio::post(executor_, [self = shared_self(), f = std::move(f)]() mutable { f(*self); });
  }

 private:
  using time_point = typename C::time_point;
  friend class detail::LazyTimer<C, typename T::executor_type>;

  static constexpr time_point never = time_point::max();
  // An idle connection gives its memory back after this time.
  static constexpr std::chrono::seconds release_after{2};

  std::shared_ptr<Connection> shared_self() {
    return std::static_pointer_cast<Connection>(this->shared_from_this());
  }
  bool is_running_here() const noexcept {
    return running_in_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

  // Keeps the execution context alive while another thread makes use of it: no end of a connection,
  // and so of its server, comes before all of these have left.
  using Visit = detail::Visitors::Visit;

  // Whether a send need not be posted: this is the executor, as far as it can tell, or the
  // connection is closed.
  bool may_send_here() const noexcept {
    if (is_running_here()) {
      return true;
    }
    const Visit visit(visitors_);
    return closed_ || detail::runs_here(executor_);
  }

  // Calls f(*this), at once if this is the executor. Not if the connection is closed.
  template <class F>
  void run_here(F f);
  std::string peer_name() const { return to_string(remote_endpoint()); }
  time_point after(std::chrono::nanoseconds time, time_point now) const noexcept {
    return time.count() > 0 ? now + time : never;
  }

  // Receiving.
  bool is_stalled() const noexcept {
    return intake_ != Intake::always && output_load() >= limits().output_high;
  }
  void notify();
  void start_read();
  void on_read(std::error_code ec, std::size_t n);
  void release_memory();
  void on_timer();
  void on_receive_timer(time_point now);
  void set_timer();
  void end_input(std::error_code ec);
  void read_soon();
  void commit_read(std::size_t n);
  typename PacketReader<P>::Outcome next_packet(Slot& slot);

  // Sending.
  std::size_t gather(detail::packet_argument_t<sent_packet> packet);
  template <class A>
  void send_from_elsewhere(detail::packet_argument_t<sent_packet> packet, A& ancillary);
  template <class A>
  void send_carrying(detail::packet_argument_t<sent_packet> packet, A& ancillary);
  template <class A>
  void attach(std::size_t ahead, std::size_t size, A& ancillary);
  auto& some_ancillary()
    requires CarriesAncillary<T>;
  bool has_ancillary_output() const noexcept;
  std::size_t output_load() const noexcept;
  std::size_t write_directly(Bytes bytes, std::error_code& ec);
  void start_carrying_write()
    requires CarriesAncillary<T>;
  void drop_ancillary_output() noexcept;
  Error output_overflow(std::size_t size) const;
  void queued_more(std::size_t n);
  void set_send_error(std::error_code& ec) const noexcept;
  void on_wait() final;
  void tell_if_flushed();
  void start_write();
  bool write_ended(std::error_code ec);
  void on_written(std::error_code ec, std::size_t n);
  void fail_output(std::error_code ec);
  void fail(Error error);

  // Handshakes.
  std::optional<Error> handshake_failure(std::error_code ec);
  std::optional<Error> plain_text_left() const;
  Task<void> hold_for_tls();

  // Closing.
  void close_here();
  void end_output_here();
  bool transport_has_failed() const noexcept;
  void continue_end();
  void on_end_sent(std::error_code ec);
  void continue_close();
  void start_discarding();
  void finish_close();

  std::shared_ptr<Context> context_;
  typename T::executor_type executor_;
  detail::PassingTransport<T> transport_;
  std::uint64_t id_;
  Intake intake_;
  PacketReader<P> reader_;
  OutputQueue output_;
  [[no_unique_address]] std::conditional_t<
      CarriesAncillary<T>, std::unique_ptr<detail::StreamAncillary<Ancillary>>,
      detail::NoAncillary> ancillary_;  // Null until there is some.
  Block scrap_;                         // Where the bytes go that arrive after a close.
  detail::LazyTimer<C, typename T::executor_type> timer_;

  detail::ReceiveDeadlines<time_point> deadlines_;
  time_point send_deadline_ = never;   // for the peer to take a byte
  time_point close_deadline_ = never;  // for the peer's end, after ours
  time_point handshake_deadline_ = never;
  time_point release_at_ = never;  // give memory back

  std::error_code input_end_;     // The peer's end, or what broke the input.
  std::error_code output_error_;  // What broke the output; the rest of the input may still come.
  std::optional<Error> failure_;  // What broke the connection.
  std::uint64_t packets_received_ = 0;
  std::size_t packets_this_turn_ = 0;
  std::size_t bytes_this_turn_ = 0;
  std::atomic<std::thread::id> running_in_{};
  std::atomic<std::size_t> posted_bytes_ = 0;  // On their way from other threads.
  mutable detail::Visitors visitors_;          // Of the executor, in other threads.
  std::atomic<bool> closing_ = false;
  bool waiting_ = false;
  bool reading_ = false;
  bool peer_gone_ = false;        // Else it may still read what is sent last, be it too slow.
  bool reading_nothing_ = false;  // only waiting for something to read, without a place for it
  bool writing_ = false;
  bool last_read_was_short_ = false;
  bool releasing_ = false;
  bool stalled_ = false;  // the wait is for room in the output queue
  bool flush_scheduled_ = false;
  bool ending_ = false;  // end_output() was called
  bool end_sent_ = false;
  std::atomic<bool> closed_ = false;  // From here on, nothing of it belongs to the executor.
  bool released_ = false;
  bool handshake_too_late_ = false;
  bool starting_tls_ = false;      // What is queued waits until the handshake is done.
  bool has_heard_ = false;         // a byte
  bool is_called_by_tls_ = false;  // and there is no TLS here
};

}  // namespace cowire

#include "cowire/impl/connection.hpp"
#include "cowire/impl/connection_ancillary.hpp"
#include "cowire/impl/connection_close.hpp"
#include "cowire/impl/connection_send.hpp"
#include "cowire/impl/connection_tls.hpp"
