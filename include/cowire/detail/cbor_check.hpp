// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/detail/json_document.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/text_encoding.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace cowire::detail {

// Looks at CBOR before nlohmann-json reads it. That reads by recursion not only arrays and maps but
// strings in pieces, too, as deep as a peer likes, and turns some integers into others.
class CborCheck {
 public:
  CborCheck(Bytes bytes, std::size_t depth) noexcept : bytes_(bytes), depth_(depth) {}

  // @throws Error malformed, too_large: with the byte where the wrong item starts.
  void operator()() {
    do {
      item();
      while (!open_.empty() && open_.back().left == 0) {
        open_.pop_back();
      }
    } while (!open_.empty());
    if (at_ != bytes_.size()) {
      fail("there are bytes behind the item", at_);
    }
  }

 private:
  static constexpr std::uint64_t until_break = std::numeric_limits<std::uint64_t>::max();

  struct Level {
    std::uint64_t left;  // Items, or until_break.
    bool map;
    bool key;  // The next item is one.
  };

  struct Head {
    std::size_t start;
    unsigned major;
    unsigned info;
    std::uint64_t value;
    bool indefinite() const noexcept { return info == 31; }
  };

  Head head() {
    const std::size_t start = at_;
    const auto first = std::to_integer<unsigned>(take(1)[0]);
    Head head{start, first >> 5U, first & 0x1fU, first & 0x1fU};
    if (head.info >= 28 && (!head.indefinite() || head.major < 2 || head.major == 6)) {
      fail("no CBOR item starts so", start);
    }
    if (head.info >= 24 && head.info <= 27) {
      const std::size_t width = std::size_t{1} << (head.info - 24);
      head.value = read_uint(take(width), width, std::endian::big);
    }
    return head;
  }

  void item() {
    const Head head = this->head();
    const bool is_key = !open_.empty() && open_.back().key;
    if (head.major == 7 && head.indefinite()) {
      if (open_.empty() || open_.back().left != until_break || (open_.back().map && !is_key)) {
        fail("a break out of place", head.start);
      }
      open_.back().left = 0;
      return;
    }
    if (is_key && head.major != 3) {
      fail("a key is not a text", head.start);
    }
    if (!open_.empty()) {
      Level& level = open_.back();
      level.left -= level.left == until_break ? 0 : 1;
      level.key = level.map && !level.key;
    }
    switch (head.major) {
      case 0: break;
      case 1:
        if (head.value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
          fail("a negative integer does not fit into 64 bits", head.start);
        }
        break;
      case 2:
      case 3: string(head); break;
      case 4:
      case 5: enter(head); break;
      case 6: fail("tags are not supported", head.start);
      default: simple(head);
    }
  }

  void string(const Head& head) {
    if (!head.indefinite()) {
      piece(head);
      return;
    }
    for (Head next = this->head(); next.major != 7 || !next.indefinite(); next = this->head()) {
      if (next.major != head.major || next.indefinite()) {
        fail("a piece of a string is no string", next.start);
      }
      piece(next);
    }
  }

  void piece(const Head& head) {
    if (head.value > bytes_.size() - at_) {
      fail("the item ends too early", head.start);
    }
    const std::size_t start = at_;
    const Bytes bytes = take(static_cast<std::size_t>(head.value));
    if (head.major == 3) {
      if (const std::size_t bad = find_invalid(cowire::text_of(bytes), TextEncoding::utf8);
          bad != npos) {
        fail("a text is not UTF-8", start + bad);
      }
    }
  }

  void enter(const Head& head) {
    if (open_.size() == depth_) {
      throw json_error(errc::too_large, too_deep_text(depth_), {}, head.start);
    }
    const bool map = head.major == 5;
    // Each element has a byte at least.
    if (!head.indefinite() && head.value > (bytes_.size() - at_) / (map ? 2 : 1)) {
      fail("the item ends too early", head.start);
    }
    const std::uint64_t left = head.indefinite() ? until_break : head.value * (map ? 2 : 1);
    open_.push_back({left, map, map});
  }

  void simple(const Head& head) {
    // false, true, null, and three sizes of floating point numbers
    if (head.info < 20 || head.info == 23 || head.info == 24) {
      fail("simple values but false, true and null are not supported", head.start);
    }
  }

  Bytes take(std::size_t n) {
    if (n > bytes_.size() - at_) {
      fail("the item ends too early", at_);
    }
    at_ += n;
    return bytes_.subspan(at_ - n, n);
  }

  [[noreturn]] static void fail(const char* detail, std::size_t position) {
    throw json_error(errc::malformed, detail, {}, position);
  }

  Bytes bytes_;
  std::size_t depth_;
  std::size_t at_ = 0;
  std::vector<Level> open_;
};

}  // namespace cowire::detail
