// SPDX-License-Identifier: BSL-1.0
#include "cowire/result.hpp"

#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>

using namespace cowire;

TEST_CASE("a Result with a value") {
  Result<std::string> result = std::string("packet");
  CHECK(result.has_value());
  CHECK(static_cast<bool>(result));
  CHECK(*result == "packet");
  CHECK(result->size() == 6);
  CHECK(result.value() == "packet");
  result.value() += "!";
  CHECK(*std::as_const(result) == "packet!");
  CHECK(std::as_const(result)->size() == 7);
}

TEST_CASE("a const Result shows its value, or throws") {
  const Result<std::string> good(std::string("text"));
  CHECK(&good.value() == &*good);
  const Result<std::string> bad = Error(errc::malformed);
  CHECK_THROWS_AS(bad.value(), Error);
}

TEST_CASE("a Result with an Error") {
  Result<std::string> result = Error(errc::malformed);
  CHECK_FALSE(result.has_value());
  CHECK_FALSE(static_cast<bool>(result));
  CHECK(result.error().code() == errc::malformed);
  const auto error = thrown([&] { (void)result.value(); });
  REQUIRE(error);
  CHECK(error->code() == errc::malformed);
  CHECK(thrown([&] { (void)std::move(result).value(); }));
}

TEST_CASE("a value can be moved out") {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = *std::move(result);
  CHECK(*taken == 7);
  Result<std::unique_ptr<int>> other = std::make_unique<int>(8);
  CHECK(*std::move(other).value() == 8);
}

TEST_CASE("a Result of an Error is a value or an Error, not a mixture") {
  const Result<int> number = 3;
  CHECK(number.has_value());
  CHECK(*number == 3);
}
