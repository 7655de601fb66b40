// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace cowire::detail {

// Things that belong to single bytes of a stream, in order. Places are counted from the next byte
// that will pass.
template <class Item>
class StreamMarks {
 public:
  bool empty() const noexcept { return marks_.empty(); }

  // Marks the byte that is `ahead` bytes behind the next one. @pre not before the last mark
  void push(std::size_t ahead, Item item) {
    if (marks_.empty()) {
      passed_ = 0;
    }
    marks_.push_back({passed_ + ahead, std::move(item)});
  }

  // How many bytes come before that of the first mark. @pre !empty()
  std::size_t ahead() const noexcept {
    return static_cast<std::size_t>(marks_.front().at - passed_);
  }
  // @pre !empty()
  const Item& front() const noexcept { return marks_.front().item; }

  // `n` bytes pass: gives away what belongs to them, by taker(item).
  template <class Taker>
  void pass(std::size_t n, Taker taker) {
    passed_ += n;
    auto first = marks_.begin();
    for (; first != marks_.end() && first->at < passed_; ++first) {
      taker(std::move(first->item));
    }
    marks_.erase(marks_.begin(), first);
  }

  void clear() noexcept { marks_.clear(); }

 private:
  struct Mark {
    std::uint64_t at;
    Item item;
  };

  std::vector<Mark> marks_;
  std::uint64_t passed_ = 0;
};

}  // namespace cowire::detail
