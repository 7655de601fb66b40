// SPDX-License-Identifier: BSL-1.0
// The code of docs/errors.md.
#include "cowire/error.hpp"
#include "cowire/generator.hpp"
#include "cowire/peer.hpp"
#include "cowire/protocol.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/sync_client.hpp"
#include "cowire/task.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/version.hpp>
#include <doctest/doctest.h>
#if ASIO_VERSION >= 102400
#include <asio/as_tuple.hpp>
#else
#include <asio/experimental/as_tuple.hpp>
#endif

#include <chrono>
#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

// Not in an unnamed namespace: some of it is compiled only.
namespace errors_page {

#if ASIO_VERSION >= 102400
using asio::as_tuple;
#else
using asio::experimental::as_tuple;
#endif

using namespace std::chrono_literals;

// [as_result]
struct Echo {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    auto request = co_yield cowire::as_result(30s);
    if (!request) {
      client.send_packet(std::string("error: ") + request.error().what());
      co_return;  // The next request gets a new generator.
    }
    client.send_packet(*request);
  }
};
// [/as_result]

// [catch]
struct Patient {
  cowire::Generator<std::string> handle(cowire::Peer<std::string>& client) {
    bool too_slow = false;
    try {
      const std::string request = co_yield 30s;
      client.send_packet(request);
    } catch (const cowire::Error& error) {
      if (error.code() != cowire::errc::timeout) {
        throw;  // Logged by the server, which closes this connection.
      }
      too_slow = true;
    }
    if (too_slow) {  // Here `co_await` is allowed, in the catch block it is not.
      co_await client.send_packet("too slow, good bye");
      client.close();
    }
  }
};
// [/catch]

// [as_tuple]
cowire::Task<bool> say_good_bye(cowire::Peer<std::string> client) {
  client.send_packet("good bye");
  const auto [code] = co_await client.flush()(as_tuple(asio::use_awaitable));
  co_return !code;
}
// [/as_tuple]

// [conditions]
std::string_view what_to_do(const std::error_code& code) {
  if (code == cowire::errc::end_of_stream) {
    return "nothing, the peer is done";
  }
  if (code == cowire::condition::usable) {
    return "go on receiving";
  }
  if (code == cowire::condition::disconnected) {
    return "connect again";
  }
  return "report it";
}
// [/conditions]

// Messages as the pages show them, broken into lines.
const std::string_view messages = R"(
// [messages]
the packet is larger than the limit (size 70000 bytes, limit 65536 bytes, peer 127.0.0.1:5000): raise the
limit of the serializer on both sides, or send smaller packets

the packet is larger than the limit (size 1195725856 bytes, limit 65536 bytes, first bytes "GET / HTTP/1.1"):
this looks like an HTTP request, is it meant for another port?
// [/messages]
)";
const std::string_view refused = R"(
// [refused]
cannot connect to 127.0.0.1:9000: 127.0.0.1:9000: Connection refused: check the host and port, and that a
server is listening there
// [/refused]
)";

std::vector<std::string> without_breaks(std::string_view text) {
  std::vector<std::string> all(1);
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("//")) {
      continue;
    }
    if (!line.empty()) {
      all.back() += (all.back().empty() ? "" : " ") + line;
    } else if (!all.back().empty()) {
      all.emplace_back();
    }
  }
  return all;
}

}  // namespace errors_page

using errors_page::what_to_do;

TEST_CASE("the messages are as the pages show them") {
  using namespace cowire;
  const auto shown = errors_page::without_breaks(errors_page::messages);
  REQUIRE(shown.size() == 2);
  ErrorContext context;
  context.size = 70'000;
  context.limit = 65'536;
  context.peer = "127.0.0.1:5000";
  CHECK(Error(errc::too_large, context).what() == shown[0]);

  const StreamProtocol protocol{LengthPrefixed{Text<>{}}};
  const Bytes stray = bytes_of("GET / HTTP/1.1");
  decltype(protocol)::decoder_state state;
  auto answer = protocol.decode(stray, state);
  REQUIRE(answer.is_bad());
  CHECK(answer.error().with_peer({}, stray).what() == shown[1]);

  asio::io_context io;
  const asio::ip::tcp::endpoint loopback(asio::ip::address_v4::loopback(), 0);
  const auto port = asio::ip::tcp::acceptor(io, loopback).local_endpoint().port();  // Free again.
  const std::string message =
      thrown([&] { SyncClient("127.0.0.1", port, StreamProtocol{LineSerializer{}}); })->what();
  const std::string number = ":" + std::to_string(port);
  std::string expected = errors_page::without_breaks(errors_page::refused).front();
  for (std::size_t at = 0; (at = expected.find(":9000", at)) != std::string::npos; ++at) {
    expected.replace(at, 5, number);
  }
  CHECK(message == expected);
}

TEST_CASE("conditions sort codes by what to do") {
  CHECK(what_to_do(cowire::errc::end_of_stream) == "nothing, the peer is done");
  CHECK(what_to_do(cowire::errc::malformed) == "go on receiving");
  CHECK(what_to_do(cowire::errc::timeout) == "go on receiving");
  CHECK(what_to_do(cowire::errc::truncated) == "connect again");
  CHECK(what_to_do(std::make_error_code(std::errc::connection_reset)) == "connect again");
  CHECK(what_to_do(cowire::errc::listen_failed) == "report it");
}

TEST_CASE("an error carries what is known") {
  // [context]
  const cowire::LineSerializer small{{.limit = 4}};
  try {
    cowire::testing::encode_all(small, "too long");
  } catch (const cowire::Error& error) {
    CHECK(error.code() == cowire::errc::too_large);
    CHECK(error.context().size == 8);
    CHECK(error.context().limit == 4);
    CHECK(error.what() ==
          std::string("the packet is larger than the limit (size 8 bytes, limit 4 bytes): raise "
                      "the limit of the serializer on both sides, or send smaller packets"));
  }
  // [/context]
  CHECK(thrown([&] { cowire::testing::encode_all(small, "too long"); }));
}
