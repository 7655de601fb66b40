// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/detail/separator_scan.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"
#include "cowire/text_encoding.hpp"

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cowire {

/// What ends a line.
enum class LineEnding {
  lf,    ///< `\n`
  crlf,  ///< `\r\n`; a `\r` or `\n` alone is text.
  cr,    ///< `\r`
  any,   ///< Any of these ends a received line, as Python's universal newlines; sent is `\n`.
};

/// What becomes of bytes without a line ending at the end of the stream.
enum class LastLine {
  drop,     ///< They are an error: errc::truncated.
  deliver,  ///< They are the last line.
};

/// The options of a LineSerializer.
struct LineOptions {
  LineEnding ending = LineEnding::lf;       ///< Ends the lines sent and received.
  bool accept_crlf = false;                 ///< With lf: `\r\n` ends a received line as well.
  std::size_t limit = default_frame_limit;  ///< The most bytes of a line, without its ending.
  LastLine last_line = LastLine::drop;
  TextEncoding encoding = TextEncoding::any;  ///< What lines are checked for, in both directions.
};

/// A packet is a line of text, without its ending; any bytes may be in it, unless an encoding is
/// asked for.
///
///     received     "GET x\n\nGE"      (lf)
///     packets      "GET x", ""        kept: "GE"
///
///     received     "one\r\ntwo\n"     (crlf)
///     packets      "one"              kept: "two\n"
///
///     received     "one\r\ntwo\n"     (lf, accept_crlf)
///     packets      "one", "two"
///
///     received     "a\nb\r\nc\r\rd"    (any)
///     packets      "a", "b", "c", ""  kept: "d"
///
///     received     "12345678\nok\n"   (limit 4)
///     packets      too_large, "ok"    the overlong line is dropped, its ending included
///
///     received     "\xc0\xaf\nok\n"   (utf8)
///     packets      malformed, "ok"
///
/// An empty line is an empty packet, in both directions. The packets are `std::string`, or
/// `std::string_view`: views into the receive buffer, which live until the next packet is asked
/// for.
template <class Packet = std::string>
  requires std::constructible_from<Packet, std::string_view>
class LineSerializer {
 public:
  using sent_packet = Packet;
  using received_packet = Packet;
  using decoder_state = detail::ScanState;

  LineSerializer() : LineSerializer(LineOptions{}) {}

  /// @throws Error invalid_argument if accept_crlf is set with another ending than lf.
  explicit LineSerializer(const LineOptions& options)
      : scan_(text_of_ending(options.ending), options.limit, options.accept_crlf,
              alternatives_to(options.ending)),
        last_line_(options.last_line),
        encoding_(options.encoding) {
    if (options.accept_crlf && options.ending != LineEnding::lf) {
      throw Error(errc::invalid_argument, "accept_crlf goes with LineEnding::lf only");
    }
  }

  /// Appends the text and a line ending.
  /// @throws Error not_sendable: the text holds a line ending, or is not of the encoding.
  /// too_large: it is over the limit.
  void serialize(std::string_view text, OutputBuffer& out) const {
    const Bytes line = bytes_of(text);
    check(line);
    out.append(line);
    for (std::byte byte : scan_.separator()) {
      out.append(byte);
    }
  }

  Decoded<Packet> decode(Bytes bytes, decoder_state& state) const {
    return scan_.decode<Packet>(bytes, state, [this](Bytes line) { return make_packet(line); });
  }

  Decoded<Packet> decode_end(Bytes bytes, decoder_state& state) const {
    return scan_.decode_end<Packet>(bytes, state, last_line_ == LastLine::deliver,
                                    [this](Bytes line) { return make_packet(line); });
  }

  /// The limit and room for the ending.
  std::size_t frame_limit() const noexcept { return scan_.frame_limit(); }

 private:
  Packet make_packet(Bytes line) const {
    check_text(text_of(line), encoding_, errc::malformed);
    return Packet(text_of(line));
  }

  static std::string_view text_of_ending(LineEnding ending) noexcept {
    switch (ending) {
      case LineEnding::lf:
      case LineEnding::any: return "\n";
      case LineEnding::crlf: return "\r\n";
      case LineEnding::cr: return "\r";
    }
    return {};
  }

  static std::vector<std::string_view> alternatives_to(LineEnding ending) {
    if (ending == LineEnding::any) {
      return {"\r\n", "\r"};
    }
    return {};
  }

  void check(Bytes line) const {
    if (line.size() > scan_.limit()) [[unlikely]] {
      throw too_large(line.size(), scan_.limit());
    }
    std::size_t at = scan_.find_in(line);
    if (at == npos && scan_.drops_cr() && !line.empty() && line.back() == std::byte{'\r'}) {
      at = line.size() - 1;  // Would be taken for a part of the ending.
    }
    if (at != npos) [[unlikely]] {
      throw Error(errc::not_sendable, "the text holds a line ending at byte " + std::to_string(at));
    }
    check_text(text_of(line), encoding_, errc::not_sendable);
  }

  detail::SeparatorScan scan_;
  LastLine last_line_;
  TextEncoding encoding_;
};

}  // namespace cowire
