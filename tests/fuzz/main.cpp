// SPDX-License-Identifier: BSL-1.0
// The program fuzz_decoders: libFuzzer, and --target=NAME. Without a name it lists them.
#include "fuzz/targets.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

FuzzTarget target;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  constexpr std::string_view option = "--target=";  // libFuzzer ignores what begins with --
  for (int i = 1; i < *count; ++i) {
    const std::string_view argument = (*arguments)[i];
    for (const FuzzTarget& one : fuzz_targets()) {
      if (argument.starts_with(option) && argument.substr(option.size()) == one.name) {
        target = one;
      }
    }
  }
  if (target.run == nullptr) {
    for (const FuzzTarget& one : fuzz_targets()) {
      std::printf("%.*s\n", static_cast<int>(one.name.size()), one.name.data());
    }
    std::exit(*count == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return target.run(data, size);
}
