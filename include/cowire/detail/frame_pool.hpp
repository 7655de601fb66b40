// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <new>

namespace cowire::detail {

// Under AddressSanitizer every frame is allocated, so that its use after free is seen.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool recycles_frames = false;
#elif defined(__has_feature)
inline constexpr bool recycles_frames = !__has_feature(address_sanitizer);
#else
inline constexpr bool recycles_frames = true;
#endif

// Recycles coroutine frames, so that a handler which returns after each request allocates nothing
// in steady state. One pool a thread, no locks; a frame may be freed on another thread than the
// one that made it.
class FramePool {
 public:
  static void* allocate(std::size_t size) {
    const std::size_t size_class = class_of(size);
    if (recycles_frames && size_class < classes) {
      if (Node* node = lists[size_class].head; node != nullptr) {
        lists[size_class].head = node->next;
        --lists[size_class].length;
        return node;
      }
      return ::operator new((size_class + 1) * step);
    }
    return ::operator new(size);
  }

  static void deallocate(void* memory, std::size_t size) noexcept {
    const std::size_t size_class = class_of(size);
    if (recycles_frames && size_class < classes && lists[size_class].length < most_kept) {
      static thread_local Cleaner cleaner;  // frees what is kept when the thread ends
      if (cleaner.alive()) {
        lists[size_class].head = new (memory) Node{lists[size_class].head};
        ++lists[size_class].length;
        return;
      }
    }
    ::operator delete(memory);
  }

 private:
  static constexpr std::size_t step = 128;
  static constexpr std::size_t classes = 16;  // frames of up to 2 KiB
  static constexpr std::size_t most_kept = 32;

  struct Node {
    Node* next;
  };
  struct List {
    Node* head;
    std::size_t length;
  };
  class Cleaner {
   public:
    ~Cleaner() {
      finished = true;
      for (List& list : lists) {
        while (list.head != nullptr) {
          Node* next = list.head->next;
          ::operator delete(list.head);
          list.head = next;
        }
      }
    }
    bool alive() const noexcept { return !finished; }
  };

  static constexpr std::size_t class_of(std::size_t size) noexcept { return (size - 1) / step; }

  // Constant initialised and without destructors: usable until the very end of the thread.
  static inline constinit thread_local std::array<List, classes> lists{};
  static inline constinit thread_local bool finished = false;
};

}  // namespace cowire::detail
