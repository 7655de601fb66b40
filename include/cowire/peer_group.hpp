// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/channel.hpp"
#include "cowire/detail/completion.hpp"
#include "cowire/detail/peer_list.hpp"
#include "cowire/detail/slow_peers.hpp"
#include "cowire/error.hpp"
#include "cowire/peer.hpp"
#include "cowire/task.hpp"

#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <system_error>
#include <utility>

namespace cowire {

/// What a broadcast does with a peer in whose queue Limits::output_high bytes or more are waiting.
enum class SlowReader {
  wait,   ///< It gets the packet. Who awaits the broadcast waits until it has read on.
  drop,   ///< It misses the packet.
  close,  ///< It is aborted, and misses this packet and all that are queued.
};

/// What PeerGroup::broadcast() returns: something to wait for, or to drop, as a SendOperation.
///
///     group.broadcast(packet);                                // done: it is queued
///     co_await group.broadcast(packet);                       // in a Generator
///     co_await group.broadcast(packet)(asio::use_awaitable);  // in a Task
///
/// With SlowReader::wait, ends when each peer has been seen with room in its queue, or has left;
/// else at once. It never fails because of a peer.
/// @cancellation Total: only the waiting ends.
/// @lifetime To be awaited at once, on the executor of the peers.
class BroadcastOperation {
 public:
  BroadcastOperation(std::shared_ptr<detail::PeerList> list, const detail::Channel* except,
                     bool waits) noexcept
      : list_(std::move(list)), except_(except), waits_(waits) {}

  /// Starts to wait, with any completion token for `void(std::error_code)`.
  template <asio::completion_token_for<void(std::error_code)> Token>
  auto operator()(Token&& token) const {
    return asio::async_initiate<Token, void(std::error_code)>(
        [](auto handler, std::shared_ptr<detail::PeerList> list, const detail::Channel* except,
           bool waits) {
          if (const auto executor = list->executor(); executor && waits) {
            asio::co_spawn(*executor, detail::totally_cancellable(wait(std::move(list), except)),
                           detail::CodeHandler<decltype(handler)>(std::move(handler), *executor));
          } else if (executor) {
            const auto own = asio::get_associated_executor(handler, *executor);
            complete(own, std::move(handler));
          } else {  // There has never been a peer.
            const auto own = asio::get_associated_executor(handler);
            complete(own, std::move(handler));
          }
        },
        token, list_, except_, waits_);
  }

  /// How a Generator awaits it.
  detail::SlowPeersAwaiter awaiter(detail::GeneratorHost& host) const {
    return {list_, except_, waits_, host};
  }

 private:
  static Task<void> wait(std::shared_ptr<detail::PeerList> list, const detail::Channel* except) {
    detail::SlowPeers slow(std::move(list), except);
    while (const auto channel = slow.next()) {
      try {
        co_await SendOperation(*channel, detail::OutputLevel::low)(asio::use_awaitable);
      } catch (const std::system_error&) {  // It has left; or the wait is cancelled, see below.
      }
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) {
        throw std::system_error(asio::error::operation_aborted);
      }
    }
  }

  template <class Executor, class Handler>
  static void complete(const Executor& executor, Handler handler) {
    asio::post(executor,
               [handler = std::move(handler)]() mutable { std::move(handler)(std::error_code()); });
  }

  std::shared_ptr<detail::PeerList> list_;
  const detail::Channel* except_;
  bool waits_;
};

