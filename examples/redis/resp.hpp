// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// The protocol of Redis, RESP2: https://redis.io/docs/latest/develop/reference/protocol-spec/
namespace resp {

/// One request: the name of a command, and its arguments.
using Command = std::vector<std::string>;

/// One answer, as its bytes.
struct Reply {
  std::string bytes;

  static Reply simple(std::string_view text) { return {"+" + std::string(text) + "\r\n"}; }
  static Reply error(std::string_view text) { return {"-" + std::string(text) + "\r\n"}; }
  static Reply integer(std::int64_t number) { return {":" + std::to_string(number) + "\r\n"}; }
  static Reply bulk(std::string_view text) {
    return {"$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n"};
  }
  static Reply nil() { return {"$-1\r\n"}; }
  static Reply empty_list() { return {"*0\r\n"}; }
};

/// The number that is written in a text, and nothing else is.
inline std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  return stop == end && code == std::errc() ? std::optional(value) : std::nullopt;
}

/// Receives Commands and sends Replies.
///
///     received     *2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n     packet   {"ECHO", "hi"}
///     received     ECHO hi\r\n                          packet   {"ECHO", "hi"}, typed by a person
///
/// The words of a command are copied into the state as they come: so no byte is looked at twice,
/// however the stream is cut. They are dropped from the stream with the whole command: so a stream
/// that ends inside of one is noticed. What is wrong has no end that one could skip to: all that
/// follows is dropped, and the handler is to close, as Redis does.
class Resp {
 public:
  using sent_packet = Reply;
  using received_packet = Command;
  struct decoder_state {
    Command words;                    // of the command under way
    std::size_t missing = 0;          // how many words are to come
    std::optional<std::size_t> word;  // the size of the next one
    std::size_t size = 0;             // of all words, the next one included
    std::size_t done = 0;             // this many of the first bytes need not be looked at again
    std::size_t scanned = 0;          // and no line ends before this one
  };

  /// @param limit The most bytes of a command: of all its words, and of a line.
  explicit Resp(std::size_t limit = 512 * 1024) : limit_(limit) {}

  void serialize(const Reply& reply, cowire::OutputBuffer& out) const { out.append(reply.bytes); }

  cowire::Decoded<Command> decode(cowire::Bytes bytes, decoder_state& state) const {
    try {
      return next(bytes, state);
    } catch (const cowire::Error& error) {
      state = {};
      return Answer::bad(error, std::numeric_limits<std::uint64_t>::max());
    }
  }

  std::size_t frame_limit() const noexcept {
    return limit_ + (most_words + 1) * (most_header + 3);  // and their line endings
  }

 private:
  using Answer = cowire::Decoded<Command>;
  static constexpr std::int64_t most_words = 1024;
  static constexpr std::size_t most_header = 32;  // bytes of a line that says a size

  Answer next(cowire::Bytes bytes, decoder_state& state) const {
    const std::string_view text = cowire::text_of(bytes);
    for (;;) {
      if (state.word) {
        const std::size_t end = state.done + *state.word + 2;
        if (text.size() < end) {
          return Answer::need_more(end);
        }
        if (text.substr(end - 2, 2) != "\r\n") {
          throw wrong("a word has not the size that was announced");
        }
        state.words.emplace_back(text.substr(state.done, *state.word));
        state.word.reset();
        state.done = end;
        if (--state.missing == 0) {
          return Answer::packet(std::exchange(state, {}).words, end);
        }
      }
      const std::size_t end = text.find('\n', std::max(state.done, state.scanned));
      check_line(text.substr(state.done, std::min(end, text.size()) - state.done), state);
      if (end == std::string_view::npos) {
        return wait_for_line(text.size(), state);
      }
      std::string_view line = text.substr(state.done, end - state.done);
      line.remove_suffix(line.ends_with('\r') ? 1 : 0);
      state.done = end + 1;
      if (state.missing != 0) {
        begin_word(line, state);
      } else if (line.starts_with('*')) {
        begin_command(line, state);
      } else if (Command words = split(line); !words.empty()) {
        state = {};
        return Answer::packet(std::move(words), end + 1);
      }
    }
  }

  static Answer wait_for_line(std::size_t size, decoder_state& state) {
    state.scanned = size;
    if (state.missing != 0) {
      return Answer::need_more();
    }
    const std::size_t empty_lines = std::exchange(state.done, 0);
    state.scanned -= empty_lines;
    return state.scanned == 0 ? Answer::padding(empty_lines) : Answer::need_more(0, empty_lines);
  }

  void check_line(std::string_view line, const decoder_state& state) const {
    if (state.missing == 0 && !line.starts_with('*')) {
      check_size(line.size());
    } else if (line.size() > most_header) {
      throw wrong("too many digits in a size");
    }
  }

  static void begin_command(std::string_view line, decoder_state& state) {
    const std::optional<std::int64_t> count = number(line.substr(1));
    if (!count || *count > most_words) {
      throw wrong("invalid multibulk length");
    }
    state.missing = *count < 0 ? 0 : static_cast<std::size_t>(*count);  // None: as an empty line.
  }

  void begin_word(std::string_view line, decoder_state& state) const {
    if (!line.starts_with('$')) {
      throw wrong("expected '$', got '" + cowire::printable(cowire::bytes_of(line.substr(0, 1))) +
                  "'");
    }
    const std::optional<std::int64_t> size = number(line.substr(1));
    if (!size || *size < 0) {
      throw wrong("invalid bulk length");
    }
    check_size(state.size + static_cast<std::uint64_t>(*size));
    state.word = static_cast<std::size_t>(*size);
    state.size += *state.word;
  }

  static Command split(std::string_view line) {
    Command words;
    while (true) {
      line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
      if (line.empty()) {
        return words;
      }
      // Each takes more memory than its bytes.
      if (words.size() == static_cast<std::size_t>(most_words)) {
        throw wrong("too big inline request");
      }
      const std::size_t size = std::min(line.find_first_of(" \t"), line.size());
      words.emplace_back(line.substr(0, size));
      line.remove_prefix(size);
    }
  }

  static cowire::Error wrong(std::string detail) {
    return cowire::Error(cowire::errc::malformed, std::move(detail));
  }

  void check_size(std::uint64_t size) const {
    if (size > limit_) {
      cowire::ErrorContext context;
      context.detail = "the command is too large";
      context.size = size;
      context.limit = limit_;
      throw cowire::Error(cowire::errc::too_large, std::move(context));
    }
  }

  std::size_t limit_;
};
static_assert(cowire::StreamSerializer<Resp>);

}  // namespace resp
