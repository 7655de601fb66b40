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
/// The words of a command are taken out of the stream one by one, and kept in the state: so no byte
/// is looked at twice, however the stream is cut. What is wrong has no end that one could skip to:
/// all that has arrived is dropped, and the handler is to close, as Redis does.
class Resp {
 public:
  using sent_packet = Reply;
  using received_packet = Command;
  struct decoder_state {
    Command words;                    // of the command under way
    std::size_t missing = 0;          // how many words are to come
    std::optional<std::size_t> word;  // the size of the next one
    std::size_t size = 0;             // of all words, the next one included
    std::size_t scanned = 0;          // no line ends in this many of the first bytes
  };

  /// @param limit The most bytes of a command: of all its words, and of a line.
  explicit Resp(std::size_t limit = 512 * 1024) : limit_(limit) {}

  void serialize(const Reply& reply, cowire::OutputBuffer& out) const { out.append(reply.bytes); }

  cowire::Decoded<Command> decode(cowire::Bytes bytes, decoder_state& state) const {
    try {
      return next(bytes, state);
    } catch (const cowire::Error& error) {
      state = {};
      return Answer::bad(error, bytes.size());
    }
  }

  std::size_t frame_limit() const noexcept { return limit_ + 2; }

 private:
  using Answer = cowire::Decoded<Command>;
  static constexpr std::int64_t most_words = 1024;

  Answer next(cowire::Bytes bytes, decoder_state& state) const {
    const std::string_view text = cowire::text_of(bytes);
    std::size_t at = 0;
    for (;;) {
      if (state.word) {
        const std::size_t size = *state.word;
        if (text.size() - at < size + 2) {
          return Answer::need_more(size + 2, at);
        }
        if (text.substr(at + size, 2) != "\r\n") {
          throw wrong("a word has not the size that was announced");
        }
        state.words.emplace_back(text.substr(at, size));
        at += size + 2;
        state.word.reset();
        if (--state.missing == 0) {
          return Answer::packet(std::exchange(state, {}).words, at);
        }
        continue;
      }
      const std::size_t end = text.find('\n', at + state.scanned);
      if (end == std::string_view::npos) {
        state.scanned = text.size() - at;
        check_size(state.scanned);
        const bool between = state.missing == 0 && state.scanned == 0;
        return between ? Answer::padding(at) : Answer::need_more(0, at);
      }
      check_size(end - at);
      std::string_view line = text.substr(at, end - at);
      line.remove_suffix(line.ends_with('\r') ? 1 : 0);
      at = end + 1;
      state.scanned = 0;
      if (state.missing != 0) {
        begin_word(line, state);
      } else if (line.starts_with('*')) {
        begin_command(line, state);
      } else if (Command words = split(line); !words.empty()) {
        return Answer::packet(std::move(words), at);
      }
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
      if (words.size() == static_cast<std::size_t>(most_words)) {  // Each takes more memory than its bytes.
        throw wrong("too big inline request");
      }
      const std::size_t size = std::min(line.find_first_of(" \t"), line.size());
      words.emplace_back(line.substr(0, size));
      line.remove_prefix(size);
    }
  }

  static cowire::Error wrong(std::string detail) {
    cowire::ErrorContext context;
    context.detail = std::move(detail);
    return cowire::Error(cowire::errc::malformed, std::move(context));
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
