// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

namespace cowire::benchmark {

using Clock = std::chrono::steady_clock;

/// The benchmark cannot go on: a wrong reply, a dead server, or a deadline that passed.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The system does not allow to trace a server; everything else still works.
class TracingRefused : public Failure {
 public:
  using Failure::Failure;
};

[[noreturn]] inline void throw_errno(const char* operation) {
  throw std::system_error(errno, std::generic_category(), operation);
}

/// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { reset(); }

  [[nodiscard]] int get() const { return number_; }
  void reset() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }

 private:
  int number_ = -1;
};

/// The two processors of a run, taken from those that this process may use.
struct Processors {
  int server = -1;
  int generator = -1;

  [[nodiscard]] bool pinned() const { return server >= 0; }

  /// @returns The first two processors, or no pinning if there is only one.
  static Processors choose() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return {};
    std::vector<int> usable;
    for (int i = 0; i < CPU_SETSIZE && usable.size() < 2; ++i) {
      if (CPU_ISSET(static_cast<std::size_t>(i), &allowed)) usable.push_back(i);
    }
    return usable.size() < 2 ? Processors{} : Processors{usable[0], usable[1]};
  }
};

/// Keeps the calling process on one processor; a negative number means anywhere.
inline void pin_to(int processor) {
  if (processor < 0) return;
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(static_cast<std::size_t>(processor), &only);
  if (::sched_setaffinity(0, sizeof only, &only) != 0) throw_errno("sched_setaffinity");
}

/// Raises the limit of open files as far as it goes. @returns The limit.
inline std::size_t raise_open_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("setrlimit");
  return limit.rlim_cur;
}

}  // namespace cowire::benchmark
