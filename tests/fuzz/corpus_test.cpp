// SPDX-License-Identifier: BSL-1.0
// What the fuzzers begin with, and what they found, in every build: no fuzzer is needed.
#include "fuzz/targets.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

TEST_CASE("no decoder breaks a law of serializers on the files of its corpus") {
  for (const FuzzTarget& target : fuzz_targets()) {
    const std::filesystem::path folder = std::filesystem::path(COWIRE_FUZZ_CORPUS) / target.name;
    INFO(folder.string());
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(file), {});
      REQUIRE(file);
      CHECK(target.run(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()) == 0);
      ++files;
    }
    CHECK(files >= 3);
  }
}
