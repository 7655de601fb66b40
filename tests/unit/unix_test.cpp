// SPDX-License-Identifier: BSL-1.0
#include "cowire/transports/unix.hpp"

#include "cowire/client.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"
#include "cowire/testing/manual_clock.hpp"
#include "support/records.hpp"
#include "support/run.hpp"
#include "support/thrown.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/connect_pair.hpp>
#include <doctest/doctest.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using Local = asio::local::stream_protocol;
using Lines = StreamProtocol<LineSerializer<>>;

namespace {

static_assert(Transport<UnixTransport>);
static_assert(Transport<BasicUnixTransport<asio::io_context::executor_type>>);
static_assert(WritesDirectly<UnixTransport> && WaitsForRead<UnixTransport>);
static_assert(Listener<UnixListener>);

/// A directory of its own, gone at the end.
class Directory {
 public:
  Directory() {
    std::string name = (fs::temp_directory_path() / "cowire-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { fs::remove_all(path_); }

  std::string operator/(const char* name) const { return (path_ / name).string(); }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

 private:
  fs::path path_;
};

struct Rig {
  Directory directory;
  std::string path = directory / "my.sock";
  asio::io_context io;

  UnixListener listen(const UnixListenOptions& options = {}) {
    return UnixListener(io.get_executor(), path, options);
  }
  std::string refusal(const UnixListenOptions& options = {}) {
    const auto error = thrown([&] { listen(options); });
    REQUIRE(error);
    CHECK(error->code() == errc::listen_failed);
    return error->context().detail;
  }
};

/// Listens, but its queue is full.
class FullListener {
 public:
  FullListener(asio::io_context& io, const std::string& path) : acceptor_(io) {
    acceptor_.open();
    acceptor_.bind(Local::endpoint(path));
    acceptor_.listen(0);
    const Local::endpoint address(path);
    int result = 0;
    while (result == 0) {  // How many fit depends on the system.
      fillers_.emplace_back(io).open();
      fillers_.back().native_non_blocking(true);
      result = ::connect(fillers_.back().native_handle(), address.data(),
                         static_cast<socklen_t>(address.size()));
    }
    REQUIRE(errno == EAGAIN);
  }

  Local::socket accept() { return acceptor_.accept(); }

 private:
  Local::acceptor acceptor_;
  std::vector<Local::socket> fillers_;
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("U2: a listener removes its file when it is closed or destroyed") {
  Rig rig;
  std::optional<UnixListener> listener(rig.listen());
  CHECK(fs::is_socket(rig.path));
  CHECK(listener->local_endpoint() == Endpoint{rig.path, 0});
  UnixListener moved(std::move(*listener));
  listener.reset();
  CHECK(fs::exists(rig.path));
  SUBCASE("closed, and again") {
    CHECK_FALSE(moved.close());
    CHECK(rig.directory.files() == 0);
    CHECK_FALSE(moved.is_open());
    CHECK_FALSE(moved.close());
    CHECK(moved.local_endpoint().address == rig.path);
  }
  SUBCASE("destroyed") {
    {
      const UnixListener gone(std::move(moved));
    }
    CHECK(rig.directory.files() == 0);
  }
}

TEST_CASE("U2: a file that is another one by now stays") {
  Rig rig;
  UnixListener listener = rig.listen();
  fs::remove(rig.path);
  SUBCASE("already removed") { CHECK_FALSE(listener.close()); }
  SUBCASE("replaced by a file") {
    std::ofstream(rig.path) << "mine";
    CHECK_FALSE(listener.close());
    CHECK(fs::is_regular_file(rig.path));
  }
  SUBCASE("replaced by the socket of another server") {
    UnixListener other = rig.listen();
    CHECK_FALSE(listener.close());
    CHECK(fs::is_socket(rig.path));
  }
}

TEST_CASE("a relative path is removed although the current directory has changed") {
  Rig rig;
  const fs::path before = fs::current_path();
  fs::current_path(fs::path(rig.path).parent_path());
  rig.path = "relative.sock";
  UnixListener listener = rig.listen();
  fs::current_path(before);
  CHECK(rig.directory.files() == 1);
  CHECK_FALSE(listener.close());
  CHECK(rig.directory.files() == 0);
}

TEST_CASE("U1: a socket file that nobody listens on is replaced, if that is wanted") {
  Rig rig;
  {
    Local::acceptor crashed(rig.io, Local::endpoint(rig.path));
  }
  REQUIRE(fs::is_socket(rig.path));
  UnixListenOptions options;
  options.replace_stale = false;
  CHECK(contains(rig.refusal(options), "nobody listens on any more"));
  UnixListener listener = rig.listen();
  Local::socket socket(rig.io);
  socket.connect(Local::endpoint(rig.path));
}

TEST_CASE("U1: what is in use is never replaced") {
  Rig rig;
  SUBCASE("a server") {
    const UnixListener first = rig.listen();
    CHECK(contains(rig.refusal(), "somebody listens there"));
    CHECK(fs::exists(rig.path));
  }
  SUBCASE("a server whose queue is full") {
    const FullListener full(rig.io, rig.path);
    CHECK(contains(rig.refusal(), "somebody listens there"));
    CHECK(fs::exists(rig.path));
  }
  SUBCASE("a file") {
    std::ofstream(rig.path) << "precious";
    CHECK(contains(rig.refusal(), "no socket"));
    CHECK(fs::file_size(rig.path) == 8);
  }
  SUBCASE("an abstract name") {
    rig.path = abstract_name(rig.path);
    const UnixListener first = rig.listen();
    CHECK(first.local_endpoint().address.front() == '@');
    const std::string detail = rig.refusal();
    CHECK(contains(detail, "somebody listens there"));
    CHECK(contains(detail, first.local_endpoint().address));
  }
}

TEST_CASE("paths that are no addresses, and what else can fail, is named") {
  Rig rig;
  rig.path = std::string(108, 'x');
  CHECK(contains(rig.refusal(), "108 bytes"));
  CHECK(contains(rig.refusal(), "107"));
  rig.path = std::string("a\0b", 3);
  CHECK(contains(rig.refusal(), "zero byte"));
  rig.path = rig.directory / "none/my.sock";
  CHECK(contains(rig.refusal(), "No such file or directory"));
}

TEST_CASE("U1: the mode of the file; the empty path") {
  Rig rig;
  UnixListenOptions options;
  options.mode = 0600;
  const UnixListener listener = rig.listen(options);
  struct stat status = {};
  REQUIRE(::stat(rig.path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  rig.path.clear();  // The system chooses a name.
  const UnixListener named = rig.listen();
  CHECK(named.local_endpoint().address.size() > 1);
  CHECK(named.local_endpoint().address.front() == '@');
}

TEST_CASE("U3: the credentials of the peer") {
  asio::io_context io;
  Local::socket one(io);
  Local::socket two(io);
  asio::local::connect_pair(one, two);
  const UnixCredentials credentials = unix_peer_credentials(one.native_handle());
  CHECK(credentials.pid == ::getpid());
  CHECK(credentials.uid == ::geteuid());
  CHECK(credentials.gid == ::getegid());
  CHECK_THROWS_AS(unix_peer_credentials(-1), std::system_error);
#ifdef __linux__
  asio::ip::tcp::socket other(io, asio::ip::tcp::v4());
  CHECK_THROWS_AS(unix_peer_credentials(other.native_handle()), std::system_error);
#endif
}

TEST_CASE("U4: names of the peers") {
  Rig rig;
  UnixListener listener = rig.listen();
  Local::socket client(rig.io);
  std::string name = "(unnamed)";
  SUBCASE("as usual") {}
  SUBCASE("a client that has bound a path") {
    name = rig.directory / "client.sock";
    client.open();
    client.bind(Local::endpoint(name));
  }
  client.connect(Local::endpoint(rig.path));
  std::optional<UnixTransport> accepted;
  const auto outcome = spawn(rig.io, [](UnixListener& from, auto& to) -> Task<void> {
    to.emplace(co_await from.accept());
  }(listener, accepted));
  REQUIRE(run_until(rig.io, [&] { return outcome->done; }));
  REQUIRE(accepted);
  CHECK(accepted->remote_endpoint() == Endpoint{name, 0});
  CHECK(accepted->local_endpoint() == Endpoint{rig.path, 0});
  CHECK(to_string(accepted->remote_endpoint()) == name);
  accepted->close();
  CHECK(accepted->remote_endpoint() == Endpoint{name, 0});
  CHECK(accepted->local_endpoint() == Endpoint{});
}

TEST_CASE("U2: a server whose socket file cannot be removed says so") {
  Rig rig;
  rig.path = rig.directory / "inner/my.sock";
  fs::create_directory(rig.directory / "inner");
  const Records records;
  ServerOptions options;
  options.logger = records.logger();
  Server<Lines, Generator<std::string> (*)(Peer<std::string>&)> server(
      rig.io.get_executor(), Lines(),
      [](Peer<std::string>& client) -> Generator<std::string> {
        const std::string line = co_yield {};
        client.send_packet(line);
      },
      options);
  server.add_listener(rig.listen());
  SUBCASE("it can") {
    server.stop_listening();
    CHECK(records.complaints().empty());
    CHECK_FALSE(fs::exists(rig.path));
  }
  SUBCASE("it cannot") {
    fs::rename(rig.directory / "inner", rig.directory / "moved");
    std::ofstream(rig.directory / "inner") << "no directory";
    server.stop_listening();
    CHECK(records.count("Unable to clean up the listener at " + rig.path, LogLevel::error) == 1);
  }
}

// The client's side.

namespace {

using UnixClient = Client<Lines, testing::ManualClock>;

struct ClientRig : Rig {
  std::shared_ptr<Outcome> connect() { return spawn(io, client.connect(UnixConnector(path), 10s)); }
  bool ends(const std::shared_ptr<Outcome>& outcome) {
    return run_until(io, [&] { return outcome->done; });
  }
  std::string message(const Outcome& outcome) {
    return thrown([&] { std::rethrow_exception(outcome.error); })->what();
  }

  testing::ManualClock clock{io};
  UnixClient client{io, Lines{}};
};

}  // namespace

TEST_CASE("U1: a client connects to a path and to an abstract name") {
  ClientRig rig;
  SUBCASE("a path") {}
  SUBCASE("an abstract name") { rig.path = abstract_name(rig.path); }
  Local::acceptor acceptor(rig.io, Local::endpoint(rig.path));
  const auto connected = rig.connect();
  REQUIRE(rig.ends(connected));
  CHECK(connected->succeeded());
  Local::socket server = acceptor.accept();
  rig.client.send_packet("hello");
  settle(rig.io);
  std::string heard(6, ' ');
  CHECK(server.read_some(asio::buffer(heard)) == 6);
  CHECK(heard == "hello\n");
  CHECK(rig.client.remote_endpoint() ==
        Endpoint{rig.path[0] == '\0' ? '@' + rig.path.substr(1) : rig.path, 0});
}

TEST_CASE("C14: a path where nobody listens is named, with the reason") {
  ClientRig rig;
  const auto absent = rig.connect();
  REQUIRE(rig.ends(absent));
  CHECK(absent->code() == errc::connect_failed);
  CHECK(contains(rig.message(*absent), rig.path + ": No such file or directory"));
  rig.path = std::string(200, 'x');
  const auto too_long = rig.connect();
  REQUIRE(rig.ends(too_long));
  CHECK(contains(rig.message(*too_long), "200 bytes"));
}

TEST_CASE("a client waits while the server's queue is full") {
  ClientRig rig;
  FullListener full(rig.io, rig.path);
  const auto waiting = rig.connect();
  settle(rig.io);
  CHECK_FALSE(waiting->done);
  SUBCASE("until there is room") {
    const Local::socket accepted = full.accept();
    rig.clock.advance(5ms);
    REQUIRE(rig.ends(waiting));
    CHECK(waiting->succeeded());
  }
  SUBCASE("for its time limit, at most") {
    for (int i = 0; i < 100; ++i) {
      rig.clock.advance(100ms);
      settle(rig.io);
    }
    REQUIRE(waiting->done);
    CHECK(waiting->code() == errc::connect_timeout);
  }
}
