// SPDX-License-Identifier: BSL-1.0
// The code of docs/standalone.md.
#include "cowire/cowire.hpp"

#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/use_future.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
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

/// Finds books, slowly.
struct Library {
  std::string find(const std::string& title) const { return title + ": on the second floor"; }
};

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

// [factory]
struct Counter {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string line = co_yield {};
    client.send_packet(std::to_string(++*total));
  }

  std::shared_ptr<std::atomic<int>> total;  // Of all shards.
};

const auto make_counter = [total = std::make_shared<std::atomic<int>>(0)](std::size_t) {
  return Counter{total};
};
// [/factory]

// [serve-threads]
void run_the_program() { cowire::serve(cowire::threads(4), "", 9000, Lines{}, Echo{}); }
// [/serve-threads]

TEST_CASE("standalone page: several threads") {
  cowire::ServerThreads server{cowire::threads(2), "127.0.0.1", 0, Lines{}, make_counter};
  server.start();
  CHECK(ask(server.port(), "once") == "1");
  CHECK(ask(server.port(), "twice") == "2");
}

// [blocking]
struct Librarian {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    const std::string title = co_yield {};
    const std::string book = co_await cowire::run_blocking([&] { return library->find(title); });
    client.send_packet(book);
  }

  std::shared_ptr<Library> library;
};
// [/blocking]

TEST_CASE("standalone page: a handler waits for work that blocks") {
  cowire::ServerThread server{"127.0.0.1", 0, Lines{}, Librarian{std::make_shared<Library>()}};
  server.start();
  CHECK(ask(server.port(), "Moby-Dick") == "Moby-Dick: on the second floor");
}

// [measure]
// Measures in a thread of its own, and brings what it has measured to the loop.
class Thermometer {
 public:
  void run(cowire::Client<Lines>& client, std::vector<double> measured) {
    thread_ = std::thread([&client, measured = std::move(measured)] {
      for (const double degrees : measured) {
        asio::post(client.executor(),
                   [&client, degrees] {  // In the loop now: the client may be used.
                     if (client.is_connected()) {
                       client.send_packet(std::to_string(static_cast<int>(degrees)) + " degrees");
                     }
                   });
      }
    });
  }
  void join() { thread_.join(); }  // What it has posted may still be on its way.

 private:
  std::thread thread_;
};
// [/measure]

// [question]
cowire::Task<std::string> next_answer(cowire::Client<Lines>& client) {
  co_return co_await client.recv_packet(10s);
}

// In any thread but the loop's: that would wait for itself.
std::string wait_for_answer(cowire::Client<Lines>& client) {
  auto answer = asio::co_spawn(client.executor(), next_answer(client), asio::use_future);
  return answer.get();  // Throws what the task has thrown.
}
// [/question]

TEST_CASE("standalone page: from another thread into the loop") {
  cowire::ServerThread server{"127.0.0.1", 0, Lines{}, Echo{}};
  server.start();
  asio::io_context io(1);
  cowire::Client<Lines> client(io, Lines{});
  const auto connected =
      asio::co_spawn(io, client.connect("127.0.0.1", server.port()), asio::use_future);
  auto work = asio::make_work_guard(io);
  std::thread loop([&io] { io.run(); });
  connected.wait();
  Thermometer thermometer;
  thermometer.run(client, {21.5, 22.1});
  thermometer.join();
  CHECK(wait_for_answer(client) == "21 degrees");
  CHECK(wait_for_answer(client) == "22 degrees");
  asio::post(io, [&] { client.close(); });
  work.reset();
  loop.join();
}

}  // namespace standalone_page
