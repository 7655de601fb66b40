// SPDX-License-Identifier: BSL-1.0
#include "cowire/server_threads.hpp"

#include "cowire/serializers/line.hpp"
#include "cowire/sync_client.hpp"
#include "cowire/transports/unix.hpp"
#include "support/thrown.hpp"

#include <asio/cancellation_state.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using Lines = StreamProtocol<LineSerializer<>>;

/// What all shards of a test know.
struct Common {
  std::atomic<int> inits = 0;
  std::atomic<int> in_meeting = 0;
  std::atomic<int> failing_shard = -1;  // whose service_init fails
  std::function<void(Service&, std::uint16_t port)> at_start;
  std::function<void()> in_a_shard;
};

/// Answers what it is, and does what the line says.
struct Shard {
  explicit Shard(std::shared_ptr<Common> given, int given_number = -1)
      : common(std::move(given)), number(given_number) {}

  void service_init(Service& given) {
    service = &given;
    if (++common->inits == 1 && common->at_start) {
      common->at_start(given, given.local_endpoints().front().port);
    }
    if (number >= 0 && number == common->failing_shard) {
      throw std::runtime_error("shard " + std::to_string(number) + " failed");
    }
  }

  Generator<std::string> handle(Peer<std::string>& client) {
    const std::string line = co_yield {};
    ++lines;
    if (line == "thread") {
      std::ostringstream id;
      id << std::this_thread::get_id();
      client.send_packet(id.str());
    } else if (line == "shard") {
      client.send_packet(std::to_string(number));
    } else if (line == "lines") {
      client.send_packet(std::to_string(lines));
    } else if (line == "meet") {  // Stops its thread until another one has come here too.
      ++common->in_meeting;
      common->in_meeting.notify_all();
      for (int met = common->in_meeting; met < 2; met = common->in_meeting) {
        common->in_meeting.wait(met);
      }
      client.send_packet("met");
    } else if (line == "wait") {
      client.send_packet("waiting");
      asio::steady_timer timer(client.executor(), 1h);
      co_await timer.async_wait(deferred);
    } else if (line == "fail") {
      service->spawn([]() -> Task<void> {
        throw std::runtime_error("disk full");
        co_return;
      });
    } else if (line == "stop") {
      service->request_shutdown();
    } else if (line == "stay") {
      service->spawn(stay());
      client.send_packet("staying");
    } else if (line == "deadlock" && common->in_a_shard) {
      common->in_a_shard();
      client.send_packet("done");
    }
  }

  // Ignores its cancellation.
  static Task<void> stay() {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    co_await timer.async_wait(asio::use_awaitable);
  }

  std::shared_ptr<Common> common;
  int number;
  int lines = 0;
  Service* service = nullptr;
};

ServerOptions silent() {
  ServerOptions options;
  options.logger = Logger::silent();
  options.limits.close_timeout = 100ms;
  return options;
}

/// The peers of all shards, which send to each other.
struct Room {
  std::mutex mutex;
  std::vector<std::pair<std::size_t, Peer<std::string>>> peers;
};
struct Talker {
  std::size_t shard;
  std::shared_ptr<Room> room;

  void on_connection(Peer<std::string>& client) {
    client.send_packet("welcome");
    const std::lock_guard lock(room->mutex);
    room->peers.emplace_back(shard, client);
  }
  Generator<std::string> handle(Peer<std::string>&) {
    const std::string line = co_yield {};
    const std::lock_guard lock(room->mutex);
    for (auto& [where, peer] : room->peers) {
      (void)thrown([&, &to = peer] { to.send_packet(line); });  // It may be gone.
    }
  }
  void on_disconnection(Peer<std::string>& client) {
    const std::lock_guard lock(room->mutex);
    std::erase_if(room->peers, [&](const auto& one) {
      return one.first == shard && one.second.id() == client.id();
    });
  }
};

/// Makes the handlers of shards.
struct Factory {
  std::shared_ptr<Common> common;
  Shard operator()(std::size_t shard) const { return Shard(common, static_cast<int>(shard)); }
};

struct Shards : ServerThreads<Lines, Factory> {
  explicit Shards(Threads how, std::shared_ptr<Common> common = std::make_shared<Common>())
      : ServerThreads(how, "127.0.0.1", 0, Lines{}, Factory{std::move(common)}, silent()) {}
};

