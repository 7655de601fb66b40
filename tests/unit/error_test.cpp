// SPDX-License-Identifier: BSL-1.0
#include "cowire/error.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <exception>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

using namespace cowire;
using namespace std::chrono_literals;

static_assert(std::is_base_of_v<std::system_error, Error>);
static_assert(std::is_nothrow_copy_constructible_v<Error>);
static_assert(std::is_error_code_enum_v<errc> && std::is_error_condition_enum_v<condition>);

namespace {

constexpr int last_errc = static_cast<int>(errc::invalid_argument);

std::string what(errc code, ErrorContext context = {}) {
  return Error(code, std::move(context)).what();
}

ErrorContext first_bytes(std::string_view bytes) {
  ErrorContext context;
  context.first_bytes = bytes;
  return context;
}

}  // namespace

TEST_CASE("a detail takes the place of the code's own text") {
  const Error error(errc::malformed, "no size");
  CHECK(error.code() == errc::malformed);
  CHECK(error.context().detail == "no size");
  CHECK(std::string(error.what()).starts_with("no size: check"));
}

TEST_CASE("braces are a context, not a detail") {
  const Error error(errc::malformed, {"no size", {}, {}, 7, {}, {}, {}, {}, {}});
  CHECK(error.context().position == 7);
  CHECK(Error(errc::closed, {}).context().detail.empty());
}

TEST_CASE("every errc has one text of its own: what happened and what to do") {
  std::set<std::string> messages;
  for (int value = 1; value <= last_errc; ++value) {
    const detail::ErrcText* text = detail::find_errc_text(value);
    REQUIRE(text != nullptr);
    CHECK_FALSE(text->summary.empty());
    CHECK_FALSE(text->remedy.empty());
    const std::error_code code = static_cast<errc>(value);
    CHECK(code.message() == std::string(text->summary) + ": " + std::string(text->remedy));
    messages.insert(code.message());
  }
  CHECK(messages.size() == detail::errc_table.size());
  CHECK(detail::errc_table.size() == static_cast<std::size_t>(last_errc));
}

TEST_CASE("codes that do not exist have a message as well") {
  for (const int value : {0, -1, last_errc + 1}) {
    CHECK(error_category().message(value) == "unknown cowire error " + std::to_string(value));
    CHECK(condition_category().message(value) ==
          "unknown cowire condition " + std::to_string(value));
  }
  CHECK_FALSE(condition_category().equivalent(errc::closed, 99));
}

TEST_CASE("the categories are one object each and have names") {
  CHECK(std::string_view(error_category().name()) == "cowire");
  CHECK(std::string_view(condition_category().name()) == "cowire.condition");
  CHECK(&std::error_code(errc::closed).category() == &error_category());
  CHECK(&std::error_condition(condition::usable).category() == &condition_category());
  CHECK(condition_category().message(1) == "the connection is over");
  CHECK(condition_category().message(2) == "the peer sent what the protocol does not allow");
  CHECK(condition_category().message(3) == "the connection lives on");
}

TEST_CASE("some codes are equal to those of the standard library") {
  CHECK(std::error_code(errc::timeout) == std::errc::timed_out);
  CHECK(std::error_code(errc::peer_timeout) == std::errc::timed_out);
  CHECK(std::error_code(errc::connect_timeout) == std::errc::timed_out);
  CHECK(std::error_code(errc::cancelled) == std::errc::operation_canceled);
  CHECK(std::error_code(errc::invalid_argument) == std::errc::invalid_argument);
  CHECK(std::error_code(errc::closed) != std::errc::timed_out);
}

TEST_CASE("conditions: which codes are which") {
  const std::set<errc> disconnected{errc::end_of_stream, errc::truncated, errc::peer_timeout,
                                    errc::closed, errc::output_limit};
  const std::set<errc> bad_peer{errc::malformed, errc::too_large, errc::too_many_descriptors};
  const std::set<errc> usable{errc::malformed,        errc::too_large,           errc::timeout,
                              errc::not_sendable,     errc::serializer_failed,   errc::busy,
                              errc::invalid_argument, errc::too_many_descriptors};
  for (int value = 1; value <= last_errc; ++value) {
    const auto code = static_cast<errc>(value);
    CAPTURE(value);
    CHECK((std::error_code(code) == condition::disconnected) == disconnected.contains(code));
    CHECK((std::error_code(code) == condition::bad_peer) == bad_peer.contains(code));
    CHECK((std::error_code(code) == condition::usable) == usable.contains(code));
  }
}

TEST_CASE("conditions know the operating system's errors") {
  for (const std::errc lost :
       {std::errc::connection_reset, std::errc::connection_aborted, std::errc::broken_pipe,
        std::errc::not_connected, std::errc::timed_out, std::errc::host_unreachable}) {
    CHECK(std::make_error_code(lost) == condition::disconnected);
    const std::error_code system(static_cast<int>(lost), std::system_category());
    CHECK(system == condition::disconnected);
    CHECK(system != condition::usable);
  }
  CHECK(std::make_error_code(std::errc::permission_denied) != condition::disconnected);
}

TEST_CASE("an error without context says what happened and what to do") {
  CHECK(what(errc::busy) ==
        "an operation of this kind is already under way: await it before starting another one");
}

