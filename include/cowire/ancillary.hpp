// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>
#include <vector>

namespace cowire {

/// Owns one file descriptor: closes it at the end.
///
///     Descriptor mine = Descriptor::duplicate(STDOUT_FILENO);
class Descriptor {
 public:
  /// None.
  Descriptor() noexcept = default;
  /// Takes over an open one; -1: none.
  explicit Descriptor(int descriptor) noexcept : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    Descriptor old(std::exchange(descriptor_, other.release()));
    return *this;
  }
  ~Descriptor() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }

  /// Another descriptor for the same open file, which a program that is executed does not inherit.
  /// @throws std::system_error
  static Descriptor duplicate(int descriptor) {
    const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      throw std::system_error(errno, std::generic_category(), "a descriptor cannot be duplicated");
    }
    return Descriptor(copy);
  }

  /// The number, or -1. It stays this object's.
  int get() const noexcept { return descriptor_; }
  explicit operator bool() const noexcept { return descriptor_ >= 0; }

  /// Gives the number away: it is the caller's to close.
  int release() noexcept { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_ = -1;
};

/// What goes with a packet beside its bytes, over transports that can: open files, on Unix domain
/// sockets. See Peer::send_packet_with_ancillary and RecvParams::with_ancillary.
///
///     client.send_packet_with_ancillary("the log", Ancillary(Descriptor::duplicate(log)));
///
///     Ancillary came;
///     const std::string line = co_yield RecvParams().with_ancillary(came);
///     for (const Descriptor& descriptor : came.descriptors()) { use(descriptor.get()); }
class Ancillary {
 public:
  /// The most descriptors that may go with one packet: the system's limit.
  static constexpr std::size_t most_descriptors = 253;

  Ancillary() noexcept {}
  explicit Ancillary(Descriptor descriptor) { descriptors_.push_back(std::move(descriptor)); }
  explicit Ancillary(std::vector<Descriptor> descriptors) noexcept
      : descriptors_(std::move(descriptors)) {}
  Ancillary(Ancillary&& other) noexcept
      : descriptors_(std::exchange(other.descriptors_, std::vector<Descriptor>())) {}
  Ancillary& operator=(Ancillary&& other) noexcept {
    descriptors_ = std::exchange(other.descriptors_, std::vector<Descriptor>());
    return *this;
  }
  ~Ancillary() = default;

  /// Adds one more.
  void add(Descriptor descriptor) { descriptors_.push_back(std::move(descriptor)); }

  /// Moves those of another one here, to the end.
  void add(Ancillary other) {
    for (Descriptor& descriptor : other.descriptors_) {
      descriptors_.push_back(std::move(descriptor));
    }
  }

  /// The descriptors, in the sender's order. They may be moved out.
  std::vector<Descriptor>& descriptors() noexcept { return descriptors_; }
  const std::vector<Descriptor>& descriptors() const noexcept { return descriptors_; }

  /// How many descriptors there are.
  std::size_t size() const noexcept { return descriptors_.size(); }
  bool empty() const noexcept { return descriptors_.empty(); }

 private:
  std::vector<Descriptor> descriptors_;
};

}  // namespace cowire