std::string ask(std::uint16_t port, const std::string& question) {
  SyncClient client("127.0.0.1", port, Lines{});
  client.send_packet(question);
  return client.recv_packet(30s);
}

// Threads with so large stacks, and so little room for them, that one more is possible, not two.
class RoomForOneThread {
 public:
  RoomForOneThread() {
    ::pthread_attr_init(&old_);
    ::pthread_getattr_default_np(&old_);
    pthread_attr_t large;
    ::pthread_attr_init(&large);
    ::pthread_attr_setstacksize(&large, stack);
    ::pthread_setattr_default_np(&large);
    ::pthread_attr_destroy(&large);
    ::getrlimit(RLIMIT_AS, &limit_);
    rlimit tight = limit_;
    tight.rlim_cur = used() + stack + stack / 2;
    ::setrlimit(RLIMIT_AS, &tight);
  }
  RoomForOneThread(const RoomForOneThread&) = delete;
  RoomForOneThread& operator=(const RoomForOneThread&) = delete;
  ~RoomForOneThread() {
    ::setrlimit(RLIMIT_AS, &limit_);
    ::pthread_setattr_default_np(&old_);
    ::pthread_attr_destroy(&old_);
  }

 private:
  static constexpr std::size_t stack = std::size_t{1} << 30;

  static rlim_t used() {
    rlim_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
  }

  pthread_attr_t old_{};
  rlimit limit_{};
};

template <class Call>
std::error_code code_of(Call&& call) {
  const auto error = thrown(std::forward<Call>(call));
  return error ? error->code() : std::error_code();
}

}  // namespace

TEST_CASE("threads: 0 is one for each processor") {
  CHECK(threads(3).count == 3);
  CHECK_FALSE(threads(3).one_socket);
  CHECK(threads(3).on_one_socket().one_socket);
  CHECK(threads(0).count == std::max(std::thread::hardware_concurrency(), 1U));
}

TEST_CASE("ServerThreads: each shard has its port, its thread and its handler") {
  Threads how = threads(4);
  SUBCASE("SO_REUSEPORT") {}
  SUBCASE("one socket") { how = how.on_one_socket(); }
  Shards server(how);
  CHECK(server.size() == 4);
  CHECK(server.port() != 0);
  CHECK_FALSE(server.is_serving());
  server.start();
  CHECK(server.is_serving());
  std::set<std::thread::id> threads_seen;
  for (std::size_t i = 0; i < server.size(); ++i) {
    auto& shard = server.shard(i);
    CHECK(shard.port() == server.port());
    CHECK(shard.post([](auto& s) { return s.handler().number; }).get() == static_cast<int>(i));
    threads_seen.insert(shard.post([](auto&) { return std::this_thread::get_id(); }).get());
  }
  CHECK(threads_seen.size() == 4);
  CHECK(threads_seen.count(std::this_thread::get_id()) == 0);
  CHECK(code_of([&] { server.start(); }) == errc::already_serving);
  CHECK(ask(server.port(), "lines") == "1");
  server.shutdown();
  CHECK_FALSE(server.is_serving());
  const auto port = server.port();
  server.start();
  CHECK(server.port() == port);
  CHECK_FALSE(ask(port, "shard").empty());
}

TEST_CASE("ServerThreads: many connections are served by several threads") {
  Shards server(threads(4));
  server.start();
  std::vector<std::unique_ptr<SyncClient<Lines>>> clients;
  std::set<std::string> shards;
  for (int i = 0; i < 64; ++i) {  // The chance that all go to one is 1 to 4^63.
    clients.push_back(std::make_unique<SyncClient<Lines>>("127.0.0.1", server.port(), Lines{}));
    clients.back()->send_packet("thread");
    shards.insert(clients.back()->recv_packet(30s));
  }
  CHECK(shards.size() > 1);
  CHECK(server.connections() == 64);
  const ServerStats stats = server.stats();
  CHECK(stats.accepted == 64);
  CHECK(stats.active == 64);
  CHECK(stats.packets_received == 64);
  CHECK(stats.packets_sent == 64);
}