TEST_CASE("what() shows the context that is known") {
  ErrorContext context;
  context.size = 70000;
  context.limit = 65536;
  context.peer = "127.0.0.1:5000";
  CHECK(what(errc::too_large, context) ==
        "the packet is larger than the limit (size 70000 bytes, limit 65536 bytes, peer "
        "127.0.0.1:5000): raise the limit of the serializer on both sides, or send smaller "
        "packets");
  context.detail = "no separator in 70000 bytes";
  context.size.reset();
  context.first_bytes = "abc\n";
  CHECK(what(errc::too_large, context) ==
        "no separator in 70000 bytes (limit 65536 bytes, peer 127.0.0.1:5000, first bytes "
        "\"abc\\n\"): raise the limit of the serializer on both sides, or send smaller packets");
}

TEST_CASE("what() names the field and the byte; fields nest") {
  ErrorContext context;
  context.detail = "not a number";
  context.position = 7;
  const Error error = Error(errc::malformed, context).in_field("price").in_field("[3]");
  CHECK(error.context().field == "[3].price");
  const Error whole = error.in_field("lines").in_field("order");
  CHECK(whole.context().field == "order.lines[3].price");
  CHECK(whole.code() == errc::malformed);
  CHECK(std::string_view(whole.what())
            .starts_with("not a number (field order.lines[3].price, byte 7): "));
}

TEST_CASE("what() shows a time limit in the largest unit that fits") {
  const std::pair<std::chrono::nanoseconds, const char*> texts[] = {
      {0s, "0 s"},         {90s, "90 s"},   {250ms, "250 ms"},
      {1500ms, "1500 ms"}, {20us, "20 us"}, {1'000'001ns, "1000001 ns"}};
  for (const auto& [time, text] : texts) {
    ErrorContext context;
    context.detail = "no packet came";
    context.time_limit = time;
    context.peer = "host:1";
    CHECK(what(errc::timeout, context) ==
          "no packet came (time limit " + std::string(text) +
              ", peer host:1): a receive has lost nothing: receive again, raise the limit, or "
              "close");
  }
}

TEST_CASE("what() of an error of the operating system is its message") {
  const std::error_code code = std::make_error_code(std::errc::connection_refused);
  CHECK(std::string(Error(code).what()) == code.message());
  ErrorContext context;
  context.detail = "cannot connect to 127.0.0.1:1";
  context.peer = "host:1";
  CHECK(std::string(Error(code, context).what()) ==
        "cannot connect to 127.0.0.1:1: " + code.message() + " (peer host:1)");
}

TEST_CASE("what() names the protocol that the first bytes look like") {
  const std::string text = what(errc::too_large, first_bytes("GET / HTTP/1.1\r\n"));
  CHECK(text ==
        "the packet is larger than the limit (first bytes \"GET / HTTP/1.1\\r\\n\"): this looks "
        "like an HTTP request, is it meant for another port?");
}

TEST_CASE("likely_protocol") {
  for (const std::string_view verb : {"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "CONNECT "}) {
    CHECK(likely_protocol(bytes_of(std::string(verb) + "/")) == "an HTTP request");
  }
  CHECK(likely_protocol(bytes_of("PRI * HTTP/2.0")) == "an HTTP/2 request");
  CHECK(likely_protocol(bytes_of("SSH-2.0-OpenSSH")) == "an SSH client");
  CHECK(likely_protocol(bytes_of("PROXY TCP4 1.2.3.4")) == "a PROXY protocol header");
  const std::string_view proxy_v2("\r\n\r\n\0\r\nQUIT\n\x21", 13);
  CHECK(likely_protocol(bytes_of(proxy_v2)) == "a PROXY protocol header");
  CHECK(likely_protocol(bytes_of("\x16\x03\x01")) == "a TLS ClientHello");
  CHECK(likely_protocol(bytes_of("\x16\x03\x05")).empty());
  CHECK(likely_protocol(bytes_of("\x16\x03\xff")).empty());
  CHECK(likely_protocol(bytes_of("\x16\x03")).empty());
  CHECK(likely_protocol(bytes_of("GETAWAY")).empty());
  CHECK(likely_protocol({}).empty());
}

TEST_CASE("with_peer adds what is missing and keeps what is known") {
  ErrorContext context;
  context.detail = "bad";
  context.cause = std::make_exception_ptr(std::runtime_error("why"));
  const Error bare(errc::malformed, context);
  const std::string input(40, 'x');
  const Error full = bare.with_peer("peer:1", bytes_of(input));
  CHECK(full.code() == errc::malformed);
  CHECK(full.context().detail == "bad");
  CHECK(full.context().peer == "peer:1");
  CHECK(full.context().first_bytes == std::string(32, 'x'));
  CHECK(full.context().cause == context.cause);
  CHECK(bare.context().peer.empty());

  const Error again = full.with_peer("peer:2", bytes_of("other"));
  CHECK(again.context().peer == "peer:1");
  CHECK(again.context().first_bytes == std::string(32, 'x'));
  CHECK(bare.with_peer("p").context().first_bytes.empty());
}

TEST_CASE("copies share one text") {
  const Error error(errc::closed);
  const Error copy = error;
  CHECK(copy.what() == error.what());  // the same pointer
  CHECK(&copy.context() == &error.context());
}

TEST_CASE("an Error is caught as std::system_error with its code and text") {
  try {
    throw Error(errc::timeout);
  } catch (const std::system_error& error) {
    CHECK(error.code() == errc::timeout);
    CHECK(std::string_view(error.what()).starts_with("the time limit passed"));
  }
}
