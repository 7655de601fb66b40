// SPDX-License-Identifier: BSL-1.0
// Every shape of handler and server that EasyNetwork's how-to shows, continued: time
// limits, metadata, and a callable. (semantics, section 4, points 18, 20)
#include "cowire/peer.hpp"
#include "integration/scene.hpp"

#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <type_traits>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

// 18. Time limits, each form.
struct Hurried {
  Requests handle(Client& client) {
    const std::chrono::milliseconds limit = 10s;
    const Line first = co_yield limit;
    const Line second = co_yield RecvParams(20s);
    const Result<Line> third = co_yield as_result(RecvParams(30s));
    client.send_packet(first + second + (third ? *third : "-"));
    const Result<Line> fourth = co_yield as_result(0s);
    client.send_packet(fourth ? *fourth : "-");
  }
};

// 20. What is known of the peer beside its packets.
struct Curious {
  Requests handle(Client& client) {
    co_yield {};
    int type = 0;
    socklen_t size = sizeof type;
    const bool is_socket =
        ::getsockopt(client.native_handle(), SOL_SOCKET, SO_TYPE, &type, &size) == 0;
    client.send_packet(to_string(client.local_endpoint()));
    client.send_packet(to_string(client.remote_endpoint()));
    client.send_packet(std::to_string(client.id()));
    client.send_packet(is_socket && type == SOCK_STREAM ? "stream socket" : "no socket");
  }
};

}  // namespace

TEST_CASE("shape 18: time limits") {
  Scene<Hurried, Lines, OverTcp> scene(Net::tcp);
  auto guest = scene.guest();
  guest.say("a\nb\n");
  scene.settle();
  scene.pass(30s);
  CHECK(scene.until_heard(guest, "ab-\n-\n"));
  guest.say("a\nb\nc\nd\n");
  CHECK(scene.until_heard(guest, "abc\nd\n"));
  scene.pass(10s);
  CHECK(scene.until_ended(guest));
}

TEST_CASE("shape 20: metadata of a TCP peer") {
  Scene<Curious, Lines, OverTcp> scene(Net::tcp);
  auto first = scene.guest();
  auto guest = scene.guest();
  guest.say("who?\n");
  CHECK(scene.until_heard(guest, "socket\n"));
  const std::string server = "127.0.0.1:" + std::to_string(scene.server.port());
  CHECK(guest.heard().starts_with(server + "\n127.0.0.1:"));
  CHECK(guest.heard().ends_with("\n2\nstream socket\n"));
  CHECK(guest.heard().find(server, 1) == std::string::npos);
}

TEST_CASE("shape 20: metadata of a peer in memory") {
  Scene<Curious, Lines, OverMemory> scene(Net::memory);
  auto guest = scene.guest();
  guest.say("who?\n");
  CHECK(scene.until_heard(guest, "socket\n"));
  CHECK(guest.heard() == "memory-b\nmemory-a\n1\nno socket\n");
}

TEST_CASE("a callable is a handler, and lives as long as the server, with its captures") {
  const std::string greeting = "a string that is too long to be stored inside std::string: ";
  const auto made = std::make_shared<int>(0);
  const auto handler = [greeting, made](Client& client) -> Requests {
    ++*made;
    const Line line = co_yield {};
    client.send_packet(greeting + line);
  };
  Scene<std::remove_const_t<decltype(handler)>, Lines, OverTcp> scene(Net::tcp, handler);
  auto guest = scene.guest();
  guest.say("a\nb\n");
  CHECK(scene.until_heard(guest, "b\n"));
  CHECK(guest.heard() == greeting + "a\n" + greeting + "b\n");
  CHECK(*made == 3);
}
