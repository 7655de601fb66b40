// SPDX-License-Identifier: BSL-1.0
// The behaviour suite's stage: one server on the manual clock, raw clients, what was logged. The
// same tests run over every transport.
#pragma once

#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"
#include "cowire/testing/manual_clock.hpp"
#include "cowire/transports/memory.hpp"
#include "cowire/transports/tcp.hpp"
#include "cowire/transports/tls.hpp"
#include "cowire/transports/unix.hpp"
#include "support/any_transport.hpp"
#include "support/certificates.hpp"
#include "support/guest.hpp"
#include "support/journal.hpp"
#include "support/manual_time.hpp"
#include "support/records.hpp"
#include "support/run.hpp"

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;
using Line = std::string;
using Client = cowire::Peer<Line>;
using Requests = cowire::Generator<Line>;
using Received = cowire::Result<Line>;
using cowire::testing::ManualClock;

/// The transports of the suite.
enum class Net { memory, tcp, tcp6, unix_path, unix_abstract, tls };

/// All of them, with the names that doctest prints.
inline constexpr std::pair<Net, const char*> nets[] = {
    {Net::memory, "over memory"},
    {Net::tcp, "over TCP"},
    {Net::tcp6, "over TCP, version 6"},
    {Net::unix_path, "over a Unix socket"},
    {Net::unix_abstract, "over an abstract Unix socket"},
    {Net::tls, "over TLS"},
};

/// Whether a peer can see that it was dropped, in place of a clean end.
constexpr bool has_reset(Net net) { return net != Net::unix_path && net != Net::unix_abstract; }

/// A test of the contract: it runs over each transport, `net`, as a subcase.
#define CONTRACT_TEST(name) CONTRACT_TEST_AS(name, DOCTEST_ANONYMOUS(contract_test_))
#define CONTRACT_TEST_AS(name, function)          \
  static void function(Net net);                  \
  TEST_CASE(name) {                               \
    for (const auto& [transport, label] : nets) { \
      SUBCASE(label) { function(transport); }     \
    }                                             \
  }                                               \
  static void function(Net net)

/// Bytes: what narrow() leaves room for, or twice that, as Linux counts.
inline constexpr int little_room = 4096;

/// Where a server of the suite listens, and raw clients connect. After narrow() those have little
/// room for what they were sent and have not read.
class OverMemory {
 public:
  explicit OverMemory(asio::io_context& io, Net = Net::memory) : listener_(io.get_executor()) {}

  template <class Server>
  void listen(Server& server) {
    server.add_listener(listener_);
  }
  AnyTransport connect();
  void narrow() { from_server_.capacity = little_room; }

 private:
  cowire::BasicMemoryListener<ManualClock> listener_;
  cowire::MemoryOptions from_server_;
};

class OverTcp {
 public:
  explicit OverTcp(asio::io_context& io, Net net = Net::tcp)
      : io_(&io), host_(net == Net::tcp6 ? "::1" : "127.0.0.1") {}

  template <class Server>
  void listen(Server& server) {
    for (auto& listener : cowire::listen_tcp(io_->get_executor(), host_, 0)) {
      port_ = listener.local_endpoint().port;
      server.add_listener(std::move(listener));
    }
  }
  AnyTransport connect();
  void narrow() { receive_buffer_ = little_room; }

 private:
  asio::io_context* io_;
  std::string host_;
  std::uint16_t port_ = 0;
  std::optional<int> receive_buffer_;
};

class OverUnix {
 public:
  explicit OverUnix(asio::io_context& io, Net net = Net::unix_path)
      : io_(&io), path_(unique_name()) {
    if (net == Net::unix_abstract) {
      path_ = cowire::abstract_name(path_);
    }
  }

  template <class Server>
  void listen(Server& server) {
    server.add_listener(cowire::UnixListener(io_->get_executor(), path_));
  }
  AnyTransport connect();
  void narrow() {}  // The room is the sender's.

 private:
  // In the current directory, which is that of the build.
  static std::string unique_name() {
    static int last = 0;
    return "test-" + std::to_string(::getpid()) + "-" + std::to_string(++last) + ".sock";
  }

  asio::io_context* io_;
  std::string path_;
};

/// TLS on TCP.
class OverTls {
 public:
  explicit OverTls(asio::io_context& io, Net = Net::tls) : io_(&io) {}

  template <class Server>
  void listen(Server& server) {
    for (auto& listener :
         cowire::listen_tls(io_->get_executor(), "127.0.0.1", 0, test_server_context())) {
      port_ = listener.local_endpoint().port;
      server.add_listener(std::move(listener));
    }
  }
  /// Makes the handshake too, for which the server must run.
  AnyTransport connect();
  /// Does not.
  AnyTransport connect_silently();
  void narrow() { receive_buffer_ = little_room; }

 private:
  asio::io_context* io_;
  std::uint16_t port_ = 0;
  std::optional<int> receive_buffer_;
};

/// Over the transport that is chosen at run time.
class OverAny {
 public:
  OverAny(asio::io_context& io, Net net)
      : net_(net), memory_(io), tcp_(io, net), unix_(io, net), tls_(io) {}

  /// The server knows the type of each transport, and is compiled for all of them.
  template <class Server>
  void listen(Server& server) {
    visit([&](auto& door) { door.listen(server); });
  }
  AnyTransport connect();
  /// The same, but for a handshake: for servers that may not make theirs.
  AnyTransport connect_silently();
  void narrow() {
    visit([](auto& door) { door.narrow(); });
  }

