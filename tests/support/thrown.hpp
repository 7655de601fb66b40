// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/error.hpp"

#include <optional>

/// The cowire::Error that a call throws, or nothing if it returns.
template <class Call>
std::optional<cowire::Error> thrown(Call&& call) {
  try {
    call();
  } catch (const cowire::Error& error) {
    return error;
  }
  return std::nullopt;
}
