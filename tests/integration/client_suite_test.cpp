// SPDX-License-Identifier: BSL-1.0
// What clients rely on, over each transport. (C3-C9, C11, C16, C17, C23)
#include "integration/scene.hpp"
#include "support/memory_client.hpp"

#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using Packets = std::vector<std::string>;
using Asker = cowire::Client<Lines, ManualClock>;

/// A server that does what a line says, and a client of it.
struct Stage {
  explicit Stage(Net net) : scene(net, obeying()), client(scene.door.connect(), Lines()) {}

  static Script<> obeying() {
    Script<> script;
    script.talk = [](::Client& peer) -> Requests {
      const Line line = co_yield {};
      if (line == "close") {
        peer.send_packet("bye");
        peer.close();
      } else if (line == "abort") {
        peer.abort();
      } else if (line != "silence") {
        peer.send_packet(line);
      }
    };
    return script;
  }

  std::shared_ptr<Reception> receive(RecvParams params = {}) {
    return ::receive(scene.io, client, params);
  }
  std::error_code code_of_receive(RecvParams params = {}) {
    const auto reception = receive(params);
    CHECK(scene.until([&] { return reception->done(); }));
    return reception->code();
  }
  std::string hear() {
    const auto reception = receive();
    CHECK(scene.until([&] { return reception->done(); }));
    return reception->packets.empty() ? "(" + reception->code().message() + ")"
                                      : reception->packets.front();
  }
  std::error_code code_of_send(const std::string& line) {
    std::optional<Error> error;
    asio::post(scene.io, [&] { error = thrown([&] { client.send_packet(line); }); });
    scene.settle();
    return error ? error->code() : std::error_code();
  }

  Scene<> scene;
  Asker client;
};

}  // namespace

CONTRACT_TEST("C23: a client asks one by one, and pipelined") {
  Stage stage(net);
  for (const char* word : {"one", "two", "three"}) {
    stage.client.send_packet(word);
    CHECK(stage.hear() == word);
  }
  for (const char* word : {"four", "five", "six"}) {
    stage.client.send_packet(word);
  }
  for (const char* word : {"four", "five", "six"}) {
    CHECK(stage.hear() == word);
  }
}

CONTRACT_TEST("C3: a client is told the end of the stream, again and again, and may send") {
  Stage stage(net);
  stage.client.send_packet("close");
  CHECK(stage.hear() == "bye");
  CHECK(stage.code_of_receive() == errc::end_of_stream);
  CHECK(stage.code_of_receive() == errc::end_of_stream);
  CHECK(stage.client.is_connected());
  CHECK(stage.code_of_send("still") == std::error_code());
  const auto end = receive_to_end(stage.scene.io, stage.client);
  CHECK(stage.scene.until([&] { return end->done(); }));
  CHECK(end->packets.empty());
}

CONTRACT_TEST(
    "C4: sending to a server that has dropped the client fails, the third time at the latest") {
  Stage stage(net);
  stage.client.send_packet("abort");
  CHECK(stage.scene.until([&] { return stage.scene.server.connections() == 0; }));
  std::error_code failed;
  for (int i = 0; i < 3 && !failed; ++i) {
    failed = stage.code_of_send("x");
  }
  CHECK(failed == condition::disconnected);
}

CONTRACT_TEST("C5, C6: a close ends the receive that waits, and everything after it") {
  Stage stage(net);
  const auto waiting = stage.receive();
  stage.scene.settle();
  stage.client.close();
  CHECK(stage.scene.until([&] { return waiting->done(); }));
  CHECK(waiting->code() == errc::closed);
  CHECK(stage.code_of_receive() == errc::closed);
  CHECK(stage.code_of_send("x") == errc::closed);
  stage.client.send_eof();
  stage.client.close();
  CHECK_FALSE(stage.client.is_connected());
  CHECK(stage.scene.until_empty());
}

CONTRACT_TEST("C7: what remains of one read is for the next receive") {
  Stage stage(net);
  const std::string large(40'000, 'x');
  stage.client.send_packet("silence");
  for (const std::string& line : {std::string("a"), large, std::string(), std::string("b")}) {
    stage.client.send_packet(line);
  }
  CHECK(stage.hear() == "a");
  CHECK(stage.hear() == large);
  CHECK(stage.hear().empty());
  CHECK(stage.hear() == "b");
}

CONTRACT_TEST("C8: after a packet that is too large a client may receive the next one") {
  Script<> script;
  script.talk = [](::Client& peer) -> Requests {
    co_yield {};
    peer.send_packet("much longer than ten");
    peer.send_packet("ten chars.");
  };
  Scene<> scene(net, script);
  Asker client(scene.door.connect(), Lines(LineSerializer(LineOptions{.limit = 10})));
  client.send_packet("go");
  const auto bad = receive(scene.io, client);
  CHECK(scene.until([&] { return bad->done(); }));
  CHECK(bad->code() == errc::too_large);
  const auto good = receive(scene.io, client);
  CHECK(scene.until([&] { return good->done(); }));
  CHECK(good->packets == Packets{"ten chars."});
}

CONTRACT_TEST("C9: after send_eof a client receives on, and may not send") {
  Stage stage(net);
  stage.client.send_packet("one");
  stage.client.send_packet("two");
  stage.client.send_eof();
  stage.client.send_eof();
  CHECK(stage.code_of_send("three") == errc::closed);
  CHECK(stage.hear() == "one");
  CHECK(stage.hear() == "two");
  CHECK(stage.code_of_receive() == errc::end_of_stream);
}

CONTRACT_TEST("C11: a client may send much before it receives, and both arrive") {
  Stage stage(net);
  constexpr std::size_t count = 100;
  const std::string line(5'000, 'x');
  for (std::size_t i = 0; i < count; ++i) {
    stage.client.send_packet(line);
  }
  stage.client.send_eof();
  const auto all = receive_to_end(stage.scene.io, stage.client);
  CHECK(stage.scene.until([&] { return all->done(); }));
  CHECK(all->packets == Packets(count, line));
}

CONTRACT_TEST("C16: a client's receive that is cancelled, or out of time, loses nothing") {
  Stage stage(net);
  const auto cancelled = stage.receive();
  stage.scene.settle();
  cancelled->outcome->cancel.emit(asio::cancellation_type::terminal);
  CHECK(stage.scene.until([&] { return cancelled->done(); }));
  CHECK(cancelled->code() == asio::error::operation_aborted);
  const auto late = stage.receive(1s);
  stage.scene.settle();
  stage.scene.pass(1s);
  CHECK(stage.scene.until([&] { return late->done(); }));
  CHECK(late->code() == errc::timeout);
  stage.client.send_packet("one");
  CHECK(stage.hear() == "one");
}

CONTRACT_TEST("C17: a client's second receive at the same time is busy, and the first goes on") {
  Stage stage(net);
  const auto first = stage.receive();
  stage.scene.settle();
  CHECK(stage.code_of_receive() == errc::busy);
  stage.client.send_packet("one");
  CHECK(stage.scene.until([&] { return first->done(); }));
  CHECK(first->packets == Packets{"one"});
}
