// SPDX-License-Identifier: BSL-1.0
// A TLS conversation that is cut behind, and inside, each of its records: what the server makes of
// it, and the client. Nobody may take a cut for an end.
#include "cowire/client.hpp"
#include "cowire/transports/tls.hpp"
#include "support/counted.hpp"
#include "support/stats.hpp"
#include "support/tls_server.hpp"

#include <asio/error.hpp>
#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace cowire;

namespace {

enum class Way { fin, reset };

// The bytes from one side to the other, record by record.
class Lane {
 public:
  Lane(const std::optional<Guest>& from, std::optional<Guest>& to) : from_(&from), to_(&to) {}

  // Passes the next record, if it has come. @returns Whether it has.
  bool pass() {
    const std::size_t size = next_size();
    (*to_)->say((*from_)->heard().substr(passed_, size));
    passed_ += size;
    return size != 0;
  }
  // Passes all of it but the last byte.
  bool pass_most() {
    const std::size_t size = next_size();
    if (size != 0) {
      (*to_)->say((*from_)->heard().substr(passed_, size - 1));
    }
    return size != 0;
  }

 private:
  // RFC 8446, section 5.1: type, version, length.
  std::size_t next_size() const {
    constexpr std::size_t header = 5;
    const std::string& heard = (*from_)->heard();
    if (heard.size() < passed_ + header) {
      return 0;
    }
    const auto byte = [&](std::size_t i) {
      return std::size_t{static_cast<unsigned char>(heard[passed_ + i])};
    };
    const std::size_t size = header + byte(3) * 256 + byte(4);
    return heard.size() < passed_ + size ? 0 : size;
  }

  const std::optional<Guest>* from_;
  std::optional<Guest>* to_;
  std::size_t passed_ = 0;
};

// How far the conversation has come, on each side.
struct State {
  bool is_accepted = false;   // The server's handshake is done.
  bool is_connected = false;  // The client's.
  bool server_saw_end = false;
  bool client_saw_end = false;
};

// A client that talks to a server through a relay of the test's.
struct Conversation {
  explicit Conversation(const TlsClientContext& context) {
    auto ends = MemoryEnd::pair(world.io.get_executor());
    to_client.emplace(AnyTransport(std::move(ends.second)));
    to_client->listen();
    const auto end = std::make_shared<MemoryEnd>(std::move(ends.first));
    outcome = world.run(talk(TlsConnector<Through>(Through{end}, "localhost", context)));
  }

  Task<void> talk(TlsConnector<Through> connector) {
    co_await client.connect(std::move(connector));
    is_connected = true;
    for (const char* line : {"one", "two"}) {
      client.send_packet(line);
      const Line answer = co_await client.recv_packet();
      CHECK(answer == line);
    }
    client.send_eof();
    co_await client.recv_packet();
  }
  Generator<Line> handle(::Client& peer) {
    const Counted counted(alive);
    try {
      const Line line = co_yield {};
      peer.send_packet(line);
    } catch (...) {
      ++thrown;
    }
  }
  Script script() {
    Script script;
    script.talk = [this](::Client& peer) { return handle(peer); };
    script.hello = [this](::Client&) -> Task<void> {
      ++hellos;
      co_return;
    };
    script.bye = [this](::Client&) -> Task<void> {
      ++byes;
      co_return;
    };
    return script;
  }

  // One record more, in either direction, and what follows from it.
  bool step() {
    const bool passed = up.pass() || down.pass();
    world.settle();
    return passed;
  }
  bool most_of_a_step() {
    const bool passed = up.pass_most() || down.pass_most();
    world.settle();
    return passed;
  }
  void cut(Way way) {
    way == Way::fin ? to_server->close() : to_server->reset();
    way == Way::fin ? to_client->close() : to_client->reset();
    world.settle();
  }
  State state() {
    return {hellos == 1, is_connected, world->stats().ended_by_peer == 1,
            outcome->code() == errc::end_of_stream};
  }

  int hellos = 0;
  int byes = 0;
  int alive = 0;
  int thrown = 0;
  bool is_connected = false;
  TlsServer world{script()};
  TlsClient client{world.io.get_executor(), Lines{}};
  std::optional<Guest> to_server{guest_on(world.tls_door.connect())};
  std::optional<Guest> to_client;
  std::shared_ptr<Outcome> outcome;
  Lane up{to_client, to_server};
  Lane down{to_server, to_client};
};

TlsClientContext client_of_version(int version) {
  TlsClientOptions options;
  options.trusted_ca = test_authority().pem();
  TlsClientContext context(options);
  SSL_CTX_set_max_proto_version(context.settings()->context.native_handle(), version);
  return context;
}

// What is known after no record, after one, and so on to the end of the conversation.
std::vector<State> states_of_all(const TlsClientContext& context) {
  Conversation whole(context);
  std::vector<State> states{whole.state()};
  while (whole.step()) {
    states.push_back(whole.state());
  }
  CHECK(whole.outcome->code() == errc::end_of_stream);
  whole.client.close();
  whole.world.settle();
  while (whole.step()) {
  }
  return states;
}

void check_cut(Conversation& cut, const State& then, Way way) {
  TlsServer& world = cut.world;
  CHECK(cut.alive == 0);
  CHECK(cut.thrown == 0);
  CHECK(cut.hellos == (then.is_accepted ? 1 : 0));
  CHECK(cut.byes == cut.hellos);
  CHECK(world->connections() == 0);
  // A client's close_notify is an end. Whatever else ends the stream has broken the connection,
  // be it between two packets; or the handshake, which is counted apart.
  const std::string why = !then.is_accepted     ? "handshakes_failed"
                          : then.server_saw_end ? "ended_by_peer"
                                                : "broken";
  CHECK(why_ended(world->stats()) == why);
  CHECK(world.records.complaints() == "");

  REQUIRE(cut.outcome->done);
  const std::error_code code = cut.outcome->code();
  if (!then.is_connected) {
    CHECK(code == errc::handshake_failed);
  } else if (then.client_saw_end) {
    CHECK(code == errc::end_of_stream);
  } else if (way == Way::fin) {
    CHECK(code == errc::truncated);
  } else {
    CHECK(code == asio::error::connection_reset);
  }

  Guest next = world.tls_guest();
  next.say("served\n");
  world.settle();
  CHECK(next.heard() == "served\n");
}

}  // namespace

TEST_CASE("tls: a conversation that is cut at any record is cut for both sides, and no end") {
  Way way = Way::fin;
  int version = TLS1_3_VERSION;
  bool is_inside = false;
  SUBCASE("by a FIN") {}
  SUBCASE("by a reset") { way = Way::reset; }
  SUBCASE("by a FIN, inside the next record") { is_inside = true; }
  SUBCASE("by a reset, inside the next record") {
    way = Way::reset;
    is_inside = true;
  }
  SUBCASE("TLS 1.2, by a FIN") { version = TLS1_2_VERSION; }
  SUBCASE("TLS 1.2, by a reset") {
    version = TLS1_2_VERSION;
    way = Way::reset;
  }
  const TlsClientContext context = client_of_version(version);
  const std::vector<State> states = states_of_all(context);
  REQUIRE(states.size() > 10);
  CHECK(states.back().server_saw_end);
  CHECK(states.back().client_saw_end);
  for (std::size_t records = 0; records < states.size(); ++records) {
    CAPTURE(records);
    Conversation conversation(context);
    for (std::size_t i = 0; i < records; ++i) {
      REQUIRE(conversation.step());
    }
    if (is_inside && !conversation.most_of_a_step()) {
      continue;
    }
    conversation.cut(way);
    check_cut(conversation, states[records], way);
  }
}
