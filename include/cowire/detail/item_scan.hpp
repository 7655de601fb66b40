// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cowire::detail {

// a + b, or the largest number.
inline std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b) noexcept {
  return a + std::min(b, std::numeric_limits<std::uint64_t>::max() - a);
}

/// What the head of an item says: the bytes that are enough to know where the next head is.
struct ItemHead {
  enum Kind : std::uint8_t { definite, endless_array, endless_map, endless_string, end_mark };

  std::size_t size = 1;           ///< The bytes of the head itself.
  std::uint64_t payload = 0;      ///< The bytes behind it that are no items.
  std::uint64_t children = 0;     ///< The items behind it that it contains.
  Kind kind = definite;           ///< The endless ones go on to their end mark.
  std::uint8_t type = 0;          ///< The parts of an endless string have its type.
  const char* problem = nullptr;  ///< Why it is malformed.
};

/// What is remembered of a stream of items.
struct ItemState {
  struct Level {
    std::uint64_t pending = 0;  // the heads that are to come in it, if their number is known
    ItemHead::Kind kind = ItemHead::definite;
    std::uint8_t type = 0;
    bool odd = false;  // of an endless map: a value is to come
  };

  std::uint64_t at = 0;     ///< Where the next head begins, or the item ends.
  std::uint64_t owed = 1;   ///< The heads and end marks that are to come at least.
  std::vector<Level> open;  ///< What the next item is in.
  bool ended = false;       ///< The last head was read: the item ends at `at`.
  bool discarding = false;  ///< The item is too large, too deep or malformed: skip to its end.
  bool lost = false;        ///< Nobody knows where it ends: skip everything.

  void reset() noexcept {
    open.clear();
    at = 0;
    owed = 1;
    ended = discarding = lost = false;
  }
};

/// Finds where items of a format end whose items contain each other: CBOR, MessagePack. Only heads
/// are looked at, each of them once.
///
///     Format::head_size(byte)    the size of the head that begins with this byte
///     Format::read(bytes)        that head; the bytes are there
///
/// What is wrong with an item is one error, told with its first wrong head; then it is dropped to
/// its end, a wrong head counting as an item without contents. Where it is too deep, what is in a
/// definite container counts as being in what that is in: so no memory grows with the depth.
template <class Format>
class ItemScan {
 public:
  ItemScan(std::size_t limit, std::size_t depth) noexcept : limit_(limit), depth_(depth) {}

  /// The most bytes that are waited for: a head may begin within the limit and end behind it.
  std::size_t frame_limit() const noexcept {
    constexpr std::size_t most_behind = 8;
    return limit_ + std::min(most_behind, std::numeric_limits<std::size_t>::max() - limit_);
  }

  /// StreamSerializer's `decode`; `make` turns the bytes of an item into a packet or throws Error.
  template <class Packet, class Make>
  Decoded<Packet> decode(Bytes bytes, ItemState& state, const Make& make) const {
    using Result = Decoded<Packet>;
    std::size_t begin = 0;
    while (!state.lost) {
      const Bytes rest = bytes.subspan(begin);
      if (const std::optional<Error> error = scan(rest, state)) [[unlikely]] {
        const std::uint64_t consumed = saturated_sum(begin, std::exchange(state.at, 0));
        if (state.ended) {
          state.reset();
        }
        return Result::bad(*error, consumed);
      }
      if (!state.discarding) {
        if (state.ended && state.at <= rest.size()) {
          return finish<Packet>(rest.first(static_cast<std::size_t>(state.at)), begin, state, make);
        }
        if (rest.empty() && begin != 0) {
          return Result::padding(begin);
        }
        return Result::need_more(static_cast<std::size_t>(wanted(rest, state)), begin);
      }
      const std::uint64_t dropped = std::min<std::uint64_t>(state.at, rest.size());
      state.at -= dropped;
      begin += static_cast<std::size_t>(dropped);
      if (!state.ended || state.at != 0) {
        break;
      }
      state.reset();
    }
    return Result::need_more(0, state.lost ? bytes.size() : begin);
  }

  /// Throws unless the bytes, which are to be sent, are one item.
  void check(Bytes bytes) const {
    ItemState state;
    if (const std::optional<Error> error = scan(bytes, state)) {
      if (error->code() == errc::too_large) {
        throw *error;
      }
    } else if (state.ended && state.at == bytes.size()) {
      return;
    }
    throw Error(errc::not_sendable, "what is to be sent is not one item");
  }

