// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/testing/allocations.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

// Replaces the program's operator new by one that fails when an AllocationWatch says so. To be
// included by one source file of a test program, and by nothing else: the functions are not inline.
// All forms but those of over-aligned types are here, since sanitizers have each form on its own.

namespace cowire::testing::detail {

inline void* allocate(std::size_t size) noexcept {
  return allocation_fails(size) ? nullptr : std::malloc(size != 0 ? size : 1);
}

inline void* allocate_or_throw(std::size_t size) {
  if (void* const memory = allocate(size)) {
    return memory;
  }
  throw std::bad_alloc();
}

}  // namespace cowire::testing::detail

// NOLINTBEGIN(misc-definitions-in-headers)
/// They fail when an AllocationWatch says so.
void* operator new(std::size_t size) { return cowire::testing::detail::allocate_or_throw(size); }
void* operator new[](std::size_t size) { return cowire::testing::detail::allocate_or_throw(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return cowire::testing::detail::allocate(size);
}
/// As above.
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return cowire::testing::detail::allocate(size);
}
/// Those that belong to them.
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
// NOLINTEND(misc-definitions-in-headers)
