// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "count.hpp"
#include "system.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <fstream>
#include <string>

namespace cowire::benchmark {

/// What a server calls once, when it listens, to tell the benchmark its port.
class Announce {
 public:
  struct Message {
    pid_t process;
    std::uint16_t port;
  };

  explicit Announce(int pipe) : pipe_(pipe) {}

  void operator()(std::uint16_t port) const {
    Message message{};
    message.process = ::getpid();
    message.port = port;
    if (::write(pipe_, &message, sizeof message) != sizeof message) throw_errno("write");
    ::close(pipe_);
  }

 private:
  int pipe_;
};

/// A server: listens on 127.0.0.1 port 0, announces the port, and serves until it is killed.
using ServeFunction = void (*)(const Announce& announce);

/// What is counted in a server process; counting slows it down, so timed servers count nothing.
enum class Counting { nothing, allocations, system_calls };

/// One server in a child process of its own.
///
/// The child is ended and reaped with this object; the kernel ends it if this process dies before.
class ServerProcess {
 public:
  /// Forks, and waits until the server listens.
  ///
  /// @throws Failure if the server does not announce a port within ten seconds.
  ///         TracingRefused if system calls cannot be counted here.
  ServerProcess(ServeFunction serve, int processor, Counting counting, Counters& counters) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe2");
    Descriptor read_end(ends[0]);
    Descriptor write_end(ends[1]);
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    child_ = ::fork();
    if (child_ < 0) throw_errno("fork");
    if (child_ == 0) {
      read_end.reset();
      run_child(serve, processor, counting, counters, parent, write_end.get());
    }
    write_end.reset();
    try {
      receive_announcement(read_end.get());
    } catch (...) {
      kill_and_reap();
      throw;
    }
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() { kill_and_reap(); }

  [[nodiscard]] std::uint16_t port() const { return port_; }

  /// CPU time of all threads of the server, in seconds.
  [[nodiscard]] double cpu_seconds() const {
    clockid_t clock{};
    timespec time{};
    if (::clock_getcpuclockid(server_, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
      throw Failure("the server died: its CPU time cannot be read");
    }
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }

  /// Bytes of user-space memory that are resident; the kernel's socket buffers do not count.
  [[nodiscard]] std::size_t resident_bytes() const {
    std::ifstream file("/proc/" + std::to_string(server_) + "/smaps_rollup");
    for (std::string word; file >> word;) {
      std::size_t kibibytes = 0;
      if (word == "Rss:" && file >> kibibytes) return kibibytes * 1024;
    }
    std::ifstream statm("/proc/" + std::to_string(server_) + "/statm");
    std::size_t total = 0;
    std::size_t resident = 0;
    if (!(statm >> total >> resident)) throw Failure("the server died: its memory is unreadable");
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  }

  /// Waits until the server sleeps in the kernel: what it does after its last reply is then
  /// counted.
  void wait_until_asleep() const {
    const auto deadline = Clock::now() + std::chrono::seconds(2);
    while (Clock::now() < deadline && state() != 'S') ::poll(nullptr, 0, 1);
  }

  /// Ends the server. @throws Failure if it had died before, or if it does not end by SIGTERM.
  void stop() {
    int status = 0;
    if (::waitpid(child_, &status, WNOHANG) == child_) {
      child_ = -1;
      throw Failure("the server died: " + describe(status));
    }
    ::kill(child_, SIGTERM);
    if (!reap_before(Clock::now() + std::chrono::seconds(5), status)) {
      throw Failure("the server did not end within 5 s of SIGTERM");
    }
    const bool ended = (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                       (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    if (!ended) throw Failure("the server ended badly: " + describe(status));
  }

  /// @returns How the server died, or an empty string if it is alive.
  std::string death() {
    int status = 0;
    // A connection may break a moment before its process is a zombie.
    if (!reap_before(Clock::now() + std::chrono::milliseconds(200), status)) return {};
    return "the server died: " + describe(status);
  }

 private:
  [[noreturn]] static void run_child(ServeFunction serve, int processor, Counting counting,
                                     Counters& counters, pid_t parent, int pipe) {
    try {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(EXIT_FAILURE);
      pin_to(processor);
      if (counting == Counting::system_calls) continue_traced(counters);
      // Memory that the parent has used and freed must not look like memory that costs nothing.
      ::malloc_trim(0);
      if (counting == Counting::allocations) allocation_counter = &counters.allocations;
      serve(Announce(pipe));
      std::fprintf(stderr, "echo_benchmark: the server returned\n");
    } catch (const std::exception& error) {
      std::fprintf(stderr, "echo_benchmark: the server threw: %s\n", error.what());
    }
    ::_exit(EXIT_FAILURE);
  }

  void receive_announcement(int pipe) {
    pollfd readable{pipe, POLLIN, 0};
    if (::poll(&readable, 1, 10'000) <= 0) throw Failure("the server did not listen within 10 s");
    Announce::Message message{};
    if (::read(pipe, &message, sizeof message) != sizeof message) {
      int status = 0;
      if (!reap_before(Clock::now() + std::chrono::seconds(5), status)) {
        throw Failure("the server closed its pipe without a port");
      }
      if (WIFEXITED(status) && WEXITSTATUS(status) == tracing_refused) {
        throw TracingRefused("this system does not allow ptrace");
      }
      throw Failure("the server died before it listened: " + describe(status));
    }
    server_ = message.process;
    port_ = message.port;
  }

  [[nodiscard]] char state() const {
    std::ifstream file("/proc/" + std::to_string(server_) + "/stat");
    std::string line;
    std::getline(file, line);
    const std::size_t name_end = line.rfind(") ");
    return name_end == std::string::npos || name_end + 2 >= line.size() ? '?' : line[name_end + 2];
  }

  bool reap_before(Clock::time_point deadline, int& status) {
    do {
      if (::waitpid(child_, &status, WNOHANG) == child_) {
        child_ = -1;
        return true;
      }
      ::poll(nullptr, 0, 1);
    } while (Clock::now() < deadline);
    return false;
  }

  void kill_and_reap() noexcept {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = -1;
  }

  static std::string describe(int status) {
    if (WIFEXITED(status)) return "exit status " + std::to_string(WEXITSTATUS(status));
    return "signal " + std::to_string(WTERMSIG(status));
  }

  pid_t child_ = -1;   // The server, or the tracer that is its parent.
  pid_t server_ = -1;  // The server itself.
  std::uint16_t port_ = 0;
};

}  // namespace cowire::benchmark
