// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "load.hpp"
#include "system.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace cowire::benchmark {

/// Receives what there is. @returns The number of bytes, 0 if there is nothing now.
/// @throws Failure if the server has closed the connection.
inline std::size_t receive_some(int socket, char* to, std::size_t size) {
  const ssize_t count = ::recv(socket, to, size, 0);
  if (count > 0) return static_cast<std::size_t>(count);
  if (count == 0) throw Failure("the server closed a connection");
  if (errno == EAGAIN || errno == EINTR) return 0;
  throw Failure(std::string("a connection broke: ") + std::strerror(errno));
}

/// Connections that stay, each with up to `depth` requests in flight.
class PipelinedLoad : public Load {
 public:
  /// Connects one after the other. @pre 0 < depth <= Pattern::lines
  PipelinedLoad(std::uint16_t port, std::size_t connections, std::size_t depth) : depth_(depth) {
    connections_.reserve(connections);
    for (std::size_t slot = 0; slot < connections; ++slot) {
      Connection connection;
      connection.socket = begin_connect(port, static_cast<std::uint32_t>(slot / 16'384));
      pollfd writable{connection.socket.get(), POLLOUT, 0};
      if (::poll(&writable, 1, 10'000) <= 0) throw Failure("cannot connect within 10 s");
      check_connected(connection.socket.get());
      watch(EPOLL_CTL_ADD, connection.socket.get(), slot, EPOLLIN);
      // Different lines on neighbouring connections: a reply to the wrong peer is a wrong reply.
      connection.first = slot * 37 % Pattern::lines * Pattern::line_size;
      connections_.push_back(std::move(connection));
    }
  }

 protected:
  [[nodiscard]] std::size_t slots() const override { return connections_.size(); }

  void start(std::size_t slot) override {
    Connection& connection = connections_[slot];
    const std::uint64_t pending = connection.granted - connection.received / Pattern::line_size;
    connection.granted += allow_requests(depth_ - pending);
    send_granted(slot);
  }

  void on_event(std::size_t slot, std::uint32_t events) override {
    if ((events & EPOLLOUT) != 0) send_granted(slot);
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) return;
    Connection& connection = connections_[slot];
    auto& bytes = scratch();
    const std::size_t count = receive_some(connection.socket.get(), bytes.data(), bytes.size());
    if (connection.received + count > connection.sent) {
      throw Failure("wrong reply: more bytes than were sent");
    }
    check(bytes.data(), count, connection.first + connection.received);
    const std::uint64_t lines_before = connection.received / Pattern::line_size;
    connection.received += count;
    complete_requests(connection.received / Pattern::line_size - lines_before);
    start(slot);
  }

 private:
  struct Connection {
    Descriptor socket;
    std::uint64_t first = 0;     // Where in the pattern this connection began.
    std::uint64_t granted = 0;   // Lines that it may send.
    std::uint64_t sent = 0;      // Bytes.
    std::uint64_t received = 0;  // Bytes.
    bool blocked = false;        // The kernel takes no more now.
  };

  void send_granted(std::size_t slot) {
    Connection& connection = connections_[slot];
    const std::uint64_t end = connection.granted * Pattern::line_size;
    while (connection.sent < end) {
      const char* const from = pattern().at(connection.first + connection.sent);
      const std::uint64_t size = end - connection.sent;
      const ssize_t count = ::send(connection.socket.get(), from, size, MSG_NOSIGNAL);
      if (count < 0 && errno == EAGAIN) break;
      if (count < 0 && errno != EINTR) {
        throw Failure(std::string("a connection broke: ") + std::strerror(errno));
      }
      if (count > 0) connection.sent += static_cast<std::uint64_t>(count);
    }
    const bool blocked = connection.sent < end;
    if (std::exchange(connection.blocked, blocked) == blocked) return;
    const std::uint32_t interest = blocked ? EPOLLIN | EPOLLOUT : EPOLLIN;
    watch(EPOLL_CTL_MOD, connection.socket.get(), slot, interest);
  }

  std::uint64_t depth_;
  std::vector<Connection> connections_;
};

/// Workers that connect, make one request, and close when they have the reply.
class ConnectingLoad : public Load {
 public:
  ConnectingLoad(std::uint16_t port, std::size_t workers) : port_(port), workers_(workers) {}

 protected:
  [[nodiscard]] std::size_t slots() const override { return workers_.size(); }

  void start(std::size_t slot) override {
    Worker& worker = workers_[slot];
    if (worker.socket.get() >= 0 || allow_requests(1) == 0) return;
    worker.socket = begin_connect(port_, static_cast<std::uint32_t>(slot));
    worker.line = next_line_++ * Pattern::line_size;
    worker.received = 0;
    worker.connected = false;
    watch(EPOLL_CTL_ADD, worker.socket.get(), slot, EPOLLIN | EPOLLOUT | EPOLLET);
  }

  void on_event(std::size_t slot, std::uint32_t) override {
    Worker& worker = workers_[slot];
    if (!worker.connected) return send_request(worker);
    auto& bytes = scratch();
    for (;;) {
      const std::size_t count = receive_some(worker.socket.get(), bytes.data(), bytes.size());
      if (count == 0) return;
      if (worker.received + count > Pattern::line_size) {
        throw Failure("wrong reply: more bytes than were sent");
      }
      check(bytes.data(), count, worker.line + worker.received);
      worker.received += count;
      if (worker.received == Pattern::line_size) break;
    }
    worker.socket.reset();
    complete_requests(1);
    start(slot);
  }

 private:
  struct Worker {
    Descriptor socket;
    std::uint64_t line = 0;  // Where in the pattern its request is.
    std::size_t received = 0;
    bool connected = false;
  };

  void send_request(Worker& worker) {
    check_connected(worker.socket.get());
    const char* const from = pattern().at(worker.line);
    // A fresh socket has room for one line.
    if (::send(worker.socket.get(), from, Pattern::line_size, MSG_NOSIGNAL) !=
        static_cast<ssize_t>(Pattern::line_size)) {
      throw Failure(std::string("cannot send on a new connection: ") + std::strerror(errno));
    }
    worker.connected = true;
  }

  std::uint16_t port_;
  std::uint64_t next_line_ = 0;
  std::vector<Worker> workers_;
};

}  // namespace cowire::benchmark
