// SPDX-License-Identifier: BSL-1.0
// A user's program: it compiles, links and runs against the package as it is found.
#include "cowire/cowire.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include <iostream>

namespace {

cowire::Task<> print_limit(cowire::StreamProtocol<cowire::LineSerializer<>> protocol) {
  std::cout << "a frame has at most " << protocol.frame_limit() << " bytes\n";
  co_return;
}

}  // namespace

int main() {
  asio::io_context context;
  asio::co_spawn(context, print_limit(cowire::StreamProtocol{cowire::LineSerializer{}}),
                 asio::detached);
  return context.run() > 0 ? 0 : 1;
}
