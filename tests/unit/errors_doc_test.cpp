// SPDX-License-Identifier: BSL-1.0
// The code of docs/errors.md.
#include "cowire/error.hpp"
#include "cowire/generator.hpp"
#include "cowire/peer.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/task.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <asio/use_awaitable.hpp>
#include <asio/version.hpp>
#include <doctest/doctest.h>
#if ASIO_VERSION >= 102400
#include <asio/as_tuple.hpp>
#else
#include <asio/experimental/as_tuple.hpp>
#endif

#include <chrono>
#include <string>
#include <string_view>
#include <system_error>

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

}  // namespace errors_page

using errors_page::what_to_do;

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