/// Peers that are told the same: a room of a chat, the subscribers of a topic. A peer leaves by
/// itself when its connection ends: when it, or this side, begins to close it, and when
/// on_disconnection has ended.
///
///     PeerGroup<std::string> room{SlowReader::close};
///     room.join(client);
///     room.broadcast("somebody came in", client);  // to all but this one
///
/// A send that fails for one peer does not disturb the others: that peer's connection is broken or
/// full, and its on_disconnection is on its way. All functions may be called by handlers, hooks and
/// other tasks, and inside for_each(); a peer that joins meanwhile is not visited, one that leaves
/// is not visited any more.
///
/// A peer may be in several groups, and a group may have peers of several servers and transports if
/// they share an executor. Everything happens on that executor, which runs one piece of work at a
/// time; nothing here is thread-safe. Keeps the memory of its peers' connections. Moved with the
/// handler that it is a member of; the destructor lets everybody leave.
template <class Response>
class PeerGroup {
 public:
  explicit PeerGroup(SlowReader slow_reader = SlowReader::wait)
      : list_(std::make_shared<detail::PeerList>()), slow_reader_(slow_reader) {}
  PeerGroup(PeerGroup&&) noexcept = default;
  PeerGroup& operator=(PeerGroup&&) = delete;
  ~PeerGroup() {
    if (list_ != nullptr) {
      list_->clear();
    }
  }

  /// Lets a peer in, as the last one. Does nothing if it is there. @returns Whether it is there
  /// now: not if its connection is ending.
  bool join(const Peer<Response>& client) { return list_->add(*client.channel_); }

  /// Lets a peer go. @returns Whether it was there.
  bool leave(const Peer<Response>& client) { return list_->remove(*client.channel_); }

  /// Whether a peer is there.
  bool contains(const Peer<Response>& client) const { return list_->contains(*client.channel_); }

  /// How many there are.
  std::size_t size() const noexcept { return list_->size(); }

  /// Calls `f(peer)` for each `Peer<Response>&`, in the order of joining. What it throws ends it.
  template <class F>
  void for_each(F f) {
    const auto list = list_;  // The handler may go, with its server.
    detail::PeerList::Cursor cursor(*list);
    while (const auto member = cursor.next()) {
      auto peer = detail::make_peer<Response>(channel_of(*member));
      f(peer);
    }
  }

  /// Sends a packet to all, as Peer::send_packet() does to one, in the order of joining.
  /// @throws What a serializer throws, such as not_sendable, after it was tried with all.
  BroadcastOperation broadcast(detail::packet_argument_t<Response> packet) {
    return send_to_all(packet, nullptr);
  }

  /// The same, to all but one, who need not be in the group.
  BroadcastOperation broadcast(detail::packet_argument_t<Response> packet,
                               const Peer<Response>& except) {
    return send_to_all(packet, except.channel_);
  }

  /// The packets that slow readers have missed, one for each of them. (SlowReader::drop)
  std::uint64_t dropped() const noexcept { return dropped_; }

  /// The slow readers that were aborted. (SlowReader::close)
  std::uint64_t closed() const noexcept { return closed_; }

 private:
  static detail::SendChannel<Response>& channel_of(detail::Channel& member) noexcept {
    return static_cast<detail::SendChannel<Response>&>(member);  // As only such may join.
  }

  BroadcastOperation send_to_all(detail::packet_argument_t<Response> packet,
                                 const detail::Channel* except) {
    std::exception_ptr failure;
    detail::PeerList::Cursor cursor(*list_);
    while (const auto member = cursor.next()) {
      if (member.get() == except || (member->is_slow() && turn_away(*member))) {
        continue;
      }
      try {
        channel_of(*member).send(packet);
      } catch (const Error& error) {
        if (error.code() != condition::disconnected) {
          failure = std::current_exception();
        }
      } catch (...) {
        failure = std::current_exception();
      }
    }
    if (failure) {
      std::rethrow_exception(failure);
    }
    return {list_, except, slow_reader_ == SlowReader::wait};
  }

  // Whether a slow reader does not get the packet.
  bool turn_away(detail::Channel& member) {
    if (slow_reader_ == SlowReader::drop) {
      ++dropped_;
    } else if (slow_reader_ == SlowReader::close) {
      ++closed_;
      member.abort();
    }
    return slow_reader_ != SlowReader::wait;
  }

  std::shared_ptr<detail::PeerList> list_;
  SlowReader slow_reader_;
  std::uint64_t dropped_ = 0;
  std::uint64_t closed_ = 0;
};

}  // namespace cowire