TEST_CASE(
    "H14: ServerThreads: handlers send to the peers of all threads, and nothing is mixed up") {
  constexpr std::size_t count = 8;
  constexpr int lines = 25;
  const auto room = std::make_shared<Room>();
  ServerThreads server(
      threads(2), "127.0.0.1", 0, Lines{}, [&](std::size_t shard) { return Talker{shard, room}; },
      silent());
  server.start();
  std::vector<std::unique_ptr<SyncClient<Lines>>> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<SyncClient<Lines>>("127.0.0.1", server.port(), Lines{}));
    CHECK(clients.back()->recv_packet(30s) == "welcome");
  }
  std::vector<std::future<bool>> threads;
  for (std::size_t i = 0; i < count; ++i) {
    threads.push_back(std::async(std::launch::async, [&client = *clients[i], i] {
      for (int line = 0; line < lines; ++line) {
        client.send_packet(std::to_string(i) + " " + std::to_string(line), 30s);
      }
      std::array<int, count> heard{};
      bool in_order = true;
      for (std::size_t n = 0; n < count * lines; ++n) {
        std::string text = client.recv_packet(30s);
        while (text == "bye") {  // Of one whose thread overtook the others'.
          text = client.recv_packet(30s);
        }
        std::istringstream line(text);
        std::size_t speaker = count;
        int number = -1;
        line >> speaker >> number;
        in_order = in_order && speaker < count && number == heard[speaker]++;
      }
      if (i % 2 == 0) {
        client.abort();  // The others go on talking.
      } else {
        client.send_packet("bye");
      }
      return in_order;
    }));
  }
  for (auto& thread : threads) {
    CHECK(thread.get());
  }
}

TEST_CASE("ServerThreads: on one socket, whoever is free takes the next connection") {
  const auto common = std::make_shared<Common>();
  Shards server(threads(2).on_one_socket(), common);
  server.start();
  SyncClient first("127.0.0.1", server.port(), Lines{});
  first.send_packet("meet");
  common->in_meeting.wait(0);  // Its shard does nothing else now.
  SyncClient second("127.0.0.1", server.port(), Lines{});
  second.send_packet("meet");
  CHECK(second.recv_packet(30s) == "met");
  CHECK(first.recv_packet(30s) == "met");
}

TEST_CASE("ServerThreads: listeners of other kinds, beside the port or alone") {
  const std::string path = "threads-" + std::to_string(::getpid()) + ".sock";
  ServerThreads server(threads(1), Lines{}, Factory{std::make_shared<Common>()}, silent());
  CHECK(server.port() == 0);
  CHECK(server.local_endpoints().empty());
  const auto open = [&](const auto& executor, const TcpListenOptions&) {
    std::vector<UnixListener> listeners;
    listeners.emplace_back(executor, path);
    return listeners;
  };
  server.listen(open);
  server.listen([](const auto& executor, const TcpListenOptions& options) {
    return listen_tcp(executor, "127.0.0.1", 0, options);
  });
  CHECK(server.local_endpoints().size() == 2);
  server.start();
  CHECK_THROWS_AS(server.listen(open), Error);
  SyncClient client(UnixConnector(path), Lines{});
  client.send_packet("shard");
  CHECK(client.recv_packet(30s) == "0");
  CHECK(ask(server.shard(0).local_endpoints()[1].port, "shard") == "0");

  ServerThreads two(threads(2).on_one_socket(), Lines{}, Factory{std::make_shared<Common>()},
                    silent());
  const auto refused = thrown([&] {
    two.listen([](const auto& executor, const TcpListenOptions&) {
      std::vector<UnixListener> listeners;
      listeners.emplace_back(executor, abstract_name("threads-" + std::to_string(::getpid())));
      return listeners;
    });
  });
  REQUIRE(refused);
  CHECK(refused->code() == errc::invalid_argument);
  CHECK(refused->context().detail.find("cannot be shared") != std::string::npos);
}

TEST_CASE("ServerThreads: a handler that is given as an object is copied") {
  const Shard handler(std::make_shared<Common>());
  ServerThreads server{threads(2).on_one_socket(), "127.0.0.1", 0, Lines{}, handler, silent()};
  server.start();
  const auto address = [](auto& s) { return static_cast<void*>(&s.handler()); };
  CHECK(server.shard(0).post(address).get() != server.shard(1).post(address).get());
  CHECK(handler.common->inits == 2);
}

TEST_CASE("ServerThreads: a port that others listen on is taken, unless it is to be shared") {
  Shards first(threads(2));
  const auto open_second = [&](bool reuse_port) {
    ServerOptions options = silent();
    options.reuse_port = reuse_port;
    ServerThreads second{
        threads(2), "127.0.0.1", first.port(), Lines{}, Factory{std::make_shared<Common>()},
        options};
  };
  CHECK(code_of([&] { open_second(false); }) == errc::listen_failed);
  CHECK(code_of([&] { open_second(true); }) == std::error_code());
}

