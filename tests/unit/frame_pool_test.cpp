// SPDX-License-Identifier: BSL-1.0
#include "cowire/detail/frame_pool.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

using cowire::detail::FramePool;
using cowire::detail::recycles_frames;

TEST_CASE("a frame that was freed is used for the next one of its size") {
  void* first = FramePool::allocate(300);
  FramePool::deallocate(first, 300);
  void* second = FramePool::allocate(310);  // Of the same class.
  if (recycles_frames) {
    CHECK(second == first);
  }
  void* third = FramePool::allocate(300);
  CHECK(third != second);
  FramePool::deallocate(second, 310);
  FramePool::deallocate(third, 300);
}

TEST_CASE("frames of every size are as large as was asked") {
  std::vector<std::pair<void*, std::size_t>> frames;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t size = 1; size < 5000; size += 61) {
      void* memory = FramePool::allocate(size);
      static_cast<char*>(memory)[0] = 1;
      static_cast<char*>(memory)[size - 1] = 1;  // The sanitizer looks.
      frames.emplace_back(memory, size);
    }
    for (const auto& [memory, size] : frames) {
      FramePool::deallocate(memory, size);
    }
    frames.clear();
  }
}

TEST_CASE("a frame may be freed by another thread, and a thread's frames when it ends") {
  void* memory = FramePool::allocate(200);
  std::thread([memory] {
    FramePool::deallocate(memory, 200);
    void* own = FramePool::allocate(2000);
    FramePool::deallocate(own, 2000);
  }).join();
  std::vector<void*> many;
  for (int i = 0; i < 100; ++i) {  // More than are kept.
    many.push_back(FramePool::allocate(64));
  }
  for (void* one : many) {
    FramePool::deallocate(one, 64);
  }
}
