// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <system_error>
#include <vector>

namespace cowire::benchmark {

/// Where the allocations of this process are counted, or null while nobody counts.
///
/// The hooks in count.cpp look at it. Only a server child that is started to be counted sets it, so
/// that a timed server pays one well predicted branch for each allocation.
inline std::atomic<std::uint64_t>* allocation_counter = nullptr;

/// Whether all of malloc is counted, or only operator new (under sanitizers, or without glibc).
extern const bool counts_malloc;

/// Counters in memory that is shared with the server child: it writes, the parent reads.
struct Counters {
  std::atomic<std::uint64_t> allocations{0};
  /// Indexed by system call number; the last one collects all numbers beyond.
  std::array<std::atomic<std::uint64_t>, 512> system_calls{};

  [[nodiscard]] std::vector<std::uint64_t> system_call_snapshot() const {
    return {system_calls.begin(), system_calls.end()};
  }
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "shared between processes");

/// Owns one `Counters` in shared memory.
class SharedCounters {
 public:
  SharedCounters() {
    void* const memory = ::mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::system_error(errno, std::generic_category(), "mmap of the shared counters");
    }
    counters_ = ::new (memory) Counters;
  }
  SharedCounters(const SharedCounters&) = delete;
  SharedCounters& operator=(const SharedCounters&) = delete;
  ~SharedCounters() { ::munmap(counters_, sizeof(Counters)); }

  Counters& operator*() const { return *counters_; }
  Counters* operator->() const { return counters_; }

 private:
  Counters* counters_;
};

/// The exit status of a traced server, or of its tracer, when the system does not allow tracing.
inline constexpr int tracing_refused = 77;

namespace detail {

inline pid_t traced_server = 0;

/// Counts one system call stop of `thread`. Returns false if the kernel cannot tell about it.
inline bool count_stop(pid_t thread, Counters& counters) {
  __ptrace_syscall_info info{};
  void* const size = reinterpret_cast<void*>(sizeof info);
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, size, &info) < 0) {
    // A thread that was killed between its stop and this question is no reason to give up.
    return errno == ESRCH;
  }
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    const std::size_t last = counters.system_calls.size() - 1;
    const std::size_t number = std::min(static_cast<std::size_t>(info.entry.nr), last);
    counters.system_calls[number].fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

/// Lets every thread of `server` run from stop to stop until it ends. Returns its exit status.
inline int trace_until_exit(pid_t server, Counters& counters) {
  for (;;) {
    int status = 0;
    const pid_t stopped = ::waitpid(-1, &status, __WALL);
    if (stopped < 0) {
      if (errno == EINTR) continue;
      return EXIT_FAILURE;
    }
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (stopped != server) continue;
      if (WIFEXITED(status)) return WEXITSTATUS(status);
      return WTERMSIG(status) == SIGTERM ? EXIT_SUCCESS : 128 + WTERMSIG(status);
    }
    long signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      if (!count_stop(stopped, counters)) return tracing_refused;
      signal = 0;
    } else if (signal == SIGTRAP || signal == SIGSTOP) {
      signal = 0;  // A new thread reports itself; these stops are the tracer's own.
    }
    ::ptrace(PTRACE_SYSCALL, stopped, nullptr, reinterpret_cast<void*>(signal));
  }
}

}  // namespace detail

/// Turns the calling process into two: a tracer, which counts, and the server, which returns.
///
/// The tracer never returns: it ends with the server's exit status, hands SIGTERM on to the server,
/// and takes the server with it when it is killed. Either ends with `tracing_refused` if the system
/// does not let it trace.
inline void continue_traced(Counters& counters) {
  const pid_t server = ::fork();
  if (server < 0) ::_exit(EXIT_FAILURE);
  if (server == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) < 0) ::_exit(tracing_refused);
    ::raise(SIGSTOP);
    return;
  }
  detail::traced_server = server;
  struct sigaction forward{};
  forward.sa_handler = [](int) { ::kill(detail::traced_server, SIGTERM); };
  ::sigaction(SIGTERM, &forward, nullptr);
  int status = 0;
  while (::waitpid(server, &status, 0) < 0) {
    if (errno != EINTR) ::_exit(EXIT_FAILURE);
  }
  if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
  const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE;
  if (::ptrace(PTRACE_SETOPTIONS, server, nullptr, reinterpret_cast<void*>(options)) < 0) {
    ::kill(server, SIGKILL);
    ::waitpid(server, nullptr, 0);
    ::_exit(tracing_refused);
  }
  ::ptrace(PTRACE_SYSCALL, server, nullptr, nullptr);
  ::_exit(detail::trace_until_exit(server, counters));
}

}  // namespace cowire::benchmark
