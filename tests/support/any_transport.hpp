// SPDX-License-Identifier: BSL-1.0
// Transports and listeners whose type is forgotten: what uses them is compiled once for all.
#pragma once

#include "cowire/error.hpp"
#include "cowire/task.hpp"
#include "cowire/transport.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

/// Any transport. Of what only some can do there is the direct write, for which the others have
/// never room, and the handshake, which has succeeded at once where there is none.
class AnyTransport {
 public:
  using executor_type = asio::any_io_executor;
  using Moved = std::function<void(std::error_code, std::size_t)>;
  using Ready = std::function<void(std::error_code)>;

  template <class T>
    requires(!std::is_same_v<T, AnyTransport>)
  explicit AnyTransport(T transport) : it_(std::make_unique<Model<T>>(std::move(transport))) {}

  executor_type get_executor() { return it_->get_executor(); }
  void async_read_some(asio::mutable_buffer into, Moved done) { it_->read(into, std::move(done)); }
  void async_write_some(asio::const_buffer from, Moved done) { it_->write(from, std::move(done)); }
  std::size_t try_write_some(asio::const_buffer from, std::error_code& ec) {
    return it_->try_write(from, ec);
  }
  void async_handshake(Ready done) { it_->handshake(std::move(done)); }
  cowire::Error handshake_error(std::error_code ec) const { return it_->handshake_error(ec); }
  void shutdown_send(std::error_code& ec) { it_->shutdown_send(ec); }
  void close() { it_->close(); }
  void abort() { it_->abort(); }
  cowire::Endpoint local_endpoint() const { return it_->local_endpoint(); }
  cowire::Endpoint remote_endpoint() const { return it_->remote_endpoint(); }
  int native_handle() { return it_->native_handle(); }
  void apply(const cowire::SocketOptions& options) { it_->apply(options); }

 private:
  class Concept {
   public:
    virtual ~Concept() = default;
    virtual executor_type get_executor() = 0;
    virtual void read(asio::mutable_buffer into, Moved done) = 0;
    virtual void write(asio::const_buffer from, Moved done) = 0;
    virtual std::size_t try_write(asio::const_buffer from, std::error_code& ec) = 0;
    virtual void handshake(Ready done) = 0;
    virtual cowire::Error handshake_error(std::error_code ec) const = 0;
    virtual void shutdown_send(std::error_code& ec) = 0;
    virtual void close() = 0;
    virtual void abort() = 0;
    virtual cowire::Endpoint local_endpoint() const = 0;
    virtual cowire::Endpoint remote_endpoint() const = 0;
    virtual int native_handle() = 0;
    virtual void apply(const cowire::SocketOptions& options) = 0;
  };

  template <class T>
  class Model final : public Concept {
   public:
    explicit Model(T transport) : transport_(std::move(transport)) {}

    executor_type get_executor() override { return transport_.get_executor(); }
    void read(asio::mutable_buffer into, Moved done) override {
      transport_.async_read_some(into, std::move(done));
    }
    void write(asio::const_buffer from, Moved done) override {
      transport_.async_write_some(from, std::move(done));
    }
    std::size_t try_write(asio::const_buffer from, std::error_code& ec) override {
      if constexpr (cowire::WritesDirectly<T>) {
        return transport_.try_write_some(from, ec);
      } else {
        ec = asio::error::would_block;
        return 0;
      }
    }
    void handshake(Ready done) override {
      if constexpr (cowire::NeedsHandshake<T>) {
        transport_.async_handshake(std::move(done));
      } else {
        done({});
      }
    }
    cowire::Error handshake_error(std::error_code ec) const override {
      if constexpr (cowire::NeedsHandshake<T>) {
        return transport_.handshake_error(ec);
      } else {
        return cowire::Error(ec);
      }
    }
    void shutdown_send(std::error_code& ec) override { transport_.shutdown_send(ec); }
    void close() override { transport_.close(); }
    void abort() override { transport_.abort(); }
    cowire::Endpoint local_endpoint() const override { return transport_.local_endpoint(); }
    cowire::Endpoint remote_endpoint() const override { return transport_.remote_endpoint(); }
    int native_handle() override { return transport_.native_handle(); }
    void apply(const cowire::SocketOptions& options) override { transport_.apply(options); }

   private:
    T transport_;
  };

  std::unique_ptr<Concept> it_;
};

static_assert(cowire::Transport<AnyTransport> && cowire::WritesDirectly<AnyTransport> &&
              cowire::NeedsHandshake<AnyTransport>);

/// Any listener.
class AnyListener {
 public:
  using transport_type = AnyTransport;

  template <class L>
    requires(!std::is_same_v<L, AnyListener>)
  explicit AnyListener(L listener) : it_(std::make_unique<Model<L>>(std::move(listener))) {}

  asio::any_io_executor get_executor() { return it_->get_executor(); }
  cowire::Task<AnyTransport> accept() { return it_->accept(); }
  bool is_open() const { return it_->is_open(); }
  void cancel() { it_->cancel(); }
  void close() { it_->close(); }
  cowire::Endpoint local_endpoint() const { return it_->local_endpoint(); }
  int native_handle() { return it_->native_handle(); }

 private:
  class Concept {
   public:
    virtual ~Concept() = default;
    virtual asio::any_io_executor get_executor() = 0;
    virtual cowire::Task<AnyTransport> accept() = 0;
    virtual bool is_open() const = 0;
    virtual void cancel() = 0;
    virtual void close() = 0;
    virtual cowire::Endpoint local_endpoint() const = 0;
    virtual int native_handle() = 0;
  };

  template <class L>
  class Model final : public Concept {
   public:
    explicit Model(L listener) : listener_(std::move(listener)) {}

    asio::any_io_executor get_executor() override { return listener_.get_executor(); }
    cowire::Task<AnyTransport> accept() override {
      auto transport = co_await listener_.accept();
      co_return AnyTransport(std::move(transport));
    }
    bool is_open() const override { return listener_.is_open(); }
    void cancel() override { listener_.cancel(); }
    void close() override { listener_.close(); }
    cowire::Endpoint local_endpoint() const override { return listener_.local_endpoint(); }
    int native_handle() override { return listener_.native_handle(); }

   private:
    L listener_;
  };

  std::unique_ptr<Concept> it_;
};

static_assert(cowire::Listener<AnyListener>);
