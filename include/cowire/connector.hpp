// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/clock.hpp"
#include "cowire/detail/event.hpp"
#include "cowire/detail/wait_until.hpp"
#include "cowire/error.hpp"
#include "cowire/task.hpp"
#include "cowire/transport.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>

#include <chrono>
#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cowire {

/// One attempt to connect, shared by the connector that tries and the client that waits: what goes
/// on when the client has given up is left behind.
class ConnectAttempt {
 public:
  explicit ConnectAttempt(const asio::any_io_executor& executor) : changed_(executor) {}

  /// For connectors: notes why an address could not be reached. The notes of all addresses are in
  /// the Error that the client throws, with the code of the last.
  void failed(const std::string& address, std::string_view reason,
              errc code = errc::connect_failed) {
    code_ = code;
    failures_ += failures_.empty() ? "" : "; ";
    failures_ += address.empty() ? "" : address + ": ";
    failures_ += reason;
  }

  /// For connectors: has `f()` called when no connection comes of it, to stop what no cancellation
  /// stops.
  void on_give_up(std::function<void()> f) { give_up_ = std::move(f); }

  /// For the client: nobody wants the connection any more.
  void abandon() {
    abandoned_ = true;
    changed_.notify();
  }

  /// For the client: connects within a time limit, 0 being none.
  /// @throws Error connect_failed, with each address's reason, or what else the connector says;
  /// connect_timeout; cancelled, after abandon(). @cancellation Total.
  template <class C, class K>
  static Task<typename K::transport_type> run(std::shared_ptr<ConnectAttempt> self, K connector,
                                              asio::any_io_executor executor,
                                              std::chrono::nanoseconds time_limit);

 private:
  template <Transport T>
  struct Outcome {
    std::optional<T> connected;
    bool done = false;
  };

  template <class C, class K, class T>
  static Task<void> try_to_connect(K connector, asio::any_io_executor executor,
                                   std::shared_ptr<ConnectAttempt> self,
                                   std::shared_ptr<Outcome<T>> outcome) {
    outcome->connected = co_await connector.template connect<C>(executor, self);
  }

  detail::Event changed_;
  asio::cancellation_signal cancel_;
  std::function<void()> give_up_;
  std::string failures_;
  errc code_ = errc::connect_failed;
  bool abandoned_ = false;
};

/// What knows how to reach a server: `TcpConnector`, `UnixConnector`.
///
/// For a const connector `k`, a clock `C`, an executor `e`, an attempt `a` (a shared_ptr):
///
///     expression                  result                 meaning
///     K::transport_type           type                   a Transport
///     k.name()                    std::string            the server's address, for messages
///     k.template connect<C>(e, a) Task<optional<         the connection; or nothing, after
///                                 transport_type>>       a->failed(address, reason). Cancellable.
template <class K>
concept Connector = std::copy_constructible<K> && Transport<typename K::transport_type> &&
                    requires(const K& k, const asio::any_io_executor& executor,
                             const std::shared_ptr<ConnectAttempt>& attempt) {
                      { k.name() } -> std::convertible_to<std::string>;
                      {
                        k.template connect<SteadyClock>(executor, attempt)
                      } -> std::same_as<Task<std::optional<typename K::transport_type>>>;
                    };

template <class C, class K>
Task<typename K::transport_type> ConnectAttempt::run(std::shared_ptr<ConnectAttempt> self,
                                                     K connector, asio::any_io_executor executor,
                                                     std::chrono::nanoseconds time_limit) {
  auto outcome = std::make_shared<Outcome<typename K::transport_type>>();
  asio::co_spawn(executor, try_to_connect<C>(connector, executor, self, outcome),
                 asio::bind_cancellation_slot(self->cancel_.slot(),
                                              [self, outcome](const std::exception_ptr& error) {
                                                try {
                                                  if (error) {
                                                    std::rethrow_exception(error);
                                                  }
                                                } catch (const std::exception& unexpected) {
                                                  self->failed("", unexpected.what());
                                                } catch (...) {
                                                  self->failed("", "the connector failed");
                                                }
                                                outcome->done = true;
                                                self->changed_.notify();
                                              }));
  std::optional<typename C::time_point> until;
  if (time_limit.count() > 0) {
    until = C::now(executor) + time_limit;
  }
  std::exception_ptr cancelled;
  try {
    co_await detail::wait_until<C>(executor, self->changed_, until,
                                   [&] { return outcome->done || self->abandoned_; });
    if (self->abandoned_) {
      throw Error(errc::cancelled);
    }
  } catch (...) {
    cancelled = std::current_exception();
  }
  if (outcome->connected && !cancelled) {
    co_return std::move(*outcome->connected);
  }
  const bool too_late = !outcome->done;
  self->cancel_.emit(asio::cancellation_type::terminal);
  if (auto give_up = std::exchange(self->give_up_, nullptr)) {
    give_up();
  }
  if (cancelled) {
    std::rethrow_exception(cancelled);
  }
  ErrorContext context;
  context.detail = "cannot connect to " + connector.name();
  if (too_late) {
    context.time_limit = time_limit;
  }
  context.detail += self->failures_.empty() ? "" : ": " + self->failures_;
  throw Error(too_late ? errc::connect_timeout : self->code_, std::move(context));
}

}  // namespace cowire
