// SPDX-License-Identifier: BSL-1.0
#include "cowire/transports/memory.hpp"

#include "cowire/testing/manual_clock.hpp"
#include "support/run.hpp"

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

using namespace cowire;
using namespace std::chrono_literals;

namespace {

using testing::ManualClock;
using End = BasicMemoryTransport<ManualClock>;
using Door = BasicMemoryListener<ManualClock>;

static_assert(Transport<End> && Transport<MemoryTransport>);
static_assert(WaitsForRead<End>);
static_assert(!WritesDirectly<End>);
static_assert(Listener<Door> && Listener<MemoryListener>);

/// How an operation ended, if it did.
struct Done {
  bool done = false;
  std::error_code code;
  std::size_t size = 0;
};
using DonePtr = std::shared_ptr<Done>;

auto into(const DonePtr& done) {
  return [done](std::error_code ec, std::size_t n = 0) {
    done->done = true;
    done->code = ec;
    done->size = n;
  };
}

struct Pair {
  explicit Pair(const MemoryOptions& a_to_b = {}, const MemoryOptions& b_to_a = {}) {
    auto ends = End::pair(io.get_executor(), a_to_b, b_to_a);
    a.emplace(std::move(ends.first));
    b.emplace(std::move(ends.second));
  }

  DonePtr write(End& end, const std::string& text) {
    auto done = std::make_shared<Done>();
    end.async_write_some(asio::buffer(text), into(done));
    settle(io);
    return done;
  }
  DonePtr read(End& end, std::string& text) {
    auto done = std::make_shared<Done>();
    end.async_read_some(asio::buffer(text), into(done));
    settle(io);
    return done;
  }
  /// What one read gives at once: text, or the error in parentheses, or "(nothing)".
  std::string take(End& end, std::size_t most = 100) {
    std::string text(most, ' ');
    const DonePtr done = read(end, text);
    if (!done->done) {
      end.cancel();
      settle(io);
      return "(nothing)";
    }
    return done->code ? "(" + done->code.message() + ")" : text.substr(0, done->size);
  }

  asio::io_context io;
  ManualClock clock{io};
  std::optional<End> a;
  std::optional<End> b;
};

std::string text_of_error(std::error_code ec) { return "(" + ec.message() + ")"; }
const std::string eof = text_of_error(asio::error::eof);
const std::string reset = text_of_error(asio::error::connection_reset);

}  // namespace

TEST_CASE("memory: bytes go both ways, in order") {
  Pair pair;
  CHECK(pair.write(*pair.a, "one ")->size == 4);
  CHECK(pair.write(*pair.a, "two")->size == 3);
  CHECK(pair.write(*pair.b, "back")->size == 4);
  CHECK(pair.take(*pair.b) == "one two");
  CHECK(pair.take(*pair.b) == "(nothing)");
  CHECK(pair.take(*pair.a) == "back");
  CHECK(to_string(pair.a->local_endpoint()) == "memory-a");
  CHECK(to_string(pair.a->remote_endpoint()) == "memory-b");
  CHECK(pair.a->remote_endpoint() == pair.b->local_endpoint());
  CHECK(pair.b->remote_endpoint() == pair.a->local_endpoint());
  CHECK(pair.a->native_handle() == -1);
}

TEST_CASE("memory: no operation completes inside the call that begins it") {
  Pair pair;
  auto done = std::make_shared<Done>();
  pair.a->async_write_some(asio::buffer("x", 1), into(done));
  CHECK(!done->done);
  settle(pair.io);
  CHECK(done->done);
}

TEST_CASE("memory: a read waits for bytes") {
  Pair pair;
  std::string text(10, ' ');
  const DonePtr reading = pair.read(*pair.b, text);
  CHECK(!reading->done);
  pair.write(*pair.a, "late");
  CHECK(reading->done);
  CHECK(text.substr(0, reading->size) == "late");
}

TEST_CASE("memory: max_read and max_write cut, and can be changed") {
  MemoryOptions cut;
  cut.max_read = 2;
  cut.max_write = 3;
  Pair pair(cut);
  CHECK(pair.write(*pair.a, "abcdef")->size == 3);
  CHECK(pair.write(*pair.a, "def")->size == 3);
  CHECK(pair.take(*pair.b) == "ab");
  CHECK(pair.take(*pair.b) == "cd");
  CHECK(pair.take(*pair.b, 1) == "e");
  CHECK(pair.take(*pair.b) == "f");
  pair.a->output_options().max_write = 0;
  CHECK(pair.write(*pair.a, "abcdef")->size == 6);
  CHECK(pair.write(*pair.b, "abcdef")->size == 6);  // The other way has its own options.
}

TEST_CASE("memory: a write waits while the pipe is full, and goes on when it is read") {
  MemoryOptions narrow;
  narrow.capacity = 4;
  Pair pair(narrow);
  CHECK(pair.write(*pair.a, "abcdef")->size == 4);
  const std::string rest = "efgh";
  const DonePtr writing = pair.write(*pair.a, rest);
  CHECK(!writing->done);
  CHECK(pair.take(*pair.b, 1) == "a");
  CHECK(writing->done);
  CHECK(writing->size == 1);
  CHECK(pair.take(*pair.b) == "bcde");
}

