// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/detail/config.hpp>

#ifdef ASIO_HAS_LOCAL_SOCKETS

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace cowire::detail {

// Whether this is the path of a file, and not an abstract name.
inline bool is_file_path(const std::string& path) noexcept {
  return !path.empty() && path.front() != '\0';
}

// What makes a path unusable as the address of a socket; empty if nothing does.
inline std::string unusable_path(const std::string& path) {
  constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > longest) {
    return "the path has " + std::to_string(path.size()) +
           " bytes, and such an address has at most " + std::to_string(longest) +
           ": use a shorter path, or one relative to the directory";
  }
  if (is_file_path(path) && path.find('\0') != std::string::npos) {
    return "the path holds a zero byte";
  }
  return {};
}

// Keeps two servers that start at once from taking each other's new socket, on which nobody listens
// yet, for a stale one: holds a lock of the directory. If somebody else keeps that, or it may not
// be opened, goes on without.
class StartLock {
 public:
  explicit StartLock(const std::string& path) {
    if (!is_file_path(path)) {
      return;
    }
    const auto directory = std::filesystem::absolute(path).parent_path();
    directory_ = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    constexpr int most_tries = 100;
    for (int i = 0; directory_ >= 0 && i < most_tries; ++i) {
      if (::flock(directory_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  StartLock(const StartLock&) = delete;
  StartLock& operator=(const StartLock&) = delete;
  ~StartLock() {
    if (directory_ >= 0) {
      ::close(directory_);
    }
  }

 private:
  int directory_ = -1;
};

// Whether a path is a socket file on which nobody listens any more. The only way to know is to
// connect: a live server sees a peer that leaves at once.
inline bool is_stale_socket(const std::string& path) {
  struct stat status = {};
  if (!is_file_path(path) || ::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) {
    return false;
  }
  const int probe = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (probe < 0) {
    return false;
  }
  ::fcntl(probe, F_SETFL, O_NONBLOCK);  // A live server's queue may be full.
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int result = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const bool stale = result != 0 && errno == ECONNREFUSED;
  ::close(probe);
  return stale;
}

// Removes a file that is_stale_socket(). @returns Whether the path is free now.
inline bool remove_stale_socket(const std::string& path) {
  return is_stale_socket(path) && (::unlink(path.c_str()) == 0 || errno == ENOENT);
}

// Says what is at a path that is in use.
inline std::string why_in_use(const std::string& path) {
  struct stat status = {};
  if (is_file_path(path) && ::lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
    return "there is a file that is no socket";
  }
  if (is_stale_socket(path)) {
    return "there is a socket file that nobody listens on any more (replace_stale is off)";
  }
  return "somebody listens there";
}

// The file of a listening socket: removed with it, but only if it is still the same file.
class SocketFile {
 public:
  SocketFile() = default;

  // Of a socket just bound. Abstract names have none.
  explicit SocketFile(const std::string& path) {
    struct stat status = {};
    if (is_file_path(path) && ::lstat(path.c_str(), &status) == 0) {
      path_ = std::filesystem::absolute(path);  // The current directory may change.
      device_ = status.st_dev;
      inode_ = status.st_ino;
    }
  }
  SocketFile(SocketFile&& other) noexcept { *this = std::move(other); }
  SocketFile& operator=(SocketFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(device_, other.device_);
    std::swap(inode_, other.inode_);
    return *this;
  }
  ~SocketFile() { remove(); }

  // @throws std::system_error
  void set_mode(mode_t mode) const {
    if (!path_.empty() && ::chmod(path_.c_str(), mode) != 0) {
      throw std::system_error(errno, std::generic_category(), "cannot set the mode of the file");
    }
  }

  // May be repeated.
  std::error_code remove() noexcept {
    const std::filesystem::path path = std::exchange(path_, {});
    struct stat status = {};
    if (path.empty()) {
      return {};
    }
    if (::lstat(path.c_str(), &status) == 0) {
      if (status.st_dev != device_ || status.st_ino != inode_ || ::unlink(path.c_str()) == 0) {
        return {};
      }
    }
    return errno == ENOENT ? std::error_code() : std::error_code(errno, std::generic_category());
  }

 private:
  std::filesystem::path path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace cowire::detail

#endif
