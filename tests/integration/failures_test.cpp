// SPDX-License-Identifier: BSL-1.0
// A reset at every operation of a conversation, and every way to cut its bytes. Run under
// AddressSanitizer, it shows that nothing is leaked or used after its end.
#include "cowire/transports/memory.hpp"
#include "integration/scene.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

// A conversation that uses all there is: hooks, several yields, awaited sends, tasks, a close.
struct Talker {
  std::string* journal;
  int* balance;  // Frames that were begun and not ended.

  Requests on_connection(Client& client) {
    const Frame frame(balance);
    client.send_packet("name?");
    const Line name = co_yield 1min;
    client.send_packet("hello " + name);
    *journal += "in ";
  }
  Task<void> on_disconnection(Client& client) {
    const Frame frame(balance);
    *journal += "out ";
    if (!client.is_closing()) {
      try {
        client.send_packet("bye");
        co_await client.flush()(asio::use_awaitable);
      } catch (const std::system_error& error) {
        *journal += error.code() == condition::disconnected ? "" : error.what();
      }
    }
  }
  Requests handle(Client& client) {
    const Frame frame(balance);
    const Line first = co_yield {};
    co_await client.send_packet(first);
    const Received second = co_yield as_result(1min);
    if (!second) {
      co_return;
    }
    co_await wait_on(client.executor(), 1s);
    for (int i = 0; i < 20; ++i) {
      co_await client.send_packet(*second + std::string(300, 'x'));
    }
    const Line third = co_yield {};
    client.send_packet(third);
    if (third == "quit") {
      client.close();
    }
  }

  class Frame {
   public:
    explicit Frame(int* balance) : balance_(balance) { ++*balance_; }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;
    ~Frame() { --*balance_; }

   private:
    int* balance_;
  };
};

struct Ending {
  std::string heard;
  std::string journal;
  std::string complaints;
  bool is_over = false;
  int frames = 0;
};

Ending converse(const MemoryOptions& from_client, const MemoryOptions& from_server) {
  Ending outcome;
  {
    asio::io_context io;
    ManualClock clock(io);
    BasicMemoryListener<ManualClock> door(io.get_executor());
    const Records records;
    ServerOptions options;
    options.logger = records.logger();
    options.limits.output_high = 1000;
    options.limits.output_low = 500;
    Server<Lines, Talker, ManualClock> server(io.get_executor(), Lines(),
                                              Talker{&outcome.journal, &outcome.frames}, options);
    server.add_listener(door);
    const auto serving = spawn(io, server.serve_forever());
    settle(io);
    Guest guest(AnyTransport(door.connect(from_client, from_server)));
    guest.listen();
    guest.say("ada\nfirst\nsecond\nthird\nfirst\nsecond\nquit\n");
    guest.half_close();
    settle(io);
    for (int i = 0; i < 1000 && !(server.connections() == 0 && guest.has_ended()); ++i) {
      clock.advance(100ms);
      settle(io);
    }
    outcome.is_over = server.connections() == 0 && guest.has_ended();
    outcome.heard = guest.heard();
    if (outcome.heard.ends_with("bye\n")) {  // After a failure, if it can still be sent.
      outcome.heard.resize(outcome.heard.size() - 4);
    }
    outcome.complaints = records.complaints();
  }
  return outcome;
}

std::string expected() {
  std::string all = "name?\nhello ada\n";
  for (const auto* last : {"third\n", "quit\n"}) {
    all += "first\n";
    for (int i = 0; i < 20; ++i) {
      all += "second" + std::string(300, 'x') + "\n";
    }
    all += last;
  }
  return all;
}

void check_every_failure(bool client_side) {
  bool passed = false;
  std::size_t fail_at = 1;
  for (; !passed && fail_at < 2000; ++fail_at) {
    CAPTURE(fail_at);
    MemoryOptions failing;
    failing.fail_at = fail_at;
    failing.max_read = client_side ? 3 : 100;
    failing.max_write = client_side ? 4 : 150;
    failing.capacity = 200;
    MemoryOptions other = failing;
    other.fail_at = 0;
    const Ending outcome = client_side ? converse(failing, other) : converse(other, failing);
    CHECK(outcome.is_over);
    CHECK(outcome.frames == 0);
    CHECK(outcome.complaints == "");
    // on_disconnection for those who came in, once.
    CHECK((outcome.journal == "" || outcome.journal == "in out "));
    CHECK(expected().starts_with(outcome.heard));
    passed = outcome.heard == expected();
  }
  CHECK(passed);
  CHECK(fail_at > 20);
}

}  // namespace

TEST_CASE("a reset at every operation on the bytes from the client") { check_every_failure(true); }
TEST_CASE("a reset at every operation on the bytes to the client") { check_every_failure(false); }

TEST_CASE("the same conversation however the bytes are cut and delayed") {
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 100U, 0U}) {
    for (const std::size_t capacity : {1U, 5U, 1000U, 0U}) {
      for (const auto delay : {0ms, 30ms}) {
        CAPTURE(piece);
        CAPTURE(capacity);
        CAPTURE(delay.count());
        MemoryOptions options;
        options.max_read = piece;
        options.max_write = piece;
        options.capacity = capacity;
        if (capacity != 1 && capacity != 5) {
          options.delay = delay;
        }
        const Ending outcome = converse(options, options);
        CHECK(outcome.is_over);
        CHECK((outcome.heard == expected()));  // Too long to be printed.
        CHECK(outcome.complaints == "");
        CHECK(outcome.journal == "in out ");
        CHECK(outcome.frames == 0);
      }
    }
  }
}

CONTRACT_TEST("a server that is destroyed in the middle of conversations leaves nothing behind") {
  std::string journal;
  int frames = 0;
  {
    Scene<Talker> scene(net, Talker{&journal, &frames});
    auto at_the_door = scene.guest();
    auto inside = scene.guest();
    inside.say("ada\n");
    auto working = scene.guest();
    working.say("bob\nfirst\nsecond\n");
    auto gone = scene.guest();
    gone.say("eve\nfirst\nse");
    scene.settle();
    gone.reset();
    scene.settle();
    CHECK(frames > 0);
  }
  CHECK(frames == 0);
}
