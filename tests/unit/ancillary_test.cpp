// SPDX-License-Identifier: BSL-1.0
#include "cowire/ancillary.hpp"

#include "cowire/client.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/raw.hpp"
#include "cowire/server.hpp"
#include "cowire/sync_client.hpp"
#include "cowire/transports/memory.hpp"
#include "cowire/transports/unix.hpp"
#include "support/run.hpp"
#include "support/thrown.hpp"

#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace cowire;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using Local = asio::local::stream_protocol;
using Lines = StreamProtocol<LineSerializer<>>;
using Line = std::string;

namespace {

static_assert(CarriesAncillary<UnixTransport>);
static_assert(!CarriesAncillary<TcpTransport> && !CarriesAncillary<MemoryTransport>);

std::size_t open_descriptors() {
  const auto all = fs::directory_iterator("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(all, fs::directory_iterator()));
}

Descriptor file() {
  std::FILE* const made = std::tmpfile();
  REQUIRE(made != nullptr);
  Descriptor copy = Descriptor::duplicate(::fileno(made));
  std::fclose(made);
  return copy;
}

bool same_file(const Descriptor& one, const Descriptor& two) {
  struct stat first = {};
  struct stat second = {};
  return ::fstat(one.get(), &first) == 0 && ::fstat(two.get(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

struct Pipe {
  Pipe() {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    reading = Descriptor(ends[0]);
    writing = Descriptor(ends[1]);
  }
  /// "(nothing)" while it is open and empty.
  std::string read() {
    char text[100];
    const ssize_t n = ::read(reading.get(), text, sizeof(text));
    return n < 0 ? "(nothing)" : std::string(text, static_cast<std::size_t>(n));
  }

  Descriptor reading;
  Descriptor writing;
};

void write_to(const Descriptor& descriptor, std::string_view text) {
  CHECK(::write(descriptor.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

/// What a program that is not cowire's does: one sendmsg, as Python's socket.send_fds.
void send_fds(int socket, std::string_view bytes, const std::vector<int>& descriptors) {
  iovec data = {const_cast<char*>(bytes.data()), bytes.size()};
  std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
  REQUIRE(::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

struct Message {
  std::string bytes;
  std::vector<Descriptor> descriptors;
};

/// One recvmsg, without waiting.
Message recv_fds(int socket) {
  Message got;
  got.bytes.resize(100'000);
  iovec data = {got.bytes.data(), got.bytes.size()};
  std::vector<char> control(CMSG_SPACE(253 * sizeof(int)));
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  got.bytes.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  const cmsghdr* const header = n < 0 ? nullptr : CMSG_FIRSTHDR(&message);
  if (header != nullptr) {
    std::vector<int> numbers((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(numbers.data(), CMSG_DATA(header), numbers.size() * sizeof(int));
    for (const int number : numbers) {
      got.descriptors.emplace_back(number);
    }
  }
  return got;
}

/// A packet as a handler got it.
struct Got {
  Got(Line packet, Ancillary what) : line(std::move(packet)), came(std::move(what)) {}
  Line line;
  Ancillary came;
};

using Talk = std::function<Generator<Line>(Peer<Line>&)>;

struct Script {
  Talk talk;
  Generator<Line> handle(Peer<Line>& client) { return talk(client); }
};

/// A server whose peers may send `limit` descriptors with a packet, and its guests.
struct Rig {
  explicit Rig(Talk talk, std::size_t limit = 8, ServerOptions options = {})
      : server(std::in_place, io.get_executor(), Lines(), Script{std::move(talk)}, options) {
    std::string name = (fs::temp_directory_path() / "cowire-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory = name;
    path = (directory / "my.sock").string();
    UnixListenOptions listen;
    listen.receive_descriptors = limit;
    server->add_listener(UnixListener(io.get_executor(), path, listen));
    serving = spawn(io, server->serve_forever());
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  ~Rig() { fs::remove_all(directory); }

  Local::socket guest() {
    Local::socket socket(io);
    socket.connect(Local::endpoint(path));
    return socket;
  }
  template <class Condition>
  bool until(Condition condition) {
    return run_until(io, condition);
  }
  bool gone() {
    return until([&] { return server->connections() == 0; });
  }

  fs::path directory;
  std::string path;
  asio::io_context io;
  std::optional<Server<Lines, Script>> server;
  std::shared_ptr<Outcome> serving;
};

/// Collects what comes.
Talk collect(std::vector<Got>& into) {
  return [&into](Peer<Line>&) -> Generator<Line> {
    for (;;) {
      Ancillary came;
      Line line = co_yield RecvParams().with_ancillary(came);
      into.emplace_back(std::move(line), std::move(came));
    }
  };
}

/// Collects the texts of the errors, and the packets.
Talk complain(std::vector<std::string>& into) {
  return [&into](Peer<Line>& client) -> Generator<Line> {
    for (;;) {
      Ancillary came(file());
      auto line = co_yield as_result(RecvParams(10s).with_ancillary(came));
      if (!line) {
        into.emplace_back(line.error().what());
        CHECK(came.size() == 1);  // An error leaves it.
        if (line.error().code() == errc::invalid_argument) {
          client.close();  // It would be the same for ever.
          co_return;
        }
      } else {
        into.push_back(*line + " " + std::to_string(came.size()));
      }
    }
  };
}

std::vector<int> numbers(const std::vector<Descriptor>& from) {
  std::vector<int> all;
  for (const Descriptor& descriptor : from) {
    all.push_back(descriptor.get());
  }
  return all;
}

std::vector<Descriptor> files(int n) {
  std::vector<Descriptor> all;
  for (int i = 0; i < n; ++i) {
    all.push_back(file());
  }
  return all;
}

std::vector<Descriptor> copies(const std::vector<Descriptor>& of) {
  std::vector<Descriptor> all;
  for (const Descriptor& descriptor : of) {
    all.push_back(Descriptor::duplicate(descriptor.get()));
  }
  return all;
}

bool same_files(const std::vector<Descriptor>& one, const std::vector<Descriptor>& two) {
  bool same = one.size() == two.size();
  for (std::size_t i = 0; same && i < one.size(); ++i) {
    same = same_file(one[i], two[i]);
  }
  return same;
}

UnixConnectOptions receiving(std::size_t limit = 8) {
  UnixConnectOptions options;
  options.receive_descriptors = limit;
  return options;
}

template <class F>
std::shared_ptr<Outcome> start(asio::io_context& io, F function) {
  return spawn(io, [](F f) -> Task<void> { co_await f(); }(std::move(function)));
}

std::string text(const std::optional<Error>& error) {
  REQUIRE(error);
  return error->what();
}

}  // namespace

TEST_CASE("a Descriptor owns its number; an Ancillary owns its descriptors") {
  const std::size_t before = open_descriptors();
  {
    Pipe pipe;
    Descriptor copy = Descriptor::duplicate(pipe.writing.get());
    CHECK((::fcntl(copy.get(), F_GETFD) & FD_CLOEXEC) != 0);
    pipe.writing = Descriptor();
    CHECK(pipe.read() == "(nothing)");
    Descriptor moved(std::move(copy));
    CHECK_FALSE(copy);
    CHECK(moved);
    moved = std::move(*&moved);
    CHECK(moved.get() >= 0);
    Ancillary one(std::move(moved));
    one.add(file());
    Ancillary other;
    other = std::move(one);
    CHECK(one.empty());  // NOLINT(bugprone-use-after-move): what moving left
    CHECK(other.size() == 2);
    const int number = other.descriptors()[0].release();
    CHECK(pipe.read() == "(nothing)");
    CHECK(::close(number) == 0);
    CHECK(pipe.read().empty());
    CHECK_THROWS_AS(Descriptor::duplicate(-1), std::system_error);
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("U5: a pipe and a file go both ways, and are used") {
  Pipe to_client;
  Pipe to_server;
  Descriptor shared = file();
  const std::size_t before = open_descriptors();
  {
    Rig rig([&](Peer<Line>& client) -> Generator<Line> {
      Ancillary came;
      const Line line = co_yield RecvParams(10s).with_ancillary(came);
      CHECK(line == "write there");
      REQUIRE(came.size() == 2);
      CHECK((::fcntl(came.descriptors()[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
      write_to(came.descriptors()[0], "from the server");
      write_to(came.descriptors()[1], "noted");
      Ancillary answer(Descriptor::duplicate(to_server.writing.get()));
      co_await client.send_packet_with_ancillary("and you there", std::move(answer));
    });
    const auto talking = start(rig.io, [&]() -> Task<void> {
      Client client{rig.io, Lines{}};
      const UnixConnector server(rig.path, receiving());
      co_await client.connect(server);
      Ancillary both(Descriptor::duplicate(to_client.writing.get()));
      both.add(Descriptor::duplicate(shared.get()));
      client.send_packet_with_ancillary("write there", std::move(both));
      Ancillary came(file());
      const Line line = co_await client.recv_packet(RecvParams(10s).with_ancillary(came));
      CHECK(line == "and you there");
      REQUIRE(came.size() == 1);
      write_to(came.descriptors()[0], "from the client");
    });
    CHECK(rig.until([&] { return talking->done; }));
    CHECK(talking->succeeded());
    CHECK(rig.gone());
  }
  CHECK(to_client.read() == "from the server");
  CHECK(to_server.read() == "from the client");
  CHECK(::lseek(shared.get(), 0, SEEK_END) == 5);
  CHECK(open_descriptors() == before);
}

TEST_CASE("U5: pipelined packets have their own descriptors, with plain ones between them") {
  std::vector<Got> got;
  const std::vector<int> counts = {0, 1, 0, 0, 3, 2, 0, 253, 1, 0};
  std::vector<std::vector<Descriptor>> sent;
  for (const int n : counts) {
    sent.push_back(files(n == 253 ? 1 : n));
    while (n == 253 && sent.back().size() < 253) {
      sent.back().push_back(Descriptor::duplicate(sent.back()[0].get()));
    }
  }
  const auto all_right = [&] {
    REQUIRE(got.size() == counts.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      CHECK(got[i].line == "packet " + std::to_string(i));
      CHECK(same_files(got[i].came.descriptors(), sent[i]));
    }
  };
  const auto send_all = [&](auto& to) {
    for (std::size_t i = 0; i < sent.size(); ++i) {
      const Line line = "packet " + std::to_string(i);
      if (sent[i].empty()) {
        to.send_packet(line);
      } else {
        to.send_packet_with_ancillary(line, Ancillary(copies(sent[i])));
      }
    }
  };
  const auto receive_all = [&](auto& client) -> Task<void> {
    while (got.size() < counts.size()) {
      Ancillary came;
      Line line = co_await client.recv_packet(RecvParams(10s).with_ancillary(came));
      got.emplace_back(std::move(line), std::move(came));
    }
  };
  SUBCASE("to a server") {
    Rig rig(collect(got), 253);
    Client client{rig.io, Lines{}};
    const auto sending = start(rig.io, [&]() -> Task<void> {
      const UnixConnector server(rig.path);
      co_await client.connect(server);
      send_all(client);
    });
    CHECK(rig.until([&] { return got.size() == counts.size(); }));
    all_right();
  }
  SUBCASE("to a client, in one turn") {
    Rig rig([&](Peer<Line>& peer) -> Generator<Line> {
      co_yield {};
      send_all(peer);
    });
    const auto receiving_all = start(rig.io, [&]() -> Task<void> {
      Client client{rig.io, Lines{}};
      const UnixConnector server(rig.path, receiving(253));
      co_await client.connect(server);
      client.send_packet("go on");
      co_await receive_all(client);
    });
    CHECK(rig.until([&] { return receiving_all->done; }));
    all_right();
  }
  SUBCASE("to a client, from another thread") {
    std::optional<Peer<Line>> peer;
    Rig rig([&](Peer<Line>& client) -> Generator<Line> {
      co_yield {};
      peer.emplace(client);
      co_yield {};
    });
    const auto receiving_all = start(rig.io, [&]() -> Task<void> {
      Client client{rig.io, Lines{}};
      const UnixConnector server(rig.path, receiving(253));
      co_await client.connect(server);
      client.send_packet("go on");
      co_await receive_all(client);
    });
    REQUIRE(rig.until([&] { return peer.has_value(); }));
    std::thread([&] { send_all(*peer); }).join();
    CHECK(rig.until([&] { return receiving_all->done; }));
    all_right();
    peer.reset();
  }
  SUBCASE("to a program that reads by recvmsg: bytes of other packets only before its own") {
    Rig rig([&](Peer<Line>& peer) -> Generator<Line> {
      co_yield {};
      send_all(peer);
    });
    Local::socket guest = rig.guest();
    send_fds(guest.native_handle(), "go on\n", {0});
    std::string heard;
    REQUIRE(rig.until([&] {
      Message message = recv_fds(guest.native_handle());
      heard += message.bytes;
      if (!message.descriptors.empty()) {
        const std::size_t last = heard.rfind("packet ");
        const auto i = static_cast<std::size_t>(std::stoi(heard.substr(last + 7)));
        CHECK(heard.back() == '\n');
        CHECK(same_files(message.descriptors, sent[i]));
      }
      return heard.find("packet 9\n") != std::string::npos;
    }));
  }
}

TEST_CASE("descriptors that are queued behind a write under way go with their own packet") {
  std::vector<Got> got;
  Rig rig(collect(got));
  Client client{rig.io, Lines{}};
  const std::vector<Descriptor> sent = files(1);
  const std::string big(60'000, 'x');
  const auto sending = start(rig.io, [&]() -> Task<void> {
    const UnixConnector server(rig.path);
    co_await client.connect(server);
    const int size = 4096;
    CHECK(::setsockopt(client.native_handle(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
    for (int i = 0; i < 4; ++i) {
      client.send_packet(big);  // At the high mark it is written, as far as that goes.
    }
    client.send_packet_with_ancillary("small", Ancillary(Descriptor::duplicate(sent[0].get())));
    client.send_packet("last");
  });
  REQUIRE(rig.until([&] { return got.size() == 6; }));
  CHECK(got[3].came.empty());
  CHECK(got[4].line == "small");
  REQUIRE(got[4].came.size() == 1);
  CHECK(same_file(got[4].came.descriptors()[0], sent[0]));
  CHECK(got[5].came.empty());
  client.close();
  CHECK(rig.gone());
}

TEST_CASE("packets larger than the socket's buffer keep their descriptors") {
  std::vector<Got> got;
  Rig rig(collect(got));
  Client client{rig.io, Lines{}};
  const std::vector<Descriptor> sent = files(8);
  const std::size_t before = open_descriptors();
  const std::string big(60'000, 'x');
  const auto sending = start(rig.io, [&]() -> Task<void> {
    const UnixConnector server(rig.path);
    co_await client.connect(server);
    const int size = 4096;
    CHECK(::setsockopt(client.native_handle(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
    for (const Descriptor& descriptor : sent) {
      client.send_packet(big);
      client.send_packet_with_ancillary(big, Ancillary(Descriptor::duplicate(descriptor.get())));
      client.send_packet_with_ancillary("small", Ancillary(files(3)));
    }
  });
  REQUIRE(rig.until([&] { return got.size() == 24; }));
  for (std::size_t i = 0; i < 24; i += 3) {
    CHECK(got[i].line == big);
    CHECK(got[i].came.empty());
    CHECK(got[i + 1].line == big);
    REQUIRE(got[i + 1].came.size() == 1);
    CHECK(same_file(got[i + 1].came.descriptors()[0], sent[i / 3]));
    CHECK(got[i + 2].came.size() == 3);
  }
  got.clear();
  client.close();
  CHECK(rig.gone());
  CHECK(rig.until([&] { return open_descriptors() == before; }));
}

TEST_CASE("more descriptors than the limit are an error that names it, and are closed") {
  std::vector<std::string> got;
  const std::vector<Descriptor> three = files(3);
  Rig rig(complain(got), 2);
  Local::socket guest = rig.guest();
  REQUIRE(rig.until([&] { return rig.server->connections() == 1; }));
  const std::size_t before = open_descriptors();
  const int socket = guest.native_handle();
  SUBCASE("in one message") { send_fds(socket, "three\n", numbers(three)); }
  SUBCASE("with several parts of one packet") {
    for (const char* const part : {"th", "re", "e\n"}) {
      send_fds(socket, part, {three[0].get()});
    }
  }
  SUBCASE("so many that the system keeps some back") {
    send_fds(socket, "many\n", std::vector<int>(250, three[0].get()));
  }
  send_fds(socket, "two\n", {three[0].get(), three[1].get()});
  REQUIRE(rig.until([&] { return got.size() == 2; }));
  CHECK(got[0] ==
        "more descriptors came with a packet than the 2 that are taken here, or than this process "
        "may open: the packet is dropped, and they are closed (peer (unnamed)): raise "
        "receive_descriptors of the listener or connector, or the limit of open files");
  CHECK(got[1] == "two 2");
  CHECK(open_descriptors() <= before + 1);  // The one that `came` has at its begin.
  CHECK(rig.server->stats().bad_packets == 1);
}

TEST_CASE("descriptors that this process has no room for are an error, not a silence") {
  std::vector<std::string> got;
  Rig rig(
      [&](Peer<Line>&) -> Generator<Line> {
        Ancillary came;
        const auto line = co_yield as_result(RecvParams().with_ancillary(came));
        got.emplace_back(line ? *line : line.error().what());
      },
      4);
  const std::vector<Descriptor> two = files(2);
  Local::socket guest = rig.guest();
  REQUIRE(rig.until([&] { return rig.server->connections() == 1; }));
  settle(rig.io);
  send_fds(guest.native_handle(), "two\n", numbers(two));
  rlimit usual = {};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &usual) == 0);
  rlimit none = usual;
  {
    const Descriptor next = Descriptor::duplicate(two[0].get());
    none.rlim_cur = static_cast<rlim_t>(next.get()) + 1;  // Room for one.
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  bool raised = false;
  while (got.empty() && std::chrono::steady_clock::now() < deadline) {
    rig.io.restart();
    rig.io.poll_one();
    if (rig.server->stats().bad_packets != 0 && !std::exchange(raised, true)) {
      ::setrlimit(RLIMIT_NOFILE, &usual);
    }
  }
  ::setrlimit(RLIMIT_NOFILE, &usual);
  REQUIRE(got.size() == 1);
  CHECK_MESSAGE(got[0].find("or than this process may open") != std::string::npos, got[0]);
}

TEST_CASE("descriptors that nobody asked for are closed when the packet is handed over") {
  std::vector<Line> got;
  std::size_t limit = 8;
  SUBCASE("by the connection") {}
  SUBCASE("or by the system, where none are taken") { limit = 0; }
  Rig rig(
      [&](Peer<Line>&) -> Generator<Line> {
        for (;;) {
          got.push_back(co_yield {});
          if (got.back() != "first of two") {  // Those belong to the last byte they came with.
            CHECK(open_descriptors() == static_cast<std::size_t>(std::stoi(got.back())));
          }
        }
      },
      limit);
  const std::vector<Descriptor> two = files(2);
  Local::socket guest = rig.guest();
  REQUIRE(rig.until([&] { return rig.server->connections() == 1; }));
  const std::string count = std::to_string(open_descriptors());
  send_fds(guest.native_handle(), count + "\n", numbers(two));
  send_fds(guest.native_handle(), "first of two\n" + count + "\n", numbers(two));
  CHECK(rig.until([&] { return got.size() == 3; }));
}

TEST_CASE("U6: descriptors wait for the end of their packet; a time limit loses nothing") {
  const std::vector<Descriptor> two = files(2);
  std::vector<std::string> got;
  Rig rig([&](Peer<Line>&) -> Generator<Line> {
    {
      Ancillary first;
      auto none = co_yield as_result(RecvParams(20ms).with_ancillary(first));
      REQUIRE(!none);
      CHECK(none.error().code() == errc::timeout);
      CHECK(first.empty());
    }
    got.emplace_back("timeout");
    Ancillary came;
    got.push_back(co_yield RecvParams(10s).with_ancillary(came));
    CHECK(same_files(came.descriptors(), two));
    got.push_back(co_yield RecvParams().with_ancillary(came));
    CHECK(came.empty());
  });
  Local::socket guest = rig.guest();
  send_fds(guest.native_handle(), "begin", {two[0].get()});
  REQUIRE(rig.until([&] { return got.size() == 1; }));
  send_fds(guest.native_handle(), "ning\n", {two[1].get()});
  REQUIRE(rig.until([&] { return got.size() == 2; }));
  asio::write(guest, asio::buffer("plain\n", 6));
  REQUIRE(rig.until([&] { return got.size() == 3; }));
  CHECK(got[1] == "beginning");
}

TEST_CASE("a bad packet takes its descriptors with it") {
  const std::vector<Descriptor> two = files(2);
  std::vector<std::string> got;
  Rig rig(complain(got));
  Local::socket guest = rig.guest();
  REQUIRE(rig.until([&] { return rig.server->connections() == 1; }));
  const std::size_t before = open_descriptors();
  const std::string long_line(70'000, 'x');  // Too long: the rest of it is skipped.
  send_fds(guest.native_handle(), long_line, {two[0].get()});
  REQUIRE(rig.until([&] { return got.size() == 1; }));
  asio::write(guest, asio::buffer("xxx\n", 4));
  send_fds(guest.native_handle(), "good\n", numbers(two));
  REQUIRE(rig.until([&] { return got.size() == 2; }));
  CHECK(got[1] == "good 2");
  CHECK(open_descriptors() <= before + 1);
}

TEST_CASE("U7: asking where none can come is an error with the remedy, and the peer is served on") {
  std::vector<std::string> got;
  SUBCASE("a Unix socket that takes none") {
    Rig rig(complain(got), 0);
    Local::socket guest = rig.guest();
    REQUIRE(rig.until([&] { return !got.empty(); }));
    CHECK(got[0].find("no descriptors can be received here: set receive_descriptors in the "
                      "UnixListenOptions of the server's listener, or in the UnixConnectOptions "
                      "of the client's connector (peer (unnamed))") == 0);
  }
  SUBCASE("another transport") {
    std::vector<Line> lines;
    asio::io_context io;
    Server<Lines, Script> server(
        io.get_executor(), Lines(), Script{[&](Peer<Line>& client) -> Generator<Line> {
          Ancillary came;
          auto none = co_yield as_result(RecvParams().with_ancillary(came));
          REQUIRE(!none);
          CHECK(none.error().code() == errc::invalid_argument);
          got.emplace_back(none.error().what());
          lines.push_back(co_yield {});
          const auto refused =
              thrown([&] { client.send_packet_with_ancillary("no", Ancillary(file())); });
          got.emplace_back(text(refused));
          CHECK(refused->code() == errc::invalid_argument);
          client.send_packet("yes");
        }});
    MemoryListener listener(io.get_executor());
    Client client(listener.connect(), Lines());
    server.add_listener(std::move(listener));
    const auto serving = spawn(io, server.serve_forever());
    const auto asking = start(io, [&]() -> Task<void> {
      Ancillary came;
      std::optional<Error> refused;
      try {
        co_await client.recv_packet(RecvParams().with_ancillary(came));
      } catch (const Error& error) {
        refused = error;
      }
      CHECK(text(refused).find("only connections through Unix domain sockets carry them") !=
            std::string::npos);
      client.send_packet("hello");
      CHECK(co_await client.recv_packet() == "yes");
    });
    REQUIRE(run_until(io, [&] { return asking->done; }));
    CHECK(asking->succeeded());
    REQUIRE(got.size() >= 2);
    CHECK(got[0].find("no descriptors can be received here: only connections through Unix domain "
                      "sockets carry them (peer memory") == 0);
    CHECK(got[1].find("no descriptors can be sent here: only connections through Unix domain "
                      "sockets carry them: see the documentation of the function") == 0);
  }
}

TEST_CASE("U5, U7: a SyncClient sends and receives descriptors, or says that it cannot") {
  Pipe to_client;
  Pipe to_server;
  std::size_t taken = 8;
  SUBCASE("both ways") {}
  SUBCASE("none are taken") { taken = 0; }
  Rig rig([&](Peer<Line>& client) -> Generator<Line> {
    Ancillary came;
    co_yield RecvParams(10s).with_ancillary(came);
    REQUIRE(came.size() == 1);
    write_to(came.descriptors()[0], "from the server");
    co_await client.send_packet_with_ancillary(
        "your turn", Ancillary(Descriptor::duplicate(to_server.writing.get())));
    co_yield {};
  });
  std::atomic<bool> done = false;
  std::string refused;
  std::thread talking([&] {
    UnixConnectOptions options;
    options.receive_descriptors = taken;
    SyncClient client(UnixConnector(rig.path, options), Lines{});
    client.send_packet_with_ancillary("your turn",
                                      Ancillary(Descriptor::duplicate(to_client.writing.get())));
    Ancillary came(file());
    try {
      const Line line = client.recv_packet(RecvParams(10s).with_ancillary(came));
      CHECK(line == "your turn");
      REQUIRE(came.size() == 1);
      write_to(came.descriptors()[0], "from the client");
    } catch (const Error& error) {
      refused = error.what();
      CHECK(error.code() == errc::invalid_argument);
      CHECK(client.recv_packet(10s) == "your turn");
    }
    client.abort();
    done = true;
  });
  CHECK(rig.until([&] { return done.load(); }));
  talking.join();
  CHECK(to_client.read() == "from the server");
  if (taken != 0) {
    CHECK(refused == "");
    CHECK(to_server.read() == "from the client");
  } else {
    CHECK(refused.find("no descriptors can be received here") == 0);
  }
  CHECK(rig.gone());
}

TEST_CASE("what cannot be sent is refused, and nothing is queued") {
  asio::io_context io;
  Local::socket one(io);
  Local::socket two(io);
  asio::local::connect_pair(one, two);
  Client client(UnixTransport(std::move(one), {}), StreamProtocol{Raw{}});
  const auto refusal = [&](const std::string& packet, Ancillary ancillary) {
    const std::size_t count = ancillary.size();
    const std::string why =
        text(thrown([&] { client.send_packet_with_ancillary(packet, std::move(ancillary)); }));
    CHECK(ancillary.size() == count);  // It is the caller's still.
    return why;
  };
  std::vector<Descriptor> many(254);
  for (Descriptor& descriptor : many) {
    descriptor = Descriptor::duplicate(two.native_handle());
  }
  const auto in_turn = start(io, [&]() -> Task<void> {
    CHECK(refusal("x", Ancillary(Descriptor())) ==
          "a descriptor that is to go with a packet is none (-1): see the documentation of the "
          "function");
    CHECK(refusal("x", Ancillary(std::move(many)))
              .find("254 descriptors cannot go with one packet: the system takes 253") == 0);
    CHECK(refusal("", Ancillary(file()))
              .find("descriptors cannot go with a packet that has no bytes") == 0);
    client.send_packet_with_ancillary("plain", Ancillary());
    co_await client.flush()(asio::use_awaitable);
    client.close();
    CHECK(refusal("x", Ancillary(file())).find("the connection is closed on this side") == 0);
  });
  REQUIRE(run_until(io, [&] { return in_turn->done; }));
  CHECK(in_turn->succeeded());
  CHECK(refusal("x", Ancillary(file())).find("the connection is closed on this side") == 0);
  std::thread([&] {
    CHECK(refusal("x", Ancillary(file())).find("the connection is closed on this side") == 0);
  }).join();
  CHECK(recv_fds(two.native_handle()).bytes == "plain");
}

TEST_CASE("no descriptor is left behind by a connection that ends") {
  const std::vector<Descriptor> two = files(2);
  const std::size_t before = open_descriptors();
  std::optional<Peer<Line>> kept;
  SUBCASE("the peer leaves inside a packet that had some") {
    std::vector<Line> got;
    Rig rig([&](Peer<Line>& client) -> Generator<Line> {
      kept.emplace(client);
      got.push_back(co_yield {});
    });
    Local::socket guest = rig.guest();
    send_fds(guest.native_handle(), "half", numbers(two));
    CHECK(rig.until([&] { return rig.server->stats().bytes_received == 4; }));
    SUBCASE("and ends the stream") { guest.close(); }
    SUBCASE("and is thrown out") { kept->abort(); }
    CHECK(rig.gone());
    CHECK(got.empty());
  }
  SUBCASE("the peer leaves when some are queued, and a Peer is kept") {
    const std::string big(60'000, 'x');
    bool queued = false;
    Rig rig([&](Peer<Line>& client) -> Generator<Line> {
      kept.emplace(client);
      for (int i = 0; i < 10; ++i) {
        client.send_packet_with_ancillary(big, Ancillary(copies(two)));
      }
      queued = true;
      co_yield {};
    });
    Local::socket guest = rig.guest();
    CHECK(rig.until([&] { return queued; }));
    settle(rig.io);
    CHECK(open_descriptors() > before + 10);
    guest.close();
    CHECK(rig.gone());
  }
  SUBCASE("the server is destroyed when some are queued, some kept and some asked for") {
    const std::string big(60'000, 'x');
    bool queued = false;
    Rig rig([&](Peer<Line>& client) -> Generator<Line> {
      for (int i = 0; i < 10; ++i) {
        client.send_packet_with_ancillary(big, Ancillary(copies(two)));
      }
      queued = true;
      Ancillary came;
      co_yield RecvParams().with_ancillary(came);
    });
    Local::socket guest = rig.guest();
    send_fds(guest.native_handle(), "half", numbers(two));
    CHECK(rig.until([&] { return queued; }));
    settle(rig.io);
    SUBCASE("the server first") {
      rig.server.reset();
      (void)::send(guest.native_handle(), "half", 4, MSG_NOSIGNAL);
      settle(rig.io);
    }
    SUBCASE("everything at once") {}
  }
  SUBCASE("the handler's frame goes while it waits, and then its packet comes") {
    bool waits = false;
    Rig rig([&](Peer<Line>& client) -> Generator<Line> {
      waits = true;
      Ancillary came;
      if (!kept) {
        kept.emplace(client);
      }
      try {
        co_yield RecvParams().with_ancillary(came);
      } catch (const Error&) {
      }
      Ancillary again;
      co_yield RecvParams().with_ancillary(again);
    });
    Local::socket guest = rig.guest();
    CHECK(rig.until([&] { return waits; }));
    settle(rig.io);
    send_fds(guest.native_handle(), "late\n", numbers(two));
    SUBCASE("by a shutdown") { rig.server->close(); }
    SUBCASE("by a close") { kept->close(); }
    SUBCASE("by an abort") { kept->abort(); }
    CHECK(rig.gone());
  }
  SUBCASE("sent from another thread, and the connection ends before") {
    Rig rig([&](Peer<Line>& client) -> Generator<Line> {
      kept.emplace(client);
      co_yield {};
    });
    Local::socket guest = rig.guest();
    CHECK(rig.until([&] { return kept.has_value(); }));
    kept->abort();
    std::thread([&] {
      (void)thrown([&] { kept->send_packet_with_ancillary("late", Ancillary(copies(two))); });
    }).join();
    CHECK(rig.gone());
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("a receive that was cancelled too late leaves the descriptors to the next one") {
  const std::vector<Descriptor> two = files(2);
  asio::io_context io;
  Local::socket one(io);
  Local::socket other(io);
  asio::local::connect_pair(one, other);
  Client client(UnixTransport(std::move(one), {}, 8), Lines());
  Ancillary first;
  bool has_first = false;
  const auto cancelled = start(io, [&]() -> Task<void> {
    (void)co_await client.recv_packet(RecvParams().with_ancillary(first));
    has_first = true;
  });
  settle(io);
  send_fds(other.native_handle(), "packet\n", numbers(two));
  // One piece after the other, and a cancellation as late as possible.
  int steps = 0;
  SUBCASE("at once") {}
  SUBCASE("after one step") { steps = 1; }
  SUBCASE("after two steps") { steps = 2; }
  for (; steps > 0; --steps) {
    io.restart();
    io.run_one_for(1s);
  }
  cancelled->cancel.emit(asio::cancellation_type::total);
  REQUIRE(run_until(io, [&] { return cancelled->done; }));
  Ancillary came;
  const auto next = start(io, [&]() -> Task<void> {
    if (!has_first) {
      CHECK(co_await client.recv_packet(RecvParams(10s).with_ancillary(came)) == "packet");
    }
  });
  REQUIRE(run_until(io, [&] { return next->done; }));
  CHECK(next->succeeded());
  CHECK(same_files(has_first ? first.descriptors() : came.descriptors(), two));
}

TEST_CASE("descriptors that wait count in the output queue") {
  asio::io_context io;
  Local::socket one(io);
  Local::socket other(io);
  asio::local::connect_pair(one, other);
  const Descriptor sent = file();
  const std::size_t before = open_descriptors();
  ClientOptions options;
  options.limits.output_limit = 200 * 1024;
  Client client(UnixTransport(std::move(one), {}), Lines(), options);
  int tries = 0;
  std::optional<Error> refused;
  const auto sending = start(io, [&]() -> Task<void> {
    co_await client.flush()(asio::use_awaitable);
    while (!refused && tries < 100'000) {
      refused = thrown([&] {
        client.send_packet_with_ancillary("x", Ancillary(Descriptor::duplicate(sent.get())));
      });
      ++tries;
    }
  });
  REQUIRE(run_until(io, [&] { return sending->done; }));
  REQUIRE(refused);
  CHECK(refused->code() == errc::output_limit);
  CHECK(open_descriptors() == before - 1);  // Given up with the connection, and its socket.
}

TEST_CASE("a client whose sending has failed keeps no descriptors") {
  asio::io_context io;
  Local::socket one(io);
  Local::socket other(io);
  asio::local::connect_pair(one, other);
  Client client(UnixTransport(std::move(one), {}), Lines());
  const std::size_t before = open_descriptors();
  const auto sending = start(io, [&]() -> Task<void> {
    for (int i = 0; i < 10; ++i) {
      client.send_packet_with_ancillary(std::string(60'000, 'x'), Ancillary(file()));
    }
    other.close();
    std::error_code ec;
    co_await client.flush()(asio::redirect_error(asio::use_awaitable, ec));
    CHECK(ec == asio::error::broken_pipe);
  });
  REQUIRE(run_until(io, [&] { return sending->done; }));
  CHECK(sending->succeeded());
  CHECK(open_descriptors() == before - 1);
  CHECK_FALSE(client.is_connected());  // It is broken, and not closed yet.
}

TEST_CASE(
    "a read that was about to begin when the transport was closed does not touch the number") {
  asio::io_context io;
  Local::socket one(io);
  Local::socket other(io);
  asio::local::connect_pair(one, other);
  UnixTransport transport(std::move(one), {}, 8);
  send_fds(other.native_handle(), "x", {other.native_handle()});
  char buffer[10];
  std::optional<std::error_code> read;
  // Both are ready at once: the first closes what the second has been told it may read.
  transport.async_read_some(asio::buffer(buffer),
                            [&](std::error_code ec, std::size_t) { read = ec; });
  transport.async_wait_write([&](std::error_code) { transport.close(); });
  REQUIRE(run_until(io, [&] { return read.has_value(); }));
  CHECK(*read == asio::error::operation_aborted);
}
