// SPDX-License-Identifier: BSL-1.0
#include "cowire/testing/allocations.hpp"

#include "cowire/testing/replace_new.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

using cowire::testing::allocation_fails;
using cowire::testing::AllocationWatch;

TEST_CASE("the replaced operator new asks whether it is to fail") {
  CHECK(AllocationWatch::works());
}

TEST_CASE("allocations are counted, of one object and of arrays") {
  const AllocationWatch watch;
  const auto one = std::make_unique<std::string>();
  const auto array = std::make_unique<char[]>(1000);
  const std::vector<int> numbers(10);
  CHECK(watch.count() == 3);
  CHECK(watch.largest() == 1000);
  CHECK(watch.bytes() == sizeof(std::string) + 1000 + 10 * sizeof(int));
  CHECK_FALSE(watch.failed());
}

TEST_CASE("the allocation that was asked for fails, and no other") {
  for (std::size_t failing = 0; failing < 3; ++failing) {
    std::size_t made = 0;
    const AllocationWatch watch(failing);
    for (std::size_t i = 0; i < 3; ++i) {
      try {
        const auto array = std::make_unique<char[]>(10);
        ++made;
      } catch (const std::bad_alloc&) {
        made += i == failing ? 10 : 100;
      }
    }
    CHECK(made == 12);
    CHECK(watch.failed());
  }
}

TEST_CASE("a nothrow allocation that fails gives nothing") {
  const AllocationWatch watch(0);
  void* const memory = ::operator new(8, std::nothrow);
  CHECK(memory == nullptr);
  ::operator delete(memory, std::nothrow);
}

TEST_CASE("an inner watch stands in for the outer one, which goes on afterwards") {
  const AllocationWatch outer(1);
  {
    const AllocationWatch inner;
    const auto one = std::make_unique<int>(1);
    CHECK(inner.count() == 1);
  }
  CHECK(outer.count() == 0);
  CHECK_FALSE(allocation_fails(4));
  CHECK(allocation_fails(4));
  CHECK(outer.bytes() == 8);
}

TEST_CASE("without a watch nothing fails") { CHECK_FALSE(allocation_fails(1)); }
