// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/separator_scan.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cowire {

/// The options of Separated.
struct SeparatedOptions {
  std::string_view separator = "\n";  ///< Follows each packet. Copied by the constructor.
  /// These end received packets as well. Copied by the constructor.
  std::vector<std::string_view> alternatives = {};
  std::size_t limit = default_frame_limit;  ///< The most bytes of a packet, without separator.
};

/// Makes a stream serializer of any serializer: each packet is followed by a separator.
///
///     Separated{Text<>{}, {.separator = "::"}}
///
///     received     "one::two::th"
///     packets      "one", "two"           kept: "th"
///
///     received     "12345678::ok::"       (limit 4)
///     packets      too_large, "ok"        the overlong packet is dropped, its separator included
///
///     received     "one\rtwo\r\n\n"     ({.separator = "\n", .alternatives = {"\r", "\r\n"}})
///     packets      "one", "two", ""
///
/// Of several separators the one that begins first ends the packet; of those that begin at the same
/// place the longest. A packet is not waited with until a longer one might have come: if the stream
/// is cut between `\r` and `\n`, the `\r` ends the packet and the `\n` is dropped when it comes.
///
/// A packet that the inner serializer rejects is dropped with its separator. Two separators in a
/// row have an empty packet between them: the inner serializer decides what that is.
template <Serializer S>
class Separated {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;
  using decoder_state = detail::ScanState;

  /// @throws Error invalid_argument if a separator is empty.
  explicit Separated(S serializer = S{}, const SeparatedOptions& options = {})
      : serializer_(std::move(serializer)),
        scan_(options.separator, options.limit, false, options.alternatives) {}

  /// Appends the packet and a separator.
  /// @throws Error not_sendable: the packet's bytes hold a separator, or begin or end so that one
  /// would be found in the wrong place. too_large: they are over the limit. And what the inner
  /// serializer throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    serializer_.serialize(packet, out);
    const std::size_t size = out.size() - start;
    if (size > scan_.limit()) [[unlikely]] {
      throw too_large(size, scan_.limit());
    }
    out.append(scan_.separator());
    if (const std::size_t at = scan_.ends_early(out.since(start), size); at != npos) [[unlikely]] {
      throw Error(errc::not_sendable,
                  "the packet holds the separator at byte " + std::to_string(at));
    }
  }

  Decoded<received_packet> decode(Bytes bytes, decoder_state& state) const {
    return scan_.decode<received_packet>(
        bytes, state, [this](Bytes payload) { return serializer_.deserialize(payload); });
  }

  /// The limit and room for the longest separator.
  std::size_t frame_limit() const noexcept { return scan_.frame_limit(); }

 private:
  [[no_unique_address]] S serializer_;
  detail::SeparatorScan scan_;
};

}  // namespace cowire
