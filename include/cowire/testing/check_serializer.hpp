// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/serializer_checks.hpp"
#include "cowire/serializer.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/testing/check_report.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace cowire::testing {

/// The options of check_serializer().
template <class S>
struct CheckOptions {
  /// Packets that cannot be sent: `serialize` must throw an Error, and leave what was there.
  std::vector<typename S::sent_packet> unsendable = {};
  /// Whether the stream says where a packet ends. If not, as with Raw, packets are compared joined.
  bool boundaries = true;
  std::uint64_t seed = 1;    ///< Of the random cuts and bytes.
  std::size_t rounds = 300;  ///< How many streams of random and mutated bytes are tried.
  /// The largest single allocation that a decoder may make for a short stream, in bytes.
  std::size_t largest_allocation = std::size_t{1} << 20U;
};

/// Proves that a serializer keeps the laws of StreamSerializer, by the example of some packets:
///
///     CHECK(check_serializer(LineSerializer<>{}, {"one", "", "two words"}));
///
/// Round trip; every way to cut the bytes; several packets at once; the end in the middle; over
/// the limit; bytes of other streams behind a packet; random and mutated bytes; the failure of
/// every allocation; two streams at once; no byte read twice or lost; linear cost. Give it packets
/// of all kinds, an empty one and one of more than 100 bytes among them.
///
/// Takes a `StreamSerializer`, a `Protocol`, or a one-shot `Serializer`, which is put behind a
/// length of 4 bytes. Packets are compared by `==`, or, without one, by the bytes they make.
///
/// No test framework is needed: the report is true or false, and prints. It tells the first law
/// that is broken, by the smallest case that shows it, and what could not be checked. Allocations
/// are made to fail if the program includes `cowire/testing/replace_new.hpp` in one source file.
/// A decoder that never returns cannot be caught: give the test a deadline.
template <class S>
  requires StreamSerializer<S> || Serializer<S>
CheckReport check_serializer(const S& serializer,
                             const std::vector<typename S::sent_packet>& packets,
                             const CheckOptions<S>& options = {}) {
  if constexpr (StreamSerializer<S>) {
    detail::SerializerChecks<S, CheckOptions<S>> checks(serializer, options);
    checks.serialize(packets) && checks.decode();
    return std::move(checks).report();
  } else {
    const auto stream = detail::stream_of(serializer);
    using Stream = LengthPrefixed<detail::SerializerReference<S>>;
    const CheckOptions<Stream> stream_options{.unsendable = options.unsendable,
                                              .boundaries = true,
                                              .seed = options.seed,
                                              .rounds = options.rounds,
                                              .largest_allocation = options.largest_allocation};
    detail::SerializerChecks<Stream, CheckOptions<Stream>> checks(stream, stream_options);
    checks.serialize(packets) && checks.cut_short() && checks.decode();
    return std::move(checks).report();
  }
}

/// The same for a decoder alone, by the example of frames that others have written, each the bytes
/// of one packet: for serializers that send something else than they receive.
///
///     CHECK(check_decoder(commands, {"GET x\n", "\n"}));
template <StreamSerializer S>
CheckReport check_decoder(const S& serializer, const std::vector<std::string>& frames,
                          const CheckOptions<S>& options = {}) {
  detail::SerializerChecks<S, CheckOptions<S>> checks(serializer, options);
  checks.take_frames(frames) && checks.decode();
  return std::move(checks).report();
}

}  // namespace cowire::testing
