// SPDX-License-Identifier: BSL-1.0
// A server in the background of a program that goes on with other things: here it is asked three
// questions.
//
//     background_server [question...]         default: one two three

#include "cowire/cowire.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

using namespace std::chrono_literals;

using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;

// Answers each line with the same line, backwards.
struct Backwards {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    std::string line = co_yield {};
    std::reverse(line.begin(), line.end());
    client.send_packet(line);
  }
};

int main(int argc, char** argv) {
  try {
    std::vector<std::string> questions(argv + 1, argv + argc);
    if (questions.empty()) {
      questions = {"one", "two", "three"};
    }
    cowire::ServerThread server{"127.0.0.1", 0, Lines{}, Backwards{}};
    server.start();

    cowire::SyncClient client{"127.0.0.1", server.port(), Lines{}};
    for (const std::string& question : questions) {
      client.send_packet(question, 10s);
      const std::string answer = client.recv_packet(10s);
      std::printf("%s -> %s\n", question.c_str(), answer.c_str());
    }
    client.close();
    server.shutdown(10s);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "background_server: %s\n", error.what());
    return 1;
  }
}