TEST_CASE("memory: bytes arrive after the delay, in order") {
  MemoryOptions slow;
  slow.delay = 100ms;
  Pair pair(slow);
  pair.write(*pair.a, "one");
  pair.clock.advance(50ms);
  pair.write(*pair.a, "two");
  std::string text(10, ' ');
  const DonePtr reading = pair.read(*pair.b, text);
  pair.clock.advance(49ms);
  settle(pair.io);
  CHECK(!reading->done);
  pair.clock.advance(1ms);
  settle(pair.io);
  REQUIRE(reading->done);
  CHECK(text.substr(0, reading->size) == "one");
  CHECK(pair.take(*pair.b) == "(nothing)");
  pair.clock.advance(50ms);
  CHECK(pair.take(*pair.b) == "two");
}

TEST_CASE("memory: the end of the stream comes after the bytes; the other way stays open") {
  Pair pair;
  pair.write(*pair.a, "last");
  std::error_code ec = asio::error::fault;
  pair.a->shutdown_send(ec);
  CHECK(!ec);
  CHECK(pair.take(*pair.b) == "last");
  CHECK(pair.take(*pair.b) == eof);
  CHECK(pair.take(*pair.b) == eof);
  CHECK(pair.write(*pair.a, "more")->code == asio::error::broken_pipe);
  CHECK(pair.write(*pair.b, "answer")->size == 6);
  CHECK(pair.take(*pair.a) == "answer");
}

TEST_CASE("memory: an end wakes a read that waits, after a delay too") {
  MemoryOptions slow;
  slow.delay = 1s;
  Pair pair(slow);
  pair.write(*pair.a, "x");
  std::error_code ec;
  pair.a->shutdown_send(ec);
  std::string text(10, ' ');
  const DonePtr reading = pair.read(*pair.b, text);
  CHECK(!reading->done);
  pair.clock.advance(1s);
  settle(pair.io);
  CHECK(reading->size == 1);
  CHECK(pair.take(*pair.b) == eof);
}

TEST_CASE("memory: abort drops what is on the way; both ends see a reset") {
  Pair pair;
  pair.write(*pair.a, "lost");
  std::string text(10, ' ');
  const DonePtr reading = pair.read(*pair.a, text);
  pair.a->abort();
  settle(pair.io);
  CHECK(reading->code == asio::error::operation_aborted);
  CHECK(pair.take(*pair.b) == reset);
  CHECK(pair.write(*pair.b, "x")->code == asio::error::connection_reset);
  CHECK(pair.take(*pair.a) == reset);
}

TEST_CASE("memory: close ends the own operations; the peer reads the rest, then the end") {
  Pair pair;
  pair.write(*pair.a, "rest");
  std::string text(10, ' ');
  const DonePtr reading = pair.read(*pair.a, text);
  pair.a->close();
  pair.a->close();
  settle(pair.io);
  CHECK(reading->code == asio::error::operation_aborted);
  CHECK(pair.take(*pair.b) == "rest");
  CHECK(pair.take(*pair.b) == eof);
  CHECK(pair.write(*pair.b, "x")->code == asio::error::broken_pipe);
}

TEST_CASE("memory: an end that is destroyed is closed; one that was moved from is not") {
  Pair pair;
  {
    End moved = std::move(*pair.a);
    CHECK(pair.write(moved, "x")->size == 1);
    CHECK(pair.take(*pair.b) == "x");
    CHECK(pair.take(*pair.b) == "(nothing)");
  }
  CHECK(pair.take(*pair.b) == eof);
}

TEST_CASE("memory: cancel ends what waits at this end only") {
  MemoryOptions narrow;
  narrow.capacity = 1;
  Pair pair(narrow, narrow);
  std::string text_a(10, ' ');
  std::string text_b(10, ' ');
  pair.write(*pair.a, "12");
  const std::string more = "345";
  const DonePtr writing = pair.write(*pair.a, more);
  const DonePtr reading = pair.read(*pair.a, text_a);
  REQUIRE(!writing->done);
  pair.a->cancel();
  settle(pair.io);
  CHECK(writing->code == asio::error::operation_aborted);
  CHECK(reading->code == asio::error::operation_aborted);
  CHECK(pair.take(*pair.b) == "1");
  const DonePtr far = pair.read(*pair.b, text_b);
  pair.a->cancel();
  settle(pair.io);
  CHECK(!far->done);
  pair.write(*pair.a, "z");
  CHECK(far->size == 1);
}

