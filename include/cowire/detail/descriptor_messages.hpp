// SPDX-License-Identifier: BSL-1.0
// How descriptors travel beside the bytes of a Unix domain socket: sendmsg and recvmsg.
#pragma once

#include "cowire/ancillary.hpp"

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/socket_base.hpp>

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace cowire::detail {

// A message of some bytes, and room for descriptors beside it.
class DescriptorMessage {
 public:
  DescriptorMessage(void* data, std::size_t size, std::size_t descriptors) noexcept
      : bytes_{data, size} {
    message_.msg_iov = &bytes_;
    message_.msg_iovlen = 1;
    message_.msg_control = control_;
    message_.msg_controllen =
        static_cast<decltype(message_.msg_controllen)>(CMSG_SPACE(descriptors * sizeof(int)));
  }
  DescriptorMessage(const DescriptorMessage&) = delete;
  DescriptorMessage& operator=(const DescriptorMessage&) = delete;

  msghdr& header() noexcept { return message_; }

 private:
  iovec bytes_;
  msghdr message_ = {};
  alignas(cmsghdr) char control_[CMSG_SPACE(Ancillary::most_descriptors * sizeof(int))] = {};
};

inline std::error_code last_socket_error() noexcept {
  if (errno == EWOULDBLOCK) {
    return asio::error::would_block;
  }
  return {errno, asio::error::get_system_category()};
}

// Sends bytes, at least one, and the descriptors with the first of them, or sets would_block.
inline std::size_t send_with_descriptors(int socket, asio::const_buffer bytes,
                                         const Ancillary& ancillary, std::error_code& ec) {
  DescriptorMessage message(const_cast<void*>(bytes.data()), bytes.size(), ancillary.size());
  cmsghdr* const control = CMSG_FIRSTHDR(&message.header());
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len =
      static_cast<decltype(control->cmsg_len)>(CMSG_LEN(ancillary.size() * sizeof(int)));
  unsigned char* place = CMSG_DATA(control);
  for (const Descriptor& descriptor : ancillary.descriptors()) {
    const int number = descriptor.get();
    std::memcpy(place, &number, sizeof(number));
    place += sizeof(number);
  }
#ifdef MSG_NOSIGNAL
  constexpr int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
#else
  constexpr int flags = MSG_DONTWAIT;  // Asio has set SO_NOSIGPIPE.
#endif
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket, &message.header(), flags);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    ec = last_socket_error();
    return 0;
  }
  ec = {};
  return static_cast<std::size_t>(sent);
}

// Reads from a socket, and keeps the descriptors that came with the last read.
class DescriptorReceiver {
 public:
  // Of one read, at most `limit` are taken.
  DescriptorReceiver(int socket, std::size_t limit) noexcept : socket_(socket), limit_(limit) {}

  std::size_t limit() const noexcept { return limit_; }

  // At least one byte; or asio::error::eof, would_block, or what the system says.
  std::size_t read_some(asio::mutable_buffer into, std::error_code& ec) {
    came_.emplace();
    DescriptorMessage message(into.data(), into.size(),
                              std::min(limit_, Ancillary::most_descriptors));
#ifdef MSG_CMSG_CLOEXEC
    constexpr int flags = MSG_CMSG_CLOEXEC | MSG_DONTWAIT;
#else
    constexpr int flags = MSG_DONTWAIT;
#endif
    ssize_t received = 0;
    do {
      received = ::recvmsg(socket_, &message.header(), flags);
    } while (received < 0 && errno == EINTR);
    if (received < 0) {
      ec = last_socket_error();
      return 0;
    }
    keep(message.header());
    ec = received == 0 ? make_error_code(asio::error::eof) : std::error_code();
    return static_cast<std::size_t>(received);
  }

  // What came with the last read; nothing if some of it was lost.
  std::optional<Ancillary> take() noexcept { return std::exchange(came_, Ancillary()); }

 private:
  void keep(msghdr& message) {
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
         control = CMSG_NXTHDR(&message, control)) {
      if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
        continue;
      }
      const unsigned char* const data = CMSG_DATA(control);
      const auto* const begin = reinterpret_cast<const unsigned char*>(control);
      const std::size_t size = control->cmsg_len - static_cast<std::size_t>(data - begin);
      for (std::size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
        int number = -1;
        std::memcpy(&number, data + at, sizeof(number));
        Descriptor descriptor(number);
#ifndef MSG_CMSG_CLOEXEC
        ::fcntl(number, F_SETFD, FD_CLOEXEC);
#endif
        came_->add(std::move(descriptor));
      }
    }
    if ((message.msg_flags & MSG_CTRUNC) != 0 || came_->size() > limit_) {
      came_.reset();
    }
  }

  int socket_;
  std::size_t limit_;
  std::optional<Ancillary> came_ = Ancillary();
};

// Waits for bytes and reads them: for asio::async_compose. The socket goes with its receiver.
template <class Socket>
class ReadWithDescriptors {
 public:
  ReadWithDescriptors(Socket& socket, const std::shared_ptr<DescriptorReceiver>& receiver,
                      asio::mutable_buffer into)
      : socket_(&socket), receiver_(receiver), into_(into) {}

  template <class Self>
  void operator()(Self& self) {
    socket_->async_wait(asio::socket_base::wait_read, std::move(self));
  }

  template <class Self>
  void operator()(Self& self, std::error_code ec) {
    std::size_t n = 0;
    if (!ec) {
      // The wait may have ended well just before the socket was closed.
      const std::shared_ptr<DescriptorReceiver> receiver = receiver_.lock();
      if (receiver == nullptr) {
        ec = asio::error::operation_aborted;
      } else {
        n = receiver->read_some(into_, ec);
        if (ec == asio::error::would_block) {
          (*this)(self);
          return;
        }
      }
    }
    self.complete(ec, n);
  }

 private:
  Socket* socket_;
  std::weak_ptr<DescriptorReceiver> receiver_;
  asio::mutable_buffer into_;
};

}  // namespace cowire::detail
