// SPDX-License-Identifier: BSL-1.0
#include "cowire/converter.hpp"

#include "cowire/protocol.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

using namespace cowire;

namespace {

int parse(std::string_view line) {
  if (line.empty() || line.find_first_not_of("0123456789") != std::string_view::npos) {
    throw Error(errc::malformed, "not a number");
  }
  return std::stoi(std::string(line));
}

struct Celsius {
  int degrees = 0;
};

std::string show(const Celsius& temperature) { return std::to_string(temperature.degrees) + " C"; }

}  // namespace

TEST_CASE("make_converter makes a Converter of two functions") {
  const auto converter = make_converter<int, int>([](int number) { return std::to_string(number); },
                                                  [](std::string line) { return parse(line); });
  static_assert(Converter<decltype(converter), LineSerializer<>>);
  static_assert(Converter<decltype(converter), LineSerializer<std::string>>);
  CHECK(converter.to_wire(12) == "12");
  CHECK(converter.from_wire(std::string("34")) == 34);
  const auto error = thrown([&] { (void)converter.from_wire(std::string("x")); });
  REQUIRE(error);
  CHECK(error->code() == errc::malformed);
}

TEST_CASE("the two directions may have different types") {
  const auto converter =
      make_converter<double, int>([](double number) { return std::to_string(number); },
                                  [](std::string_view line) { return parse(line); });
  using C = decltype(converter);
  static_assert(std::same_as<C::sent_packet, double>);
  static_assert(std::same_as<C::received_packet, int>);
  static_assert(Converter<C, LineSerializer<std::string_view>>);
  CHECK(converter.to_wire(0.5) == "0.500000");
  CHECK(converter.from_wire("7") == 7);
}

// With -Wshadow, g++ warns of parameters that are pointers to functions and named as members are.
TEST_CASE("plain functions will do") {
  const auto converter = make_converter<Celsius, int>(&show, &parse);
  static_assert(Converter<decltype(converter), LineSerializer<std::string_view>>);
  CHECK(converter.to_wire(Celsius{-4}) == "-4 C");
  CHECK(converter.from_wire("7") == 7);
}

TEST_CASE("a function may return a view: nothing is copied on the way out") {
  const std::string name = "a name that is too long for the small string optimisation";
  const auto converter = make_converter<std::string, std::string>(
      [](const std::string& text) { return std::string_view(text); },
      [](std::string text) { return text; });
  CHECK(converter.to_wire(name).data() == name.data());
}

TEST_CASE("received data are moved in, not copied") {
  struct Data {
    using sent_packet = std::unique_ptr<int>;
    using received_packet = std::unique_ptr<int>;
  };
  const auto converter =
      make_converter<int, int>([](int number) { return std::make_unique<int>(number); },
                               [](std::unique_ptr<int> number) { return *number; });
  static_assert(Converter<decltype(converter), Data>);
  CHECK(converter.from_wire(std::make_unique<int>(5)) == 5);
}

TEST_CASE("errors of converters name the field, in both directions") {
  struct Address {
    int zip = 0;
  };
  const auto address = make_converter<Address, Address>(
      [](const Address& sent) {
        if (sent.zip < 0) {
          throw bad_field(errc::not_sendable, "zip", "a negative number");
        }
        return std::to_string(sent.zip);
      },
      [](std::string_view line) { return Address{in_field("zip", [&] { return parse(line); })}; });
  struct Order {
    Address address;
  };
  const auto order = make_converter<Order, Order>(
      [&](const Order& sent) {
        return in_field("address", [&] { return address.to_wire(sent.address); });
      },
      [&](std::string_view line) {
        return Order{in_field("address", [&] { return address.from_wire(line); })};
      });
  const StreamProtocol protocol{LineSerializer<std::string_view>{{.limit = 9}}, order};
  CHECK(testing::encode_all(protocol, Order{{12}}) == "12\n");

  const auto sent = thrown([&] { testing::encode_all(protocol, Order{{-1}}); });
  REQUIRE(sent);
  CHECK(sent->code() == errc::not_sendable);
  CHECK(sent->context().field == "address.zip");
  CHECK(sent->context().detail == "a negative number");

  StreamProtocol<LineSerializer<std::string_view>, decltype(order)>::decoder_state state;
  const auto received = protocol.decode(bytes_of("x\n"), state);
  REQUIRE(received.is_bad());
  CHECK(received.error().context().field == "address.zip");
  CHECK(
      std::string_view(received.error().what()).starts_with("not a number (field address.zip): "));
}
