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

/// All of them.
std::vector<FuzzTarget> fuzz_targets();

/// Those of the serializers that need a library, where that was found.
std::vector<FuzzTarget> library_fuzz_targets();