 private:
  template <class Packet, class Make>
  static Decoded<Packet> finish(Bytes item, std::size_t begin, ItemState& state, const Make& make) {
    const std::size_t consumed = begin + item.size();
    state.reset();
    try {
      return Decoded<Packet>::packet(make(item), consumed);
    } catch (const Error& error) {
      return Decoded<Packet>::bad(error, consumed);
    }
  }

  // How many bytes are needed to read the next head, which may be malformed; or for the whole item.
  static std::uint64_t wanted(Bytes bytes, const ItemState& state) noexcept {
    if (state.at >= bytes.size()) {
      return state.ended ? state.at : saturated_sum(state.at, 1);
    }
    return state.at + Format::head_size(bytes[static_cast<std::size_t>(state.at)]);
  }

  // Looks at heads until the item ends, or the bytes do, or something is wrong that was not before.
  std::optional<Error> scan(Bytes bytes, ItemState& state) const {
    while (!state.ended && !state.lost && state.at < bytes.size()) {
      const Bytes rest = bytes.subspan(static_cast<std::size_t>(state.at));
      if (Format::head_size(rest[0]) > rest.size()) {
        break;
      }
      const Fault fault = take(Format::read(rest), state);
      if (fault.kind != Fault::none && !std::exchange(state.discarding, true)) [[unlikely]] {
        return error_of(fault);
      }
    }
    return std::nullopt;
  }

  // What is wrong with a head; made an Error only if it is the first of its item.
  struct Fault {
    enum Kind : std::uint8_t { none, malformed, too_deep, too_large };

    Kind kind = none;
    const char* problem = nullptr;
    std::uint64_t least = 0;  // the bytes that the item must have
  };

  Fault take(const ItemHead& head, ItemState& state) const {
    std::vector<ItemState::Level>& open = state.open;
    const char* problem = head.problem;
    state.at = saturated_sum(state.at, saturated_sum(head.size, head.payload));
    if (head.kind == ItemHead::end_mark) {
      if (!open.empty() && open.back().kind != ItemHead::definite && open.back().pending == 0) {
        if (open.back().kind == ItemHead::endless_map && open.back().odd) {
          problem = "a map has a key without a value";
        }
        open.pop_back();
        --state.owed;
        close(state);
        return {problem == nullptr ? Fault::none : Fault::malformed, problem, 0};
      }
      problem = "an end mark where nothing can end";
    }
    if (!open.empty() && open.back().kind == ItemHead::endless_string &&
        (head.kind != ItemHead::definite || head.type != open.back().type)) {
      problem = "a part of a string is not a string of its kind";
    }
    if (open.empty() || open.back().pending != 0) {
      --state.owed;
      if (!open.empty()) {
        --open.back().pending;
      }
    } else {
      open.back().odd = !open.back().odd;
    }
    bool too_deep = false;
    const bool endless = head.kind != ItemHead::definite && head.kind != ItemHead::end_mark;
    if (endless || head.children != 0) {
      too_deep = open.size() >= depth_;
      state.owed = saturated_sum(state.owed, endless ? 1 : head.children);
      if (!too_deep || open.empty()) {
        open.push_back({endless ? 0 : head.children, head.kind, head.type, false});
      } else if (!endless) {
        open.back().pending = saturated_sum(open.back().pending, head.children);
      } else {
        state.lost = true;
      }
    } else {
      close(state);
    }
    if (problem != nullptr) {
      return {Fault::malformed, problem, 0};
    }
    if (too_deep) {
      return {Fault::too_deep, nullptr, 0};
    }
    const std::uint64_t least = saturated_sum(state.at, state.ended ? 0 : state.owed);
    return {least > limit_ ? Fault::too_large : Fault::none, nullptr, least};
  }

  // The containers whose last item ends here end, too.
  static void close(ItemState& state) noexcept {
    while (!state.open.empty() && state.open.back().pending == 0 &&
           state.open.back().kind == ItemHead::definite) {
      state.open.pop_back();
    }
    state.ended = state.open.empty();
  }

  Error error_of(const Fault& fault) const {
    ErrorContext context;
    if (fault.kind == Fault::malformed) {
      context.detail = fault.problem;
      return Error(errc::malformed, std::move(context));
    }
    if (fault.kind == Fault::too_deep) {
      context.detail = "an item is in more than " + std::to_string(depth_) + " others";
    } else {
      context.detail = "the item has at least " + std::to_string(fault.least) + " bytes";
      context.size = fault.least;
      context.limit = limit_;
    }
    return Error(errc::too_large, std::move(context));
  }

  std::size_t limit_;
  std::size_t depth_;
};

}  // namespace cowire::detail
