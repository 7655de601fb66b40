// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/decoder_run.hpp"
#include "cowire/detail/decoder_trial.hpp"
#include "cowire/detail/serializer_checks.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"
#include "cowire/testing/check_report.hpp"
#include "cowire/testing/check_serializer.hpp"
#include "cowire/testing/splits.hpp"

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

namespace cowire::testing {

/// The options of fuzz().
struct FuzzOptions {
  /// Whether the stream says where a packet ends. If not, as with Raw, packets are compared joined.
  bool boundaries = true;
  /// Whether a packet that was received can be sent again and is then the same.
  bool round_trip = true;
  /// The largest allocation at once, in bytes; counted with `cowire/testing/replace_new.hpp` only.
  std::size_t largest_allocation = std::size_t{1} << 20U;
};

namespace detail {

// FNV-1a: the same on every machine.
inline std::uint64_t hash_of(std::string_view bytes) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  }
  return hash;
}

// A packet that came out of a stream is written, read again, and must be the same.
template <class S, class Packet>
void check_again(const S& serializer, const Packet& packet, CheckReport& report) {
  if constexpr (std::constructible_from<typename S::sent_packet, const Packet&>) {
    std::string frame;
    try {
      frame = encode_all(serializer, typename S::sent_packet(packet));
    } catch (const Error&) {
      return;  // Not everything that is understood can be said.
    } catch (...) {
      report.fail("serialize throws something that is not an Error",
                  {{"packet", outcome_text(Outcome<Packet>(packet))},
                   {"thrown", current_exception_text()}});
      return;
    }
    const Run<S> again = run_decoder(serializer, frame);
    const bool same = again.broken.empty() && again.outcomes.size() == 1 &&
                      same_outcome(serializer, again.outcomes[0], Outcome<Packet>(packet));
    if (!same) {
      report.fail("a packet is not the same after the round trip",
                  {{"packet", outcome_text(Outcome<Packet>(packet))},
                   {"bytes", in_quotes(frame)},
                   {"came", again.broken.empty() ? outcomes_text(again.outcomes) : again.broken}});
    }
  }
}

}  // namespace detail

/// What fuzz() checks of a byte string, as a report.
template <class S>
  requires StreamSerializer<S> || Serializer<S>
CheckReport check_bytes(const S& serializer, std::string_view bytes,
                        const FuzzOptions& options = {}) {
  if constexpr (StreamSerializer<S>) {
    const CheckOptions<S> all{.boundaries = options.boundaries,
                              .seed = detail::hash_of(bytes),
                              .largest_allocation = options.largest_allocation};
    CheckReport report;
    detail::DecoderTrial<S> trial(serializer, all, report);
    if (!trial.holds_cut(bytes) || !options.round_trip) {
      return report;
    }
    for (const auto& outcome : detail::run_decoder(serializer, bytes).outcomes) {
      if (outcome.packet && report.ok()) {
        detail::check_again(serializer, *outcome.packet, report);
      }
    }
    return report;
  } else {
    constexpr std::size_t width = detail::length_width;
    std::string frame(width, '\0');
    write_uint(std::as_writable_bytes(std::span(frame)), bytes.size(), width, std::endian::big);
    return check_bytes(detail::stream_of(serializer), frame.append(bytes), options);
  }
}

/// The entry of a libFuzzer program, in one line:
///
///     extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
///       return cowire::testing::fuzz(LineSerializer<>{{.limit = 16}}, data, size);
///     }
///
/// Feeds the bytes whole, one at a time, and cut in ways that depend on them alone. Prints a report
/// and aborts if the outcomes differ or a law of StreamSerializer is broken, and if a packet that
/// came out cannot be sent and received again. Small limits find more. The input is the stream as
/// it is, so that the files of a corpus can be written by hand.
///
/// @returns 0.
template <class S>
  requires StreamSerializer<S> || Serializer<S>
int fuzz(const S& serializer, const std::uint8_t* data, std::size_t size,
         const FuzzOptions& options = {}) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const CheckReport report = check_bytes(serializer, bytes, options); !report) {
    std::fprintf(stderr, "%s\n", report.text().c_str());
    std::abort();
  }
  return 0;
}

}  // namespace cowire::testing