TEST_CASE("ServerThreads: the limit of connections is divided") {
  ServerOptions options = silent();
  options.max_connections = 2;
  ServerThreads server{threads(2).on_one_socket(),          "127.0.0.1", 0, Lines{},
                       Factory{std::make_shared<Common>()}, options};
  server.start();
  SyncClient first("127.0.0.1", server.port(), Lines{});
  SyncClient second("127.0.0.1", server.port(), Lines{});
  std::set<std::string> shards;
  for (auto* client : {&first, &second}) {
    client->send_packet("shard");
    shards.insert(client->recv_packet(30s));
  }
  CHECK(shards.size() == 2);  // One for each.
}

TEST_CASE("ServerThreads: if one shard cannot start, none does") {
  const auto common = std::make_shared<Common>();
  int failing = 0;
  SUBCASE("the first") {}
  SUBCASE("the last") { failing = 2; }
  common->failing_shard = failing;
  Shards server(threads(3), common);
  CHECK_THROWS_WITH_AS(server.start(), ("shard " + std::to_string(failing) + " failed").c_str(),
                       std::runtime_error);
  CHECK_FALSE(server.is_serving());
  server.shutdown();
  common->failing_shard = -1;
  server.start();
  CHECK_FALSE(ask(server.port(), "shard").empty());
}

TEST_CASE("ServerThreads: if the system has no thread for one shard, none starts") {
  std::atomic<int> stops = 0;
  Shards server(threads(3));
  server.on_stopped([&] { ++stops; });
  {
    const RoomForOneThread room;
    CHECK_THROWS_AS(server.start(), std::system_error);
  }
  CHECK(stops == 0);
  CHECK_FALSE(server.is_serving());
  CHECK_FALSE(server.shard(0).is_serving());
  server.start();
  CHECK(server.is_serving());
  CHECK_FALSE(ask(server.port(), "shard").empty());
}

TEST_CASE("ServerThreads: a shard that ends, ends all") {
  Shards server(threads(3));
  std::promise<void> stopped;
  server.on_stopped([&] { stopped.set_value(); });
  server.start();
  SyncClient client("127.0.0.1", server.port(), Lines{});
  SUBCASE("by a failure, which is thrown") {
    client.send_packet("fail");
    stopped.get_future().get();
    CHECK_THROWS_WITH_AS(server.shutdown(1h), "disk full", std::runtime_error);
  }
  SUBCASE("because its handler asked for it") {
    client.send_packet("stop");
    stopped.get_future().get();
    server.wait();
  }
  CHECK_FALSE(server.is_serving());
  server.shutdown();
}

TEST_CASE("ServerThreads: shutdown gives all shards the same time") {
  Shards server(threads(2).on_one_socket());
  server.start();
  SyncClient busy("127.0.0.1", server.port(), Lines{});
  busy.send_packet("wait");
  CHECK(busy.recv_packet(30s) == "waiting");
  const auto begin = std::chrono::steady_clock::now();
  server.shutdown(50ms);  // The other one has nothing to do, and ends first.
  const auto needed = std::chrono::steady_clock::now() - begin;
  CHECK(needed >= 50ms);
  CHECK(needed < 30s);
}

TEST_CASE("ServerThreads: many threads start, ask and shut down at once") {
  Shards server(threads(3));
  std::vector<std::thread> all;
  for (int t = 0; t < 4; ++t) {
    all.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        switch ((i + t) % 4) {
          case 0: (void)thrown([&] { server.start(); }); break;
          case 1: server.shutdown(); break;
          case 2: server.request_shutdown(1ms); break;
          default:
            (void)thrown([&] {
              ClientOptions options;
              options.limits.close_timeout = 0ms;
              SyncClient client("127.0.0.1", server.port(), Lines{}, options);
              client.send_packet("lines");
              (void)client.recv_packet(1ms);
            });
            (void)server.connections();
        }
      }
    });
  }
  for (auto& thread : all) {
    thread.join();
  }
  server.shutdown();
  CHECK(server.connections() == 0);
}

