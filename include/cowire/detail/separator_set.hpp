// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cowire::detail {

/// What is remembered of a stream whose packets end with a separator.
struct ScanState {
  std::size_t scanned = 0;  ///< No separator starts in this many of the first bytes. Of several
                            ///< separators: this many of the first bytes were looked at.
  bool discarding = false;  ///< The packet under way was too large: skip to its separator.

  // What follows is used with several separators, and with long ones.
  bool in_tail = false;  ///< A separator ended the last packet; a longer one may still come of it.
  std::uint32_t node = 0;  ///< The beginning of a separator that the bytes end with.
  std::uint32_t back = 0;  ///< A separator was found so far in front of `scanned`...
  std::uint32_t size = 0;  ///< ...and has that size; one that began before it may still come.
};

/// Finds separators in bytes that come in pieces: the first one, and of those that begin at the
/// same place the longest. Each byte is looked at once, whatever the separators: Aho and Corasick's
/// tree, which for one separator is the automaton of Knuth, Morris and Pratt.
///
///     "\r", "\r\n"      received  a \r \n b     found: \r\n at 1
///                       received  a \r          found: \r at 1; of what comes, a \n belongs to it
class SeparatorSet {
 public:
  struct Match {
    std::size_t begin = 0;
    std::size_t size = 0;  // 0: none
  };

  /// @pre No separator is empty; the first is the one that is sent.
  explicit SeparatorSet(const std::vector<std::string_view>& separators)
      : sent_(separators.front()) {
    nodes_.emplace_back();
    for (const std::string_view separator : separators) {
      add(bytes_of(separator));
      longest_ = std::max(longest_, separator.size());
      if (separator.size() > sent_.size() && separator.starts_with(sent_)) {
        tails_.emplace_back(separator.substr(sent_.size()));
      }
    }
    link();
  }

  Bytes sent() const noexcept { return bytes_of(sent_); }
  std::size_t longest() const noexcept { return longest_; }

  /// How many of the last bytes looked at may be the beginning of a separator.
  std::size_t begun(const ScanState& state) const noexcept { return nodes_[state.node].depth; }

  /// Looks on for a separator, and sets the state back behind it.
  ///
  /// A shorter one at the end of the bytes is not waited with until it is clear whether it becomes
  /// a longer one, for the peer may wait, too: see `end_tail`.
  Match find(Bytes bytes, ScanState& state) const noexcept {
    std::size_t at = state.scanned;
    std::uint32_t node = state.node;
    Match best{at - state.back, state.size};
    while (at < bytes.size()) {
      if (node == 0) {
        at = skip(bytes, at);
        if (at == bytes.size()) {
          break;
        }
      }
      node = step(node, bytes[at]);
      ++at;
      if (const std::size_t size = nodes_[node].word; size != 0) {
        if (best.size == 0 || at - size <= best.begin) {
          best = {at - size, size};
        }
      }
      if (best.size != 0 && (at - nodes_[node].depth > best.begin || nodes_[node].child == 0)) {
        state = {};
        return best;
      }
    }
    state.scanned = at;
    state.node = node;
    if (best.size == 0) {
      return {};
    }
    if (at - nodes_[node].depth == best.begin) {
      state = {nodes_[node].depth - best.size, false, true, node, 0, 0};
      return best;
    }
    state.back = static_cast<std::uint32_t>(at - best.begin);
    state.size = static_cast<std::uint32_t>(best.size);
    return {};
  }

  /// Behind a separator that may be the beginning of a longer one: the number of bytes that belong
  /// to it. `state.in_tail` tells whether it may become longer still.
  std::size_t end_tail(Bytes bytes, ScanState& state) const noexcept {
    std::size_t dropped = 0;
    std::size_t at = state.scanned;
    for (; at < bytes.size() && nodes_[state.node].child != 0; ++at) {
      const std::uint32_t next = child(state.node, bytes[at]);
      if (next == 0) {
        state = {0, state.discarding};
        return dropped;
      }
      state.node = next;
      if (nodes_[next].word == nodes_[next].depth) {
        dropped = at + 1;
      }
    }
    if (nodes_[state.node].child == 0) {
      state = {0, state.discarding};
    } else {
      state.scanned = at - dropped;
    }
    return dropped;
  }

  /// Whether a packet, sent with its separator, might be taken for the rest of a separator that was
  /// sent before it.
  bool begins_like_tail(Bytes frame) const noexcept {
    return std::ranges::any_of(tails_, [&](std::string_view tail) {
      return cowire::text_of(frame).starts_with(tail) || tail.starts_with(cowire::text_of(frame));
    });
  }

 private:
  struct Node {
    std::uint32_t child = 0;    // the first; 0: none
    std::uint32_t sibling = 0;  // the next child of its parent
    std::uint32_t fail = 0;     // the longest proper end of it that is in the tree
    std::uint32_t depth = 0;
    std::uint32_t word = 0;  // the size of the longest separator that it ends with
    std::byte byte{};
  };

  void add(Bytes separator) {
    std::uint32_t node = 0;
    for (const std::byte byte : separator) {
      std::uint32_t next = child(node, byte);
      if (next == 0) {
        next = static_cast<std::uint32_t>(nodes_.size());
        nodes_.push_back(
            {.sibling = nodes_[node].child, .depth = nodes_[node].depth + 1, .byte = byte});
        nodes_[node].child = next;
        if (node == 0) {
          first_[std::to_integer<std::size_t>(byte)] = next;
        }
      }
      node = next;
    }
    nodes_[node].word = nodes_[node].depth;
  }

  // Gives each node its `fail`, parents first.
  void link() {
    std::vector<std::uint32_t> order{0};
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (std::uint32_t n = nodes_[order[i]].child; n != 0; n = nodes_[n].sibling) {
        order.push_back(n);
        if (order[i] != 0) {
          nodes_[n].fail = step(nodes_[order[i]].fail, nodes_[n].byte);
        }
        if (nodes_[n].word == 0) {
          nodes_[n].word = nodes_[nodes_[n].fail].word;
        }
      }
    }
  }

  std::size_t skip(Bytes bytes, std::size_t at) const noexcept {
    while (at < bytes.size() && first_[std::to_integer<std::size_t>(bytes[at])] == 0) {
      ++at;
    }
    return at;
  }

  std::uint32_t child(std::uint32_t node, std::byte byte) const noexcept {
    if (node == 0) {
      return first_[std::to_integer<std::size_t>(byte)];
    }
    std::uint32_t next = nodes_[node].child;
    while (next != 0 && nodes_[next].byte != byte) {
      next = nodes_[next].sibling;
    }
    return next;
  }

  std::uint32_t step(std::uint32_t node, std::byte byte) const noexcept {
    std::uint32_t next = child(node, byte);
    while (next == 0 && node != 0) {
      node = nodes_[node].fail;
      next = child(node, byte);
    }
    return next;
  }

  std::string sent_;
  std::vector<Node> nodes_;
  std::array<std::uint32_t, 256> first_{};  // the children of the root
  std::vector<std::string> tails_;
  std::size_t longest_ = 0;
};

}  // namespace cowire::detail
