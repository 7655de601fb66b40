// SPDX-License-Identifier: BSL-1.0
#include "cowire/detail/exception_code.hpp"

#include "cowire/error.hpp"

#include <doctest/doctest.h>

#include <exception>
#include <stdexcept>
#include <system_error>

using namespace cowire;

TEST_CASE("the code of an exception that has one") {
  CHECK(detail::code_of(std::make_exception_ptr(Error(errc::timeout))) == errc::timeout);
  const auto refused = std::make_error_code(std::errc::connection_refused);
  CHECK(detail::code_of(std::make_exception_ptr(std::system_error(refused))) == refused);
}

TEST_CASE("any other exception has none, and no exception has none") {
  CHECK_FALSE(detail::code_of(nullptr));
  CHECK_FALSE(detail::code_of(std::make_exception_ptr(std::runtime_error("no code"))));
  CHECK_FALSE(detail::code_of(std::make_exception_ptr(42)));
}
