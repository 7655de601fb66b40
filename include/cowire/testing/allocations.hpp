// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <new>
#include <utility>

/// Allocations that fail: what is left when memory runs out at the worst moment?
namespace cowire::testing {

/// Counts the allocations of this thread while it lives, and makes one of them fail.
///
///     AllocationWatch watch(3);      // the fourth allocation throws std::bad_alloc
///     CHECK_THROWS_AS(something(), std::bad_alloc);
///
/// It sees what `operator new` tells it. Either one source file of the program includes
/// `cowire/testing/replace_new.hpp`, or the program has an `operator new` of its own that asks
/// allocation_fails().
class AllocationWatch {
 public:
  /// Only counts.
  AllocationWatch() noexcept : AllocationWatch(none) {}

  /// Makes the allocation with the number `failing` fail; the first is 0.
  explicit AllocationWatch(std::size_t failing) noexcept
      : failing_(failing), outer_(std::exchange(current, this)) {}
  AllocationWatch(const AllocationWatch&) = delete;
  AllocationWatch& operator=(const AllocationWatch&) = delete;
  ~AllocationWatch() { current = outer_; }

  std::size_t count() const noexcept { return count_; }
  std::size_t bytes() const noexcept { return bytes_; }      ///< The sum of their sizes.
  std::size_t largest() const noexcept { return largest_; }  ///< The size of the largest.
  bool failed() const noexcept { return count_ > failing_; }

  /// Whether the program's `operator new` asks.
  static bool works() {
    const AllocationWatch watch;
    ::operator delete(::operator new(1));
    return watch.count() != 0;
  }

 private:
  friend bool allocation_fails(std::size_t size) noexcept;
  static constexpr auto none = static_cast<std::size_t>(-1);
  static inline constinit thread_local AllocationWatch* current = nullptr;

  bool fails(std::size_t size) noexcept {
    bytes_ += size;
    largest_ = size > largest_ ? size : largest_;
    return count_++ == failing_;
  }

  std::size_t failing_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::size_t largest_ = 0;
  AllocationWatch* outer_;
};

/// For an `operator new`: whether it is to throw std::bad_alloc now.
inline bool allocation_fails(std::size_t size) noexcept {
  return AllocationWatch::current != nullptr && AllocationWatch::current->fails(size);
}

}  // namespace cowire::testing
