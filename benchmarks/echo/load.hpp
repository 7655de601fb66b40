// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "system.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace cowire::benchmark {

/// The bytes of all requests, and so of all replies: different lines of 64 bytes, again and again.
class Pattern {
 public:
  static constexpr std::size_t line_size = 64;
  static constexpr std::size_t lines = 256;
  static constexpr std::size_t period = line_size * lines;

  Pattern() : bytes_(2 * period) {
    std::uint32_t random = 12345;
    for (std::size_t i = 0; i < period; ++i) {
      random = random * 1664525 + 1013904223;
      const bool last = i % line_size == line_size - 1;
      bytes_[i] = last ? '\n' : static_cast<char>(' ' + (random >> 24) % 95);
    }
    std::copy_n(bytes_.begin(), period, bytes_.begin() + period);
  }

  /// @returns At least `period` bytes of the endless stream, from `position` on.
  [[nodiscard]] const char* at(std::uint64_t position) const {
    return bytes_.data() + position % period;
  }

 private:
  std::vector<char> bytes_;
};

/// A source of requests on one thread: keeps a server busy, and checks every byte of every reply.
///
/// A derived class decides what a request is; this class decides when requests are allowed and how
/// long everything may take.
class Load {
 public:
  Load() = default;
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  virtual ~Load() = default;

  /// Keeps requests in flight for this time. @returns How many were answered in it.
  std::uint64_t run_for(std::chrono::duration<double> time) {
    allowed_ = std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t before = completed_;
    run_until(Clock::now() + std::chrono::duration_cast<Clock::duration>(time));
    return completed_ - before;
  }

  /// Makes exactly `count` requests, after those in flight, and waits until all are answered.
  void run_requests(std::uint64_t count) {
    allowed_ = 0;
    finish();
    allowed_ = count;
    finish();
  }

 protected:
  /// Makes as many requests on slot `slot` as `allow_requests` grants.
  virtual void start(std::size_t slot) = 0;
  virtual void on_event(std::size_t slot, std::uint32_t events) = 0;
  [[nodiscard]] virtual std::size_t slots() const = 0;

  /// @returns How many of `wanted` requests may be made now; they count as in flight.
  std::uint64_t allow_requests(std::uint64_t wanted) {
    const std::uint64_t granted = std::min(wanted, allowed_);
    allowed_ -= granted;
    in_flight_ += granted;
    return granted;
  }

  void complete_requests(std::uint64_t count) {
    in_flight_ -= count;
    completed_ += count;
  }

  void watch(int operation, int socket, std::size_t slot, std::uint32_t interest) {
    epoll_event event{};
    event.events = interest;
    event.data.u64 = slot;
    if (::epoll_ctl(epoll_.get(), operation, socket, &event) != 0) throw_errno("epoll_ctl");
  }

  /// Checks that `count` received bytes are what the stream holds at `position`.
  void check(const char* received, std::size_t count, std::uint64_t position) const {
    const char* const expected = pattern_.at(position);
    if (std::memcmp(received, expected, count) == 0) return;
    const char* const different = std::mismatch(received, received + count, expected).first;
    throw Failure("wrong reply: a byte of line " +
                  std::to_string((position + static_cast<std::uint64_t>(different - received)) /
                                 Pattern::line_size) +
                  " of its connection differs");
  }

  [[nodiscard]] const Pattern& pattern() const { return pattern_; }
  std::array<char, Pattern::period>& scratch() { return scratch_; }

 private:
  static constexpr auto patience = std::chrono::seconds(10);

  void start_all() {
    for (std::size_t slot = 0; slot < slots(); ++slot) start(slot);
  }

  void run_until(Clock::time_point end) {
    start_all();
    auto last_reply = Clock::now();
    for (auto now = last_reply; now < end; now = Clock::now()) {
      const std::uint64_t before = completed_;
      turn(std::min(end, last_reply + patience) - now);
      if (completed_ != before) last_reply = now;
      if (now - last_reply >= patience) throw Failure("no reply for 10 s");
    }
  }

  void finish() {
    start_all();
    auto last_reply = Clock::now();
    const auto deadline = last_reply + 6 * patience;
    while (in_flight_ > 0 || allowed_ > 0) {
      const std::uint64_t before = completed_;
      turn(patience);
      const auto now = Clock::now();
      if (completed_ != before) last_reply = now;
      if (now - last_reply >= patience) throw Failure("no reply for 10 s");
      if (now > deadline) throw Failure("requests were not answered within 60 s");
    }
  }

  void turn(Clock::duration timeout) {
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(timeout);
    const int count = ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                                   static_cast<int>(std::max<std::int64_t>(wait.count(), 0)));
    if (count < 0 && errno != EINTR) throw_errno("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events_[static_cast<std::size_t>(i)];
      on_event(static_cast<std::size_t>(event.data.u64), event.events);
    }
  }

  Pattern pattern_;
  std::array<char, Pattern::period> scratch_{};
  std::array<epoll_event, 256> events_{};
  Descriptor epoll_{::epoll_create1(EPOLL_CLOEXEC)};
  std::uint64_t allowed_ = 0;
  std::uint64_t in_flight_ = 0;
  std::uint64_t completed_ = 0;
};

/// Begins to connect a non-blocking socket to the server.
///
/// Each `source` is another loopback address, because one address has not enough ports for the
/// connections of a long run.
inline Descriptor begin_connect(std::uint16_t port, std::uint32_t source) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) throw_errno("socket");
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(socket.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + source);
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(socket.get(), generic, sizeof address) != 0) throw_errno("bind");
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(socket.get(), generic, sizeof address) != 0 && errno != EINPROGRESS) {
    throw_errno("connect");
  }
  return socket;
}

/// @throws Failure if the attempt to connect has failed.
inline void check_connected(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) throw Failure(std::string("cannot connect: ") + std::strerror(error));
}

}  // namespace cowire::benchmark
