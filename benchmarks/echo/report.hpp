// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/syscall.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cowire::benchmark {

/// @pre not values.empty()
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// A number with as many digits as it deserves: exactly 0 is "0", and nothing else is.
inline std::string format_number(double value) {
  char text[32];
  const char* const format = value == 0     ? "%.0f"
                             : value < 0.01 ? "%.4f"
                             : value < 0.1  ? "%.3f"
                             : value < 1000 ? "%.2f"
                                            : "%.0f";
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// Prints rows under a header; the first column is text, the others are numbers.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  void print() const {
    for (const auto& row : rows_) {
      std::string line;
      for (std::size_t column = 0; column < row.size(); ++column) {
        const std::size_t padding = width(column) - row[column].size();
        if (column != 0) line += "  " + std::string(padding, ' ');
        line += row[column];
        if (column == 0) line += std::string(padding, ' ');
      }
      std::puts(line.c_str());
    }
  }

 private:
  [[nodiscard]] std::size_t width(std::size_t column) const {
    std::size_t widest = 0;
    for (const auto& row : rows_) widest = std::max(widest, row[column].size());
    return widest;
  }

  std::vector<std::vector<std::string>> rows_;
};

/// The name of a system call that echo servers make, or its number.
inline std::string system_call_name(std::size_t number) {
  static constexpr std::pair<long, std::string_view> names[] = {
#ifdef SYS_epoll_wait
      {SYS_epoll_wait, "epoll_wait"},
#endif
      {SYS_epoll_pwait, "epoll_pwait"},
      {SYS_epoll_ctl, "epoll_ctl"},
      {SYS_read, "read"},
      {SYS_readv, "readv"},
      {SYS_recvfrom, "recvfrom"},
      {SYS_recvmsg, "recvmsg"},
      {SYS_write, "write"},
      {SYS_writev, "writev"},
      {SYS_sendto, "sendto"},
      {SYS_sendmsg, "sendmsg"},
      {SYS_accept, "accept"},
      {SYS_accept4, "accept4"},
      {SYS_close, "close"},
      {SYS_shutdown, "shutdown"},
      {SYS_setsockopt, "setsockopt"},
      {SYS_getsockname, "getsockname"},
      {SYS_getpeername, "getpeername"},
      {SYS_fcntl, "fcntl"},
      {SYS_ioctl, "ioctl"},
      {SYS_futex, "futex"},
      {SYS_timerfd_settime, "timerfd_settime"},
      {SYS_brk, "brk"},
      {SYS_mmap, "mmap"},
      {SYS_munmap, "munmap"},
      {SYS_madvise, "madvise"},
  };
  for (const auto& [known, name] : names) {
    if (static_cast<std::size_t>(known) == number) return std::string(name);
  }
  return "call " + std::to_string(number);
}

/// @returns For example "epoll_wait 2.00, recvmsg 1.00", the most frequent first.
inline std::string describe_system_calls(const std::vector<double>& per_request) {
  std::vector<std::pair<double, std::size_t>> used;
  for (std::size_t number = 0; number < per_request.size(); ++number) {
    if (per_request[number] > 0) used.emplace_back(per_request[number], number);
  }
  std::sort(used.rbegin(), used.rend());
  std::string text;
  for (const auto& [count, number] : used) {
    if (!text.empty()) text += ", ";
    text += system_call_name(number) + " " + format_number(count);
  }
  return text.empty() ? "none" : text;
}

}  // namespace cowire::benchmark