TEST_CASE("serve on threads: SIGINT and SIGTERM drain all; a second one forces") {
  int signal = SIGINT;
  SUBCASE("SIGINT") {}
  SUBCASE("SIGTERM") { signal = SIGTERM; }
  const auto common = std::make_shared<Common>();
  std::promise<std::uint16_t> port;
  common->at_start = [&port](Service&, std::uint16_t given) { port.set_value(given); };
  auto serving = std::async(std::launch::async, [&] {
    ServerOptions options = silent();
    options.shutdown_timeout = 1h;
    serve(threads(3), "127.0.0.1", 0, Lines{}, Factory{common}, options);
  });
  const std::uint16_t to = port.get_future().get();
  SyncClient busy("127.0.0.1", to, Lines{});
  busy.send_packet("wait");
  CHECK(busy.recv_packet(30s) == "waiting");
  SyncClient idle("127.0.0.1", to, Lines{});
  idle.send_packet("lines");
  CHECK_FALSE(idle.recv_packet(30s).empty());
  std::raise(signal);
  CHECK(idle.next_packet(30s) == std::nullopt);
  CHECK(code_of([&] { busy.next_packet(0s); }) == errc::timeout);
  std::raise(SIGINT);
  CHECK(busy.next_packet(30s) == std::nullopt);
  serving.get();
}

TEST_CASE("serve on threads: a server may run again after that, and is not served twice") {
  const auto common = std::make_shared<Common>();
  std::atomic<int> stops = 0;
  Shards server(threads(2), common);
  server.on_stopped([&] { ++stops; });
  server.start();
  CHECK(code_of([&] { serve(server); }) == errc::already_serving);
  server.shutdown();
  CHECK(stops == 1);
  std::promise<void> up;
  common->inits = 0;
  common->at_start = [&](Service&, std::uint16_t) { up.set_value(); };
  auto serving = std::async(std::launch::async, [&] { serve(server, 1h); });
  up.get_future().get();
  CHECK(ask(server.port(), "lines") != "");
  std::raise(SIGTERM);
  serving.get();
  CHECK(stops == 2);
  common->at_start = nullptr;
  server.start();
  CHECK_FALSE(ask(server.port(), "shard").empty());
  server.shutdown();
  CHECK(stops == 3);
}

TEST_CASE("serve on threads: throws what one of them threw, and listen_failed") {
  const auto common = std::make_shared<Common>();
  common->failing_shard = 1;
  CHECK_THROWS_WITH_AS(serve(threads(2), "127.0.0.1", 0, Lines{}, Factory{common}, silent()),
                       "shard 1 failed", std::runtime_error);
  asio::io_context io;
  const asio::ip::tcp::acceptor taken(io, {asio::ip::address_v4::loopback(), 0});
  const auto port = taken.local_endpoint().port();
  for (const Threads how : {threads(1), threads(2), threads(2).on_one_socket()}) {
    CHECK(code_of([&] { serve(how, "127.0.0.1", port, Lines{}, Factory{common}, silent()); }) ==
          errc::listen_failed);
  }
}

TEST_CASE("ServerThreads: a shutdown in a thread of the server's own is an error, no deadlock") {
  const auto common = std::make_shared<Common>();
  ServerThreads server{threads(2), "127.0.0.1", 0, Lines{}, Factory{common}, silent()};
  std::error_code code;
  common->in_a_shard = [&] {
    code = code_of([&] { server.shutdown(); });
    CHECK(code_of([&] { server.connections(); }) == code);  // Another shard might ask this one.
    CHECK(code_of([&] { server.is_serving(); }) == code);
  };
  server.shard(0).post([&](auto&) {  // While it does not run: here.
    CHECK(code_of([&] { server.start(); }) == std::errc::resource_deadlock_would_occur);
    CHECK(code_of([&] { server.wait(); }) == std::errc::resource_deadlock_would_occur);
    server.request_shutdown();
  });
  server.start();
  SyncClient client("127.0.0.1", server.port(), Lines{});
  client.send_packet("deadlock");
  CHECK(client.recv_packet(30s) == "done");
  CHECK(code == std::errc::resource_deadlock_would_occur);
}

TEST_CASE("ServerThreads: a task that ignores its cancellation keeps nobody waiting") {
  const auto common = std::make_shared<Common>();
  ServerThreads server{threads(2), "127.0.0.1", 0, Lines{}, Factory{common}, silent()};
  server.start();
  SyncClient client("127.0.0.1", server.port(), Lines{});
  client.send_packet("stay");
  CHECK(client.recv_packet(30s) == "staying");
  client.send_packet("stop");
  server.wait();  // Would wait for an hour.
  CHECK(server.connections() == 0);
}
