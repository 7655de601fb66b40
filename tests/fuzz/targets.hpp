// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

/// A decoder to be fuzzed: what its fuzzer is called, and what it is fed to.
struct FuzzTarget {
  std::string_view name;
  int (*run)(const std::uint8_t* data, std::size_t size);
};

/// Those that need nothing but the library.
std::vector<FuzzTarget> fuzz_targets();