TEST_CASE("memory: async_wait_read waits for bytes, the end, a reset or a cancel") {
  Pair pair;
  auto waiting = std::make_shared<Done>();
  pair.b->async_wait_read(into(waiting));
  settle(pair.io);
  CHECK(!waiting->done);
  SUBCASE("bytes") {
    pair.write(*pair.a, "x");
    CHECK(waiting->done);
    CHECK(!waiting->code);
    CHECK(pair.take(*pair.b) == "x");
  }
  SUBCASE("the end") {
    pair.a->close();
    settle(pair.io);
    CHECK(waiting->done);
    CHECK(pair.take(*pair.b) == eof);
  }
  SUBCASE("a reset") {
    pair.a->abort();
    settle(pair.io);
    CHECK(waiting->done);
    CHECK(pair.take(*pair.b) == reset);
  }
  SUBCASE("a cancel") {
    pair.b->cancel();
    settle(pair.io);
    CHECK(waiting->code == asio::error::operation_aborted);
  }
}

TEST_CASE("memory: the operation fail_at fails with a reset, and all after it") {
  MemoryOptions failing;
  failing.fail_at = 3;
  Pair pair(failing);
  CHECK(pair.write(*pair.a, "one")->size == 3);
  CHECK(pair.take(*pair.b) == "one");
  CHECK(pair.write(*pair.a, "two")->code == asio::error::connection_reset);
  CHECK(pair.write(*pair.a, "three")->code == asio::error::connection_reset);
  CHECK(pair.take(*pair.b) == reset);
}

TEST_CASE("memory: a pair is destroyed while operations wait") {
  std::string text(10, ' ');
  DonePtr reading;
  {
    Pair pair;
    reading = pair.read(*pair.a, text);
  }
  CHECK(!reading->done);
}

// The listener.

namespace {

struct House {
  asio::io_context io;
  Door door{io.get_executor()};
  std::optional<End> accepted;

  std::shared_ptr<Outcome> accept() {
    auto outcome = spawn(io, [](Door from, std::optional<End>& to) -> Task<void> {
      to.emplace(co_await from.accept());
    }(door, accepted));
    settle(io);
    return outcome;
  }
};

}  // namespace

TEST_CASE("memory listener: a connect waits for its accept, and an accept for its connect") {
  House house;
  CHECK(house.door.is_open());
  CHECK(to_string(house.door.local_endpoint()) == "memory");
  End early = house.door.connect();
  const auto first = house.accept();
  REQUIRE(first->succeeded());
  CHECK(house.accepted->remote_endpoint() == early.local_endpoint());

  const auto second = house.accept();
  CHECK(!second->done);
  End late = house.door.connect();
  settle(house.io);
  CHECK(second->succeeded());
}

TEST_CASE("memory listener: the options are for their directions") {
  House house;
  MemoryOptions from_client;
  from_client.max_write = 1;
  MemoryOptions from_server;
  from_server.max_write = 2;
  End client = house.door.connect(from_client, from_server);
  REQUIRE(house.accept()->succeeded());
  auto written = std::make_shared<Done>();
  client.async_write_some(asio::buffer("abc", 3), into(written));
  auto answered = std::make_shared<Done>();
  house.accepted->async_write_some(asio::buffer("abc", 3), into(answered));
  settle(house.io);
  CHECK(written->size == 1);
  CHECK(answered->size == 2);
}

TEST_CASE("memory listener: fail_next fails accepts in order, before who waits is accepted") {
  House house;
  End client = house.door.connect();
  const auto errors = {asio::error::no_descriptors, asio::error::connection_aborted};
  for (const auto error : errors) {
    house.door.fail_next(error);
  }
  CHECK(house.accept()->code() == asio::error::no_descriptors);
  CHECK(house.accept()->code() == asio::error::connection_aborted);
  CHECK(house.accept()->succeeded());
}

TEST_CASE("memory listener: cancel ends a waiting accept") {
  House house;
  const auto accepting = house.accept();
  house.door.cancel();
  settle(house.io);
  CHECK(accepting->code() == asio::error::operation_aborted);
  CHECK(house.door.is_open());
}

TEST_CASE("memory listener: a cancelled accept ends") {
  House house;
  const auto accepting = house.accept();
  accepting->cancel.emit(asio::cancellation_type::terminal);
  settle(house.io);
  CHECK(accepting->code() == asio::error::operation_aborted);
}

TEST_CASE("memory listener: close ends the accept and who waits, and refuses the rest") {
  House house;
  const auto accepting = house.accept();
  house.door.close();
  house.door.close();
  settle(house.io);
  CHECK(accepting->code() == asio::error::operation_aborted);
  CHECK(!house.door.is_open());
  CHECK(house.accept()->code() == asio::error::operation_aborted);
  CHECK_THROWS_AS(house.door.connect(), std::system_error);
}

TEST_CASE("memory listener: who waits when it is closed sees the end") {
  House house;
  End client = house.door.connect();
  house.door.close();
  char byte = 0;
  auto reading = std::make_shared<Done>();
  client.async_read_some(asio::buffer(&byte, 1), into(reading));
  settle(house.io);
  CHECK(reading->done);
  CHECK(reading->code == asio::error::eof);
}