 protected:
  template <class F>
  void visit(F f) {
    switch (net_) {
      case Net::memory: f(memory_); break;
      case Net::tcp:
      case Net::tcp6: f(tcp_); break;
      case Net::unix_path:
      case Net::unix_abstract: f(unix_); break;
      case Net::tls: f(tls_); break;
    }
  }

 private:
  Net net_;
  OverMemory memory_;
  OverTcp tcp_;
  OverUnix unix_;
  OverTls tls_;
};

/// The same, but the server knows one type for all of them, and is compiled once.
class OverAnyHidden : public OverAny {
 public:
  using OverAny::OverAny;

  template <class Server>
  void listen(Server& server) {
    for (auto& listener : listeners()) {
      server.add_listener(std::move(listener));
    }
  }

 private:
  std::vector<AnyListener> listeners();
};

/// A handler whose every part a test can exchange. `Opening` is what its on_connection returns.
template <class Opening = void>
struct Script {
  std::function<Requests(Client&)> talk = nullptr;
  std::function<Opening(Client&)> hello = nullptr;
  std::function<cowire::Task<void>(Client&)> bye = nullptr;
  std::function<void(cowire::Service&)> init = nullptr;

  Requests handle(Client& client) { return talk ? talk(client) : echo(client); }
  Opening on_connection(Client& client) { return hello ? hello(client) : nothing(client); }
  cowire::Task<void> on_disconnection(Client& client) {
    if (bye) {
      co_await bye(client);
    }
  }
  void service_init(cowire::Service& service) {
    if (init) {
      init(service);
    }
  }

  static Requests echo(Client& client) {
    const Line line = co_yield {};
    client.send_packet(line);
  }

 private:
  static Opening nothing(Client&) {
    if constexpr (!std::is_void_v<Opening>) {
      co_return;
    }
  }
};
template <>
inline void Script<void>::nothing(Client&) {}

/// A hook that says good-bye if the peer is there, as EasyNetwork's FTP tutorial does.
cowire::Task<void> say_good_bye(std::string& journal, Client& client);

/// A destructor that can be seen: stands for a generator's local variables.
class Farewell {
 public:
  Farewell(std::string& journal, std::string word) : journal_(&journal), word_(std::move(word)) {}
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;
  ~Farewell() { *journal_ += word_; }

 private:
  std::string* journal_;
  std::string word_;
};

/// The usual stage has the transports as they are; those with another handler or protocol would
/// take too long to compile.
template <class H, class P>
using UsualDoor = std::conditional_t<std::is_same_v<H, Script<>> && std::is_same_v<P, Lines>,
                                     OverAny, OverAnyHidden>;

/// A serving server and all that a test needs of it.
template <class H = Script<>, class P = Lines, class Door = UsualDoor<H, P>>
class Scene {
 public:
  using Server = cowire::Server<P, H, ManualClock>;

  explicit Scene(Net net, H handler = H(), const cowire::ServerOptions& options = {},
                 P protocol = P());
  ~Scene();

  /// Connects. The guest hears what comes.
  Guest guest() {
    Guest guest(door.connect());
    guest.listen();
    settle();
    return guest;
  }
  /// Connects; the guest hears nothing until it is told to listen().
  Guest silent_guest() {
    Guest guest(door.connect());
    settle();
    return guest;
  }

  /// Runs until the condition holds, some real seconds at most. @returns Whether it holds.
  template <class Condition>
  bool until(Condition condition) {
    return run_until(io, condition);
  }
  bool until_heard(const Guest& guest, std::string_view text) {
    std::size_t searched = 0;  // Much may be heard in many pieces.
    const bool in_time = until([&] {
      const bool found = guest.has_heard(text, searched);
      if (!found) {
        searched = guest.heard().size() - std::min(guest.heard().size(), text.size());
      }
      return found || guest.has_ended();
    });
    return in_time && guest.has_heard(text, searched);
  }
  bool until_ended(const Guest& guest) {
    return until([&] { return guest.has_ended(); });
  }
  bool until_empty() {
    return until([&] { return server.connections() == 0; });
  }

  void settle() { ::settle(io); }
  void pass(std::chrono::nanoseconds time) { pass_time(io, clock, time); }

  asio::io_context io{1};
  ManualClock clock{io};
  Records records;
  Door door;
  Server server;
  std::shared_ptr<Outcome> serving;

 private:
  cowire::ServerOptions with_logger(cowire::ServerOptions options) const {
    options.logger = records.logger();
    return options;
  }
};

// Not in the class: there they would be compiled by every test that has a Scene<>.
template <class H, class P, class Door>
Scene<H, P, Door>::Scene(Net net, H handler, const cowire::ServerOptions& options, P protocol)
    : door(io, net),
      server(io.get_executor(), std::move(protocol), std::move(handler), with_logger(options)) {
  door.listen(server);
  serving = spawn(io, server.serve_forever());
  settle();
}

template <class H, class P, class Door>
Scene<H, P, Door>::~Scene() = default;

// The usual stage is compiled once, in scene.cpp.
extern template class cowire::detail::ServerState<Lines, Script<>, ManualClock>;
extern template class cowire::Server<Lines, Script<>, ManualClock>;
extern template class Scene<>;
