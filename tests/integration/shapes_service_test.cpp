// SPDX-License-Identifier: BSL-1.0
// Every shape of handler and server that EasyNetwork's how-to shows, continued: service_init
// and background. (semantics, section 4, points 21, 23)
#include "cowire/service.hpp"
#include "integration/scene.hpp"

#include <asio/co_spawn.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

// 21. A background task and resources, from service_init. 11. A handler that ends the service.
struct Broadcaster {
  std::shared_ptr<std::string> journal = std::make_shared<std::string>();
  std::map<std::uint64_t, Client> peers;
  Service* service = nullptr;

  Task<void> service_init(Service& given) {
    service = &given;
    *journal +=
        "init, port " + std::string(given.local_endpoints().at(0).port != 0 ? "known" : "?");
    given.spawn(tick(given.executor()));
    given.at_exit([to = journal] { *to += ", exit"; });
    given.at_exit([to = journal] { *to += ", last in, first out"; });
    co_return;
  }
  void on_connection(Client& client) { peers.emplace(client.id(), client); }
  void on_disconnection(Client& client) {
    peers.erase(client.id());
    *journal += ", left";
  }
  Requests handle(Client& client) {
    const Line request = co_yield {};
    if (request == "count") {
      client.send_packet(std::to_string(service->connections()));
    } else if (request == "stop listening") {
      service->stop_listening();
      client.send_packet("listening at " + std::to_string(service->local_endpoints().size()));
    } else if (request == "shut down") {
      service->request_shutdown();
    }
  }

 private:
  Task<void> tick(asio::any_io_executor executor) {
    while (true) {
      co_await wait_on(executor, 1s);
      for (auto& [id, peer] : peers) {
        peer.send_packet("tick");
      }
    }
  }
};

}  // namespace

CONTRACT_TEST("shape 21: service_init with a background task and resources") {
  Broadcaster broadcaster;
  const auto journal = broadcaster.journal;
  Scene<Broadcaster> scene(net, std::move(broadcaster));
  auto guest = scene.guest();
  auto other = scene.guest();
  guest.say("count\n");
  CHECK(scene.until_heard(guest, "2\n"));
  scene.pass(2s);
  CHECK(scene.until_heard(guest, "tick\ntick\n"));
  CHECK(scene.until_heard(other, "tick\ntick\n"));
  guest.say("shut down\n");
  CHECK(scene.until_ended(guest));
  CHECK(scene.until_ended(other));
  guest.close();
  other.close();
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(scene.serving->succeeded());
  CHECK(journal->substr(journal->find("left")) == "left, left, last in, first out, exit");
  CHECK(scene.records.complaints() == "");
}

CONTRACT_TEST("shape 21: a handler stops the listening, and goes on answering (S11)") {
  Scene<Broadcaster> scene(net);
  auto guest = scene.guest();
  guest.say("stop listening\ncount\n");
  CHECK(scene.until_heard(guest, "listening at 0\n1\n"));
  CHECK_FALSE(scene.server.is_listening());
  CHECK_THROWS_AS(scene.door.connect(), std::system_error);
  guest.half_close();
  CHECK(scene.until_ended(guest));
  CHECK(scene.until([&] { return scene.serving->done; }));
  CHECK(scene.serving->succeeded());
}

TEST_CASE("shape 23: a server in a background task of a program that does other things") {
  asio::io_context io;
  std::string journal;
  const auto program = [&]() -> Task<void> {
    ServerOptions options;
    options.logger = Logger::silent();
    Server<Lines, Script<>> server(io, "127.0.0.1", 0, Lines(), Script<>(), options);
    co_await server.start();
    journal += server.is_serving() ? "serving" : "?";
    asio::co_spawn(io, server.serve_forever(), [&](std::exception_ptr) { journal += ", ended"; });
    asio::ip::tcp::socket socket(io);
    const asio::ip::tcp::endpoint to(asio::ip::address_v4::loopback(), server.port());
    co_await socket.async_connect(to, asio::use_awaitable);
    co_await socket.async_write_some(asio::buffer("a\n", 2), asio::use_awaitable);
    char answer[8] = {};
    const std::size_t n =
        co_await socket.async_read_some(asio::buffer(answer), asio::use_awaitable);
    journal += ", answered " + std::string(answer, n - 1);
    socket.close();
    co_await server.shutdown();
    journal += server.is_serving() ? "?" : ", shut down";
  };
  const auto outcome = spawn(io, program());
  CHECK(run_until(io, [&] { return outcome->done; }));
  settle(io);
  CHECK(outcome->succeeded());
  CHECK(journal.starts_with("serving, answered a, "));
  CHECK(journal.find(", shut down") != std::string::npos);
  CHECK(journal.find(", ended") != std::string::npos);
}
