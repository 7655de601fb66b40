// SPDX-License-Identifier: BSL-1.0
// Counted, not believed: a request costs no heap allocation once the connection has warmed up.
#include "cowire/serializers/line.hpp"
#include "cowire/server.hpp"
#include "support/run.hpp"

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COWIRE_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COWIRE_TEST_SANITIZED
#endif
#endif

#ifdef COWIRE_TEST_SANITIZED

// Sanitizers have allocation functions of their own, and coroutine frames are not recycled.
TEST_CASE("allocations are not counted under a sanitizer" * doctest::skip()) {}

#else

namespace {

std::size_t allocations = 0;  // of the only thread

void* allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  void* memory =
      alignment <= alignof(std::max_align_t)
          ? std::malloc(size != 0 ? size : 1)
          : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

}  // namespace

// The array, nothrow and sized forms of the standard library call these.
void* operator new(std::size_t size) { return allocate(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

using namespace cowire;

template <class Packet>
struct Returning {
  Generator<Packet> handle(Peer<Packet>& client) {
    const Packet packet = co_yield {};
    client.send_packet(packet);
  }
};

template <class Packet>
struct Looping {
  Generator<Packet> handle(Peer<Packet>& client) {
    while (true) {
      const Packet packet = co_yield {};
      client.send_packet(packet);
    }
  }
};

template <class Packet>
struct Awaiting {
  Generator<Packet> handle(Peer<Packet>& client) {
    const Packet packet = co_yield {};
    co_await client.send_packet(packet);
    co_await client.flush();
  }
};

template <class Packet>
struct Resulting {
  Generator<Packet> handle(Peer<Packet>& client) {
    const Result<Packet> packet = co_yield as_result(std::chrono::seconds(30));
    if (packet) {
      client.send_packet(*packet);
    }
  }
};

Task<std::size_t> length_of(std::string_view text) {
  const PeerContext* const peer = current_peer();
  co_await asio::post(asio::use_awaitable);
  co_return current_peer() == peer ? text.size() : 0;
}

template <class Packet>
struct AwaitingTasks {
  Generator<Packet> handle(Peer<Packet>& client) {
    const Packet packet = co_yield {};
    const std::size_t size = co_await length_of(packet);
    client.send_packet(std::string_view(packet).substr(0, size));
  }
};

// The allocations of some round trips over TCP, after as many to warm up.
template <class Packet, class Handler>
std::size_t allocations_of(Handler handler, std::string_view request, std::size_t rounds) {
  asio::io_context io(1);
  ServerOptions options;
  options.logger = Logger::silent();
  Server server(io, "127.0.0.1", 0, StreamProtocol(LineSerializer<Packet>()), std::move(handler),
                options);
  const auto serving = spawn(io, server.serve_forever());
  settle(io);
  asio::ip::tcp::socket socket(io);
  socket.connect({asio::ip::address_v4::loopback(), server.port()});
  socket.set_option(asio::ip::tcp::no_delay(true));
  socket.non_blocking(true);
  std::string answer(request.size(), '\0');

  const auto round_trip = [&] {
    std::error_code ec;
    REQUIRE(socket.write_some(asio::buffer(request), ec) == request.size());
    std::size_t got = 0;
    const bool complete = run_until(io, [&] {
      got += socket.read_some(asio::buffer(answer.data() + got, answer.size() - got), ec);
      return got == answer.size();
    });
    REQUIRE(complete);
    REQUIRE(answer == request);
  };
  for (std::size_t i = 0; i < rounds; ++i) {
    round_trip();
  }
  const std::size_t before = allocations;
  for (std::size_t i = 0; i < rounds; ++i) {
    round_trip();
  }
  return allocations - before;
}

constexpr std::string_view single = "hello, cowire\n";
constexpr std::string_view pipelined = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n";

}  // namespace

TEST_CASE_TEMPLATE("no allocation per request", Packet, std::string, std::string_view) {
  for (const std::string_view request : {single, pipelined}) {
    CAPTURE(request);
    CHECK(allocations_of<Packet>(Returning<Packet>(), request, 200) == 0);
    CHECK(allocations_of<Packet>(Looping<Packet>(), request, 200) == 0);
    CHECK(allocations_of<Packet>(Resulting<Packet>(), request, 200) == 0);
  }
}

// Whose they are is not known here; these are the counts of g++ with Asio 1.22 and clang with 1.36.
TEST_CASE("handlers that really wait have no more allocations than were counted") {
  constexpr std::size_t packets = 8;
  CHECK(allocations_of<std::string>(Awaiting<std::string>(), single, 200) <= 2 * 200);
  CHECK(allocations_of<std::string>(Awaiting<std::string>(), pipelined, 200) <= 2 * packets * 200);
  CHECK(allocations_of<std::string>(AwaitingTasks<std::string>(), single, 200) <= 8 * 200);
  CHECK(allocations_of<std::string>(AwaitingTasks<std::string>(), pipelined, 200) <=
        8 * packets * 200);
}

TEST_CASE("the count sees a handler that allocates") {
  struct Wasteful {
    Generator<std::string> handle(Peer<std::string>& client) {
      const std::string line = co_yield {};
      client.send_packet(std::string(100, 'x').append(line).substr(100));
    }
  };
  CHECK(allocations_of<std::string>(Wasteful(), single, 50) >= 50);
}

#endif
