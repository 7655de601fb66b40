// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace cowire {

/// The options of JsonDocuments.
struct JsonDocumentsOptions {
  std::size_t limit = default_frame_limit;  ///< The most bytes of a document.
  std::size_t depth = 128;                  ///< The most brackets that may be open at once.
};

/// Makes a stream serializer of any serializer of JSON: finds documents that follow each other
/// without separators, whatever they are, with or without white space between them.
///
///     JsonDocuments{Text<>{}}
///
///     received     {"a":[1,"}"]} [2]"x"3 true{"b
///     packets      {"a":[1,"}"]}   [2]   "x"   3   true        kept: {"b
///
///     received     {"a":1},{"b":2} oh! [3]
///     packets      {"a":1}   malformed   {"b":2}   malformed   [3]
///
///     received     [123456789] [2]             (limit 4)
///     packets      too_large   [2]
///
/// An object or array ends where all brackets outside of strings are closed, a string at its quote.
/// Numbers, true, false and null end before the next white space, bracket, quote, comma or colon:
/// something must follow them, and if nothing does before the stream ends they are cut short.
/// Nothing else is looked at: the inner serializer gets the bytes of the document, and says whether
/// they are JSON.
///
/// A document over the limit, or with too many open brackets, is one error, and is dropped to its
/// end without being kept. A byte that begins no document is one error, and all is dropped up to
/// the next white space, opening bracket or quote.
template <Serializer S>
class JsonDocuments {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;

  struct decoder_state {
    std::size_t scanned = 0;  ///< The bytes of the document under way that were looked at.
    std::uint64_t depth = 0;  ///< Brackets that are open in it.
    enum : std::uint8_t { nothing, brackets, scalar, rubbish } part = nothing;
    bool in_string = false;
    bool escaped = false;     ///< Behind a backslash.
    bool discarding = false;  ///< It was too large: skip to its end.
  };

  explicit JsonDocuments(S serializer = S{}, const JsonDocumentsOptions& options = {})
      : serializer_(std::move(serializer)), limit_(options.limit), depth_(options.depth) {}

