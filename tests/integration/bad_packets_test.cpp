// SPDX-License-Identifier: BSL-1.0
// The handler contract: serializers that fail, and all that a yield may throw. (D12, E9, E10)
#include "cowire/packet_reader.hpp"
#include "integration/scene.hpp"

#include <chrono>
#include <exception>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

// Lines, but "bad" is malformed, and "crash" breaks the serializer, in both directions.
class Fragile : public LineSerializer<> {
 public:
  void serialize(std::string_view text, OutputBuffer& out) const {
    LineSerializer::serialize(text, out);
    crash_at(text);
  }
  Decoded<std::string> decode(Bytes bytes, decoder_state& state) const {
    auto decoded = LineSerializer::decode(bytes, state);
    if (decoded.has_packet()) {
      crash_at(decoded.value());
      if (decoded.value() == "bad") {
        return Decoded<std::string>::bad(Error(errc::malformed), decoded.consumed());
      }
    }
    return decoded;
  }

 private:
  static void crash_at(std::string_view text) {
    if (text == "crash") {
      throw std::runtime_error("a bug in the serializer");
    }
  }
};

using FragileLines = StreamProtocol<Fragile>;

using FragileScene = Scene<Script<>, FragileLines>;

std::string cause_of(const Error& error) {
  try {
    std::rethrow_exception(error.context().cause);
  } catch (const std::exception& cause) {
    return cause.what();
  }
}

}  // namespace

CONTRACT_TEST("E9: a crash of the serializer is thrown at the yield, with its cause") {
  Script<> script;
  bool as_value = false;
  SUBCASE("thrown") { as_value = false; }
  SUBCASE("as_result") { as_value = true; }
  script.talk = [&](Client& client) -> Requests {
    Line answer;
    try {
      if (as_value) {
        const Received line = co_yield as_result;
        answer = line ? *line : cause_of(line.error());
      } else {
        const Line line = co_yield {};
        answer = line;
      }
    } catch (const Error& error) {
      CHECK(error.code() == errc::serializer_failed);
      CHECK(error.code() == condition::usable);
      answer = cause_of(error);
    }
    client.send_packet(answer);
  };
  FragileScene scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "a\n"));
  guest.say("crash\nlost\n");  // What was received with it is dropped.
  CHECK(scene.until_heard(guest, "a bug in the serializer\n"));
  guest.say("b\n");
  CHECK(scene.until_heard(guest, "b\n"));
  CHECK(guest.heard() == "a\na bug in the serializer\nb\n");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("E9: a crash of the serializer that is not caught is one error record") {
  FragileScene scene(net);
  auto guest = scene.guest();
  guest.say("crash\n");
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  CHECK(scene.records.count("a bug in the serializer", LogLevel::error) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}

CONTRACT_TEST("E10: a crash of the serializer in a send is the sender's; nothing is queued") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    const Line line = co_yield {};
    client.send_packet("before");
    try {
      client.send_packet("crash");
    } catch (const std::runtime_error& error) {
      client.send_packet(error.what());
    }
    try {
      client.send_packet("two\nlines");
    } catch (const Error& error) {
      client.send_packet(error.code() == errc::not_sendable ? "not sendable" : "?");
    }
    client.send_packet(line);
  };
  FragileScene scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_heard(guest, "a\n"));
  CHECK(guest.heard() == "before\na bug in the serializer\nnot sendable\na\n");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("E10: a crash of the serializer in a send that is not caught is one error record") {
  Script<> script;
  script.talk = [](Client& client) -> Requests {
    co_yield {};
    client.send_packet("before");
    client.send_packet("crash");
  };
  FragileScene scene(net, script);
  auto guest = scene.guest();
  guest.say("a\n");
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_empty());
  CHECK(guest.heard() == "before\n");
  CHECK(scene.records.count("a bug in the serializer", LogLevel::error) == 1);
  CHECK(scene.records.count("", LogLevel::warning) == 1);
}

CONTRACT_TEST("D12: whatever a yield throws, the connection is usable afterwards") {
  std::string journal;
  Script<> script;
  script.talk = [&](Client& client) -> Requests {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const RecvParams waits[] = {RecvParams(), RecvParams(), RecvParams(10s), RecvParams(-1s),
                                RecvParams(std::chrono::duration<double>(nan))};
    for (const RecvParams& wait : waits) {
      try {
        co_yield wait;
        journal += "? ";
      } catch (const Error& error) {
        CHECK(error.code() == condition::usable);
        journal += error.code() == errc::malformed           ? "malformed "
                   : error.code() == errc::serializer_failed ? "failed "
                   : error.code() == errc::timeout           ? "timeout "
                   : error.code() == errc::invalid_argument  ? "invalid "
                                                             : error.what();
      }
    }
    const Line line = co_yield {};
    client.send_packet(line);
  };
  FragileScene scene(net, script);
  auto guest = scene.guest();
  guest.say("bad\ncrash\n");
  CHECK(scene.until([&] { return journal == "malformed failed "; }));
  scene.settle();
  scene.pass(10s);
  guest.say("well\n");
  CHECK(scene.until_heard(guest, "well\n"));
  CHECK(journal == "malformed failed timeout invalid invalid ");
  CHECK(scene.records.complaints() == "");
}
