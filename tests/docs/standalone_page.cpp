// SPDX-License-Identifier: BSL-1.0
// The code of docs/standalone.md.
#include "cowire/cowire.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace standalone_page {

using namespace std::chrono_literals;
using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;

// [handler]
struct Echo {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string line = co_yield {};
    ++lines;
    client.send_packet(line);
  }

  std::size_t lines = 0;  // Only the server's thread touches it: no lock.
};
// [/handler]

// [ask]
std::string ask(std::uint16_t port, const std::string& question) {
  cowire::SyncClient client{"127.0.0.1", port, Lines{}};
  client.send_packet(question);
  return client.recv_packet(10s);
}
// [/ask]

// [loop]
std::vector<std::string> ask_all(std::uint16_t port, const std::vector<std::string>& questions) {
  cowire::SyncClient client{"127.0.0.1", port, Lines{}};
  for (const std::string& question : questions) {
    client.send_packet(question, 10s);
  }
  client.send_eof();  // There are no more: the server closes behind its last answer.
  std::vector<std::string> answers;
  for (const std::string& answer : client.packets(10s)) {
    answers.push_back(answer);
  }
  return answers;
}
// [/loop]

TEST_CASE("standalone page: a server in a thread, and clients that block") {
  // [thread]
  cowire::ServerThread server{"127.0.0.1", 0, Lines{}, Echo{}};
  server.start();  // Returns when it is up, or throws why not.
  const std::string answer = ask(server.port(), "hello");
  const std::size_t lines = server.post([](auto& s) { return s.handler().lines; }).get();
  server.shutdown(10s);  // Busy peers may finish for 10 s. Then it may start again.
  // [/thread]
  CHECK(answer == "hello");
  CHECK(lines == 1);
  server.start();
  CHECK(ask_all(server.port(), {"one", "two"}) == std::vector<std::string>{"one", "two"});
}

}  // namespace standalone_page