  /// Appends the document; behind a number, true, false or null also a `\n`.
  /// @throws Error too_large: it is over the limit or too deep. not_sendable: the inner serializer
  /// wrote something else than one document. And what that throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    serializer_.serialize(packet, out);
    const Bytes all = out.since(start);
    const Bytes bytes = all.subspan(skip_space(all));
    decoder_state state;
    state.part = bytes.empty() ? decoder_state::rubbish : part_that_begins(bytes[0]);
    const bool is_scalar = state.part == decoder_state::scalar;
    if (state.part == decoder_state::rubbish) {
      throw not_one_document();
    }
    std::size_t end = find_end(bytes, state);
    if (state.depth > depth_) [[unlikely]] {
      throw too_deep();
    }
    if (end == npos && is_scalar) {
      end = bytes.size();
    }
    if (end == npos || end + skip_space(bytes.subspan(end)) != bytes.size()) {
      throw not_one_document();
    }
    if (end > limit_) [[unlikely]] {
      throw too_large(end, limit_);
    }
    if (is_scalar) {
      out.append(std::byte{'\n'});
    }
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& state) const {
    using Result = Decoded<received_packet>;
    std::size_t begin = 0;
    for (;;) {
      if (state.part == decoder_state::rubbish) [[unlikely]] {
        begin += skip_rubbish(bytes.subspan(begin));
        if (begin == bytes.size()) {
          return Result::need_more(0, begin);
        }
        state.part = decoder_state::nothing;
      }
      if (state.part == decoder_state::nothing) {
        begin += skip_space(bytes.subspan(begin));
        if (begin == bytes.size()) {
          return Result::padding(begin);
        }
        state.part = part_that_begins(bytes[begin]);
        if (state.part == decoder_state::rubbish) [[unlikely]] {
          ErrorContext context;
          context.detail = "a byte that begins no JSON document";
          return Result::bad(Error(errc::malformed, std::move(context)), begin + 1);
        }
      }
      const Bytes rest = bytes.subspan(begin);
      const std::size_t size = find_end(rest, state);
      if (state.depth > depth_ && !state.discarding) [[unlikely]] {
        const std::size_t seen = std::exchange(state.scanned, 0);
        state.discarding = true;
        return Result::bad(too_deep(), begin + seen);
      }
      if (size == npos) {
        if (state.discarding || rest.size() > limit_) [[unlikely]] {
          state.scanned = 0;
          return std::exchange(state.discarding, true)
                     ? Result::need_more(0, bytes.size())
                     : Result::bad(no_end_in(rest.size()), bytes.size());
        }
        return Result::need_more(0, begin);
      }
      const bool discarding = state.discarding;
      const bool is_scalar = state.part == decoder_state::scalar;
      state = {};
      // The white space that ends a scalar belongs to it, as what `serialize` appends.
      const std::size_t end = begin + size + (is_scalar && is_space(rest[size]) ? 1 : 0);
      if (!discarding) {
        return finish(rest.first(size), end);
      }
      begin = end;
    }
  }

  /// The limit and room for what ends a number.
  std::size_t frame_limit() const noexcept {
    return limit_ + (limit_ < std::numeric_limits<std::size_t>::max() ? 1 : 0);
  }

 private:
  using Part = decltype(decoder_state::part);

  static bool is_space(std::byte byte) noexcept {
    return byte == std::byte{' '} || byte == std::byte{'\t'} || byte == std::byte{'\n'} ||
           byte == std::byte{'\r'};
  }

  static std::size_t skip_space(Bytes bytes) noexcept {
    std::size_t at = 0;
    while (at < bytes.size() && is_space(bytes[at])) {
      ++at;
    }
    return at;
  }

  static std::size_t skip_rubbish(Bytes bytes) noexcept {
    std::size_t at = 0;
    while (at < bytes.size() && !is_space(bytes[at]) &&
           part_that_begins(bytes[at]) != decoder_state::brackets) {
      ++at;
    }
    return at;
  }

  static Part part_that_begins(std::byte byte) noexcept {
    const auto c = std::to_integer<char>(byte);
    if (c == '{' || c == '[' || c == '"') {
      return decoder_state::brackets;
    }
    return c == '-' || (c >= '0' && c <= '9') || c == 't' || c == 'f' || c == 'n'
               ? decoder_state::scalar
               : decoder_state::rubbish;
  }

  // The size of the document that the bytes begin with, or npos; stops where it gets too deep.
  std::size_t find_end(Bytes bytes, decoder_state& state) const noexcept {
    return state.part == decoder_state::scalar ? end_of_scalar(bytes, state)
                                               : end_of_brackets(bytes, state);
  }

  static std::size_t end_of_scalar(Bytes bytes, decoder_state& state) noexcept {
    constexpr std::string_view ends = " \t\n\r{}[]\",:";
    const std::size_t end = text_of(bytes).find_first_of(ends, state.scanned);
    state.scanned = bytes.size();
    return end == std::string_view::npos ? npos : end;
  }

  std::size_t end_of_brackets(Bytes bytes, decoder_state& state) const noexcept {
    std::size_t at = state.scanned;
    bool ended = false;
    while (at < bytes.size() && !ended) {
      const auto c = std::to_integer<char>(bytes[at]);
      ++at;
      if (state.in_string) {
        if (state.escaped) {
          state.escaped = false;
        } else if (c == '\\') {
          state.escaped = true;
        } else if (c == '"') {
          state.in_string = false;
          ended = state.depth == 0;
        }
      } else if (c == '"') {
        state.in_string = true;
      } else if (c == '{' || c == '[') {
        if (++state.depth > depth_ && !state.discarding) [[unlikely]] {
          break;
        }
      } else if (c == '}' || c == ']') {
        ended = --state.depth == 0;
      }
    }
    state.scanned = at;
    return ended ? at : npos;
  }

  Decoded<received_packet> finish(Bytes document, std::size_t consumed) const {
    using Result = Decoded<received_packet>;
    if (document.size() > limit_) [[unlikely]] {
      ErrorContext context;
      context.size = document.size();
      context.limit = limit_;
      return Result::bad(Error(errc::too_large, std::move(context)), consumed);
    }
    try {
      return Result::packet(serializer_.deserialize(document), consumed);
    } catch (const Error& error) {
      return Result::bad(error, consumed);
    }
  }

  Error no_end_in(std::size_t seen) const {
    ErrorContext context;
    context.detail = "no end of the JSON document in " + std::to_string(seen) + " bytes";
    context.limit = limit_;
    return Error(errc::too_large, std::move(context));
  }

  Error too_deep() const {
    return Error(errc::too_large,
                 "more than " + std::to_string(depth_) + " brackets of JSON are open at once");
  }

  static Error not_one_document() {
    return Error(errc::not_sendable, "what is to be sent is not one JSON document");
  }

  [[no_unique_address]] S serializer_;
  std::size_t limit_;
  std::size_t depth_;
};

}  // namespace cowire
