// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <system_error>

namespace cowire::detail {

// The code of an exception that has one; no error for any other, and for none.
inline std::error_code code_of(const std::exception_ptr& error) {
  if (!error) {
    return {};
  }
  try {
    std::rethrow_exception(error);
  } catch (const std::system_error& failed) {
    return failed.code();
  } catch (...) {
    return {};
  }
}

}  // namespace cowire::detail
