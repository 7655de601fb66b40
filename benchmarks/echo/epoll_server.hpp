// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "process.hpp"
#include "system.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace cowire::benchmark {

/// The limit: an echo server written by hand for one purpose.
///
/// It finds every line, answers all lines of one read with one write, keeps no buffer for an idle
/// connection, and stops reading from a peer that does not take its replies.
class EpollServer {
 public:
  /// Listens on a free port of 127.0.0.1.
  EpollServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    if (::bind(listener_.get(), generic, size) != 0) throw_errno("bind");
    if (::listen(listener_.get(), SOMAXCONN) != 0) throw_errno("listen");
    if (::getsockname(listener_.get(), generic, &size) != 0) throw_errno("getsockname");
    port_ = ntohs(address.sin_port);
    watch(EPOLL_CTL_ADD, listener_.get(), EPOLLIN);
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events;
    for (;;) {
      const int count =
          ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
      if (count < 0 && errno != EINTR) throw_errno("epoll_wait");
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.fd == listener_.get()) {
          accept_all();
        } else if (!connection_of(event.data.fd).unsent.empty()) {
          continue_sending(event.data.fd);
        } else {
          receive(event.data.fd);
        }
      }
    }
  }

 private:
  struct Connection {
    std::string partial_line;
    std::string unsent;
  };

  static constexpr std::size_t read_size = 64 * 1024;
  static constexpr std::size_t line_limit = 64 * 1024;

  void watch(int operation, int socket, std::uint32_t interest) {
    epoll_event event{};
    event.events = interest;
    event.data.fd = socket;
    if (::epoll_ctl(epoll_.get(), operation, socket, &event) != 0) throw_errno("epoll_ctl");
  }

  void accept_all() {
    for (;;) {
      const int socket = ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (socket < 0) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EAGAIN) return;
        throw_errno("accept4");
      }
      const int on = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      const auto index = static_cast<std::size_t>(socket);
      if (connections_.size() <= index) connections_.resize(index + 1);
      watch(EPOLL_CTL_ADD, socket, EPOLLIN);
    }
  }

  void receive(int socket) {
    const ssize_t count = ::recv(socket, input_.data(), input_.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return close_connection(socket);
    Connection& connection = connection_of(socket);
    const std::string_view received(input_.data(), static_cast<std::size_t>(count));
    if (connection.partial_line.empty()) {
      keep_rest(connection, answer_lines(received, 0));
    } else {
      const std::size_t scanned = connection.partial_line.size();
      std::string joined;
      joined.swap(connection.partial_line);
      joined.append(received);
      keep_rest(connection, answer_lines(joined, scanned));
    }
    if (connection.partial_line.size() > line_limit) return close_connection(socket);
    if (output_size_ != 0) send_replies(socket, connection);
  }

  /// Answers the whole lines of `bytes`, whose first `scanned` ones hold no newline.
  /// @returns What follows the last newline.
  std::string_view answer_lines(std::string_view bytes, std::size_t scanned) {
    output_size_ = 0;
    for (;;) {
      const std::size_t end = bytes.find('\n', scanned);
      if (end == std::string_view::npos) return bytes;
      answer(bytes.substr(0, end));
      bytes.remove_prefix(end + 1);
      scanned = 0;
    }
  }

  void answer(std::string_view line) {
    char* const to = output_.data() + output_size_;
    std::memcpy(to, line.data(), line.size());
    to[line.size()] = '\n';
    output_size_ += line.size() + 1;
  }

  static void keep_rest(Connection& connection, std::string_view rest) {
    if (!rest.empty()) connection.partial_line.assign(rest);
  }

  void send_replies(int socket, Connection& connection) {
    const ssize_t count = ::send(socket, output_.data(), output_size_, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return close_connection(socket);
    const std::size_t sent = count < 0 ? 0 : static_cast<std::size_t>(count);
    if (sent == output_size_) return;
    connection.unsent.assign(output_.data() + sent, output_size_ - sent);
    watch(EPOLL_CTL_MOD, socket, EPOLLOUT);
  }

  void continue_sending(int socket) {
    std::string& unsent = connection_of(socket).unsent;
    const ssize_t count = ::send(socket, unsent.data(), unsent.size(), MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) return close_connection(socket);
    unsent.erase(0, static_cast<std::size_t>(count));
    if (!unsent.empty()) return;
    std::string().swap(unsent);
    watch(EPOLL_CTL_MOD, socket, EPOLLIN);
  }

  void close_connection(int socket) {
    connection_of(socket) = Connection{};
    ::close(socket);
  }

  Connection& connection_of(int socket) { return connections_[static_cast<std::size_t>(socket)]; }

  Descriptor listener_;
  Descriptor epoll_{::epoll_create1(EPOLL_CLOEXEC)};
  std::uint16_t port_ = 0;
  std::deque<Connection> connections_;  // Indexed by descriptor.
  std::vector<char> input_ = std::vector<char>(read_size);
  std::vector<char> output_ = std::vector<char>(read_size + line_limit);
  std::size_t output_size_ = 0;
};

inline void serve_epoll(const Announce& announce) {
  EpollServer server;
  announce(server.port());
  server.run();
}

}  // namespace cowire::benchmark
