// SPDX-License-Identifier: BSL-1.0
// A connection that changes its protocol, over each transport.
#include "cowire/client.hpp"
#include "cowire/serializers/fixed_size.hpp"
#include "cowire/serializers/struct.hpp"
#include "cowire/server_thread.hpp"
#include "cowire/switchable_protocol.hpp"
#include "cowire/sync_client.hpp"
#include "integration/scene.hpp"
#include "support/memory_client.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>

using namespace cowire;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

// [switch]
struct Sample {
  std::uint16_t sensor = 0;
  std::uint16_t value = 0;

  static constexpr auto fields = std::tuple{&Sample::sensor, &Sample::value};
};

using Phases = cowire::SwitchableProtocol<
    cowire::StreamProtocol<cowire::LineSerializer<>>,                              // 0, at first
    cowire::StreamProtocol<cowire::FixedSize<cowire::StructSerializer<Sample>>>>;  // 1
using Packet = Phases::received_packet;  // std::variant<std::string, Sample>

struct Sensors {
  cowire::Generator<Packet> handle(cowire::Peer<Packet>& client) {
    const Packet packet = co_yield {};
    if (const auto* sample = std::get_if<Sample>(&packet)) {
      client.send_packet(Sample{.sensor = sample->sensor, .value = 0});  // Thank you.
    } else if (std::get<std::string>(packet) == "binary") {
      client.send_packet("go ahead");  // A line still.
      client.switch_protocol(1);
    } else {
      client.send_packet("say \"binary\"");
    }
  }
};
// [/switch]

/// Does what a test says.
struct Scripted {
  std::function<Generator<Packet>(Peer<Packet>&)> talk;
  Generator<Packet> handle(Peer<Packet>& client) { return talk(client); }
};

constexpr std::string_view greeting = "go ahead\n";

}  // namespace

CONTRACT_TEST("what came behind the request belongs to the new protocol") {
  Scene<Sensors, Phases> scene(net);
  auto guest = scene.guest();
  guest.say("x\nbinary\n\0\1\0\2\0\3"s);
  CHECK(scene.until_heard(guest, "say \"binary\"\n"s + std::string(greeting) + "\0\1\0\0"s));
  guest.say("\0\4\n\n\n\n"s);
  CHECK(scene.until_heard(guest, "\0\3\0\0\n\n\0\0"s));
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("what came behind the request, byte by byte, belongs to the new protocol") {
  Scene<Sensors, Phases> scene(net);
  auto guest = scene.guest();
  for (const char byte : "binary\n\0\1\0\2\0\3\0\4"s) {
    guest.say(std::string(1, byte));
    scene.settle();
  }
  CHECK(scene.until_heard(guest, std::string(greeting) + "\0\1\0\0\0\3\0\0"s));
}

CONTRACT_TEST("a peer that ends inside of a packet of the new protocol is a cut one") {
  Scene<Sensors, Phases> scene(net);
  auto guest = scene.guest();
  guest.say("binary\n\0\1\0"s);
  CHECK(scene.until_heard(guest, greeting));
  guest.half_close();
  CHECK(scene.until_empty());
  CHECK(scene.records.count("inside a packet") == 1);
}

CONTRACT_TEST("a packet of the new protocol that is not finished keeps to its time limit") {
  ServerOptions options;
  options.limits.frame_timeout = 5s;
  Scene<Sensors, Phases> scene(net, {}, options);
  auto guest = scene.guest();
  guest.say("binary\n\0"s);
  CHECK(scene.until_heard(guest, greeting));
  scene.settle();
  scene.pass(6s);
  CHECK(scene.until_ended(guest));
  CHECK(scene.records.count("time") == 1);
}

CONTRACT_TEST("bytes that were waited for in vain go to the new protocol too") {
  Scripted handler;
  handler.talk = [](Peer<Packet>& client) -> Generator<Packet> {
    const auto first = co_yield as_result(1s);
    if (!first) {
      client.switch_protocol(1);  // The peer does not say lines, it seems.
      const Packet packet = co_yield {};
      client.send_packet(std::holds_alternative<Sample>(packet) ? "samples" : "lines");
    }
  };
  Scene<Scripted, Phases> scene(net, std::move(handler));
  auto guest = scene.guest();
  guest.say("\0\1\0"s);
  scene.settle();
  scene.pass(2s);
  guest.say("\2"s);
  CHECK(scene.until_heard(guest, "samples\n"));
}

CONTRACT_TEST("who waits cannot be switched, and a protocol must exist") {
  std::optional<Error> busy;
  std::optional<Error> missing;
  std::optional<Peer<Packet>> kept;
  Scripted handler;
  handler.talk = [&](Peer<Packet>& client) -> Generator<Packet> {
    kept = client;
    missing = thrown([&] { client.switch_protocol(2); });
    const Packet packet = co_yield {};
    client.send_packet(packet);
  };
  Scene<Scripted, Phases> scene(net, std::move(handler));
  auto guest = scene.guest();
  scene.settle();
  REQUIRE(kept);
  busy = thrown([&] { kept->switch_protocol(1); });
  REQUIRE((busy && missing));
  CHECK(busy->code() == errc::busy);
  CHECK(missing->code() == errc::invalid_argument);
  guest.say("a line\n");
  CHECK(scene.until_heard(guest, "a line\n"));
}

CONTRACT_TEST("a connection with one protocol cannot be switched") {
  std::optional<Error> refused;
  Script<> script;
  script.talk = [&](::Client& client) -> Requests {
    const Line line = co_yield {};
    refused = thrown([&] { client.switch_protocol(1); });
    client.send_packet(line);
  };
  Scene<> scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "a\n"));
  REQUIRE(refused);
  CHECK(refused->code() == errc::invalid_argument);
  CHECK(std::string(refused->what()).find("no SwitchableProtocol") != std::string::npos);
}

CONTRACT_TEST("a client switches, and begins with the first protocol on a new connection") {
  Scene<Sensors, Phases> scene(net);
  for (int connection = 0; connection < 2; ++connection) {
    cowire::Client<Phases, ManualClock> client(scene.door.connect(), Phases());
    std::string answers;
    const auto talk = start(scene.io, [&]() -> Task<void> {
      client.send_packet("binary");
      const Packet sample(Sample{.sensor = 7, .value = 8});
      client.send_packet(sample);  // Behind the line, before it was answered.
      const Packet line = co_await client.recv_packet();
      answers += std::get<std::string>(line);
      client.switch_protocol(1);
      const Packet thanks = co_await client.recv_packet();
      answers += std::to_string(std::get<Sample>(thanks).sensor);
    });
    CHECK(scene.until([&] { return talk->done; }));
    CHECK(answers == "go ahead7");
  }
}

TEST_CASE("a client that is not connected, or receives, cannot be switched") {
  asio::io_context io;
  cowire::Client<Phases> client(io, Phases());
  CHECK(thrown([&] { client.switch_protocol(1); })->code() == errc::not_connected);
}

TEST_CASE("a SyncClient switches") {
  ServerThread server("127.0.0.1", 0, Phases(), Sensors());
  server.start();
  SyncClient client("127.0.0.1", server.port(), Phases());
  client.send_packet("binary");
  CHECK(std::get<std::string>(client.recv_packet(20s)) == "go ahead");
  client.switch_protocol(1);
  const Sample sample{.sensor = 3, .value = 4};
  client.send_packet(sample);
  CHECK(std::get<Sample>(client.recv_packet(20s)).sensor == 3);
  CHECK(thrown([&] { client.switch_protocol(5); })->code() == errc::invalid_argument);
}
