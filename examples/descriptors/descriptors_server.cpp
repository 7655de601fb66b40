// SPDX-License-Identifier: BSL-1.0
// A server that is handed open files, through a Unix domain socket, and hands one back (Linux).
//
//     descriptors_server unix:PATH            unix:@NAME is an abstract one
//
// A request is a line, with at most 8 files:
//
//     sizes   with some files     3 0 1024    the size of each
//     join    with some files     1027        and a file that has their contents, one after the
//     other

#include "../arguments.hpp"
#include "cowire/ancillary.hpp"
#include "cowire/cowire.hpp"
#include "cowire/transports/unix.hpp"

#include <asio/io_context.hpp>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;

namespace {

using Files = std::vector<cowire::Descriptor>;

constexpr std::size_t most_joined = 1 << 20;  // bytes: others wait meanwhile

std::system_error last_error(const char* what) { return {errno, std::generic_category(), what}; }

std::size_t size_of(const cowire::Descriptor& file) {
  struct stat status = {};
  if (::fstat(file.get(), &status) < 0) {
    throw last_error("fstat");
  }
  if (!S_ISREG(status.st_mode)) {  // A read of a pipe could wait for ever.
    throw std::invalid_argument("not a file");
  }
  return static_cast<std::size_t>(status.st_size);
}

std::string sizes(const Files& files) {
  std::string text;
  for (const cowire::Descriptor& file : files) {
    text += (text.empty() ? "" : " ") + std::to_string(size_of(file));
  }
  return text;
}

std::string contents(const Files& files) {
  std::string all;
  for (const cowire::Descriptor& file : files) {
    const std::size_t size = size_of(file);
    if (size > most_joined - all.size()) {
      throw std::length_error("more than " + std::to_string(most_joined) + " bytes");
    }
    const std::size_t begin = all.size();
    all.resize(begin + size);
    const ssize_t read = ::pread(file.get(), all.data() + begin, size, 0);
    if (read < 0) {
      throw last_error("pread");
    }
    all.resize(begin + static_cast<std::size_t>(read));
  }
  return all;
}

// A file in memory.
cowire::Descriptor file_with(std::string_view text) {
  cowire::Descriptor file(::memfd_create("joined", MFD_CLOEXEC));
  if (!file) {
    throw last_error("memfd_create");
  }
  if (::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    throw last_error("pwrite");
  }
  return file;
}

}  // namespace

struct FileHandler {
  // [handle]
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    cowire::Ancillary came;
    auto request = co_yield cowire::as_result(cowire::RecvParams(5min).with_ancillary(came));
    if (!request) {
      client.send_packet(std::string("error: ") + request.error().what());
      co_return;
    }
    try {
      answer(client, *request, came.descriptors());
    } catch (const std::exception& error) {
      client.send_packet(std::string("error: ") + error.what());
    }
  }  // The files that came are closed.
  // [/handle]

 private:
  static void answer(cowire::Peer<std::string>& client, const std::string& request,
                     const Files& files) {
    if (request == "sizes") {
      client.send_packet(sizes(files));
    } else if (request == "join") {
      const std::string all = contents(files);
      client.send_packet_with_ancillary(std::to_string(all.size()),
                                        cowire::Ancillary(file_with(all)));
    } else {
      client.send_packet("error: ask for sizes or join");
    }
  }
};

int main(int argc, char** argv) {
  try {
    const auto path = examples::unix_path(argc, argv);
    if (!path) {
      std::fprintf(stderr, "usage: descriptors_server unix:PATH\n");
      return 2;
    }
    cowire::UnixListenOptions listening;
    listening.receive_descriptors = 8;

    asio::io_context io(1);
    cowire::ServerOptions options;
    options.logger = cowire::Logger(cowire::LogLevel::info, &cowire::Logger::print_to_stderr);
    cowire::Server server{io.get_executor(), cowire::StreamProtocol{cowire::LineSerializer{}},
                          FileHandler{}, options};
    server.add_listener(cowire::UnixListener(io.get_executor(), *path, listening));
    cowire::serve(io, server);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "descriptors_server: %s\n", error.what());
    return 1;
  }
}
