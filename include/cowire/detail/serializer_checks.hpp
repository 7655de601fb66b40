// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/decoder_checks.hpp"
#include "cowire/detail/decoder_run.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/testing/allocations.hpp"
#include "cowire/testing/check_report.hpp"
#include "cowire/testing/splits.hpp"

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <new>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cowire::testing::detail {

/// A one-shot serializer that belongs to somebody else.
template <Serializer S>
class SerializerReference {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;

  explicit SerializerReference(const S& serializer) noexcept : serializer_(&serializer) {}

  template <class Packet>
    requires requires(const S& s, const Packet& p, OutputBuffer& o) { s.serialize(p, o); }
  void serialize(const Packet& packet, OutputBuffer& out) const {
    serializer_->serialize(packet, out);
  }
  received_packet deserialize(Bytes bytes) const { return serializer_->deserialize(bytes); }

 private:
  const S* serializer_;
};

inline constexpr std::size_t length_width = 4;

/// A stream of packets of a one-shot serializer: each is behind a length.
template <Serializer S>
LengthPrefixed<SerializerReference<S>> stream_of(const S& serializer) {
  return LengthPrefixed<SerializerReference<S>>(
      SerializerReference<S>(serializer), {.width = length_width, .limit = std::size_t{1} << 24U});
}

/// The checks of check_serializer(). Each returns whether all is well.
template <StreamSerializer S, class Options>
class SerializerChecks {
 public:
  SerializerChecks(const S& serializer, const Options& options)
      : serializer_(serializer), options_(options), decoder_(serializer, options, report_) {}
  SerializerChecks(const SerializerChecks&) = delete;
  SerializerChecks& operator=(const SerializerChecks&) = delete;

  CheckReport report() && { return std::move(report_); }

  /// Writes the packets, reads them back, and tries to write what cannot be written.
  bool serialize(const std::vector<typename S::sent_packet>& packets) {
    for (const auto& packet : packets) {
      if (!writes(packet)) {
        return false;
      }
    }
    return decoder_.reads() && returns(packets) && refuses() && keeps_to_limit();
  }

  /// Takes frames instead of packets.
  bool take_frames(const std::vector<std::string>& frames) {
    for (const std::string& frame : frames) {
      decoder_.add("in " + in_quotes(frame), frame);
    }
    return decoder_.reads();
  }

  /// Packets of a one-shot serializer that lack their last bytes, behind the right length.
  bool cut_short() {
    for (const std::string& frame : decoder_.frames()) {
      for (std::size_t end = length_width; end < std::min<std::size_t>(frame.size(), 300); ++end) {
        std::vector<std::byte> cut(bytes_of(frame).begin(), bytes_of(frame).end());
        cut.resize(end);
        write_uint(cut, end - length_width, length_width, std::endian::big);
        if (!decoder_.holds({{std::string(text_of(cut))}, {}, {}})) {
          return false;
        }
      }
    }
    return true;
  }

  /// All that is asked of the decoder alone.
  bool decode() { return decoder_.all(text_frame(1000)); }

 private:
  static constexpr std::string_view before = "earlier";
  static constexpr std::size_t most_failures = 1000;
  static constexpr std::size_t most_text = std::size_t{1} << 20U;

  template <class Packet>
  static std::string name_of(const Packet& packet) {
    return outcome_text(Outcome<typename Owned<Packet>::type>(owned(Packet(packet))));
  }

  template <class Packet>
  bool writes(const Packet& packet) {
    BlockPool pool;
    OutputBuffer out(pool);
    out.append(before);
    const std::string name = name_of(packet);
    try {
      serializer_.serialize(packet, out);
    } catch (const Error& error) {
      return report_.fail("serialize refuses a packet",
                          {{"packet", name}, {"because", error.what()}});
    } catch (...) {
      return throws_other(name);
    }
    if (!only_appends(name, out)) {
      return false;
    }
    std::string frame(text_of(out.readable()).substr(before.size()));
    if (frame.empty()) {
      return report_.fail("a packet is written as no bytes at all: the peer will not see it",
                          {{"packet", name}});
    }
    if (frame.size() > decoder_.limit() && options_.boundaries) {
      return too_much(name, frame.size());
    }
    if (!writes_without_memory(packet, name, frame)) {
      return false;
    }
    decoder_.add(name, std::move(frame));
    return true;
  }

  bool throws_other(const std::string& name) {
    return report_.fail("serialize throws something that is not an Error",
                        {{"packet", name}, {"thrown", current_exception_text()}});
  }

  bool only_appends(const std::string& name, const OutputBuffer& out) {
    return text_of(out.readable()).starts_with(before) ||
           report_.fail("serialize changes what was there: it may only append",
                        {{"packet", name},
                         {"was there", in_quotes(before)},
                         {"then", in_quotes(text_of(out.readable()))}});
  }

  bool too_much(const std::string& name, std::size_t size) {
    return report_.fail("serialize sends more than its own frame_limit()",
                        {{"packet", name},
                         {"makes", std::to_string(size) + " bytes"},
                         {"limit", std::to_string(decoder_.limit())}});
  }

  template <class Packet>
  bool writes_without_memory(const Packet& packet, const std::string& name,
                             const std::string& frame) {
    // So that there is no room for the packet.
    const std::string full = std::string(before) + std::string(BlockPool::small_size, '.');
    for (std::size_t failing = 0; failing < most_failures; ++failing) {
      BlockPool pool;
      OutputBuffer out(pool);
      out.append(full.substr(0, BlockPool::small_size));
      const AllocationWatch watch(failing);
      bool thrown = false;
      try {
        serializer_.serialize(packet, out);
      } catch (const std::bad_alloc&) {
        thrown = true;
      } catch (...) {
        return report_.fail("serialize makes something else of an allocation that fails",
                            {{"packet", name}, {"thrown", current_exception_text()}});
      }
      if (!watch.failed()) {
        break;
      }
      report_.count("failed allocations");
      if (!only_appends(name, out)) {
        return false;
      }
      if (!thrown && text_of(out.readable()).substr(BlockPool::small_size) != frame) {
        return report_.fail("serialize makes something else of an allocation that fails",
                            {{"packet", name}, {"written", in_quotes(text_of(out.readable()))}});
      }
    }
    return true;
  }

  // What was read is what was written.
  bool returns(const std::vector<typename S::sent_packet>& packets) {
    for (std::size_t i = 0; options_.boundaries && i < packets.size(); ++i) {
      const auto& came = decoder_.packets()[i];
      if (!same(packets[i], *came.packet, decoder_.frames()[i])) {
        return report_.fail("a packet is not the same after the round trip",
                            {{"packet", name_of(packets[i])},
                             {"bytes", in_quotes(decoder_.frames()[i])},
                             {"came", outcome_text(came)}});
      }
    }
    return true;
  }

  template <class Sent, class Received>
  bool same(const Sent& sent, const Received& received, const std::string& frame) {
    if constexpr (CanCompare<Received, Sent>) {
      return bool(received == sent);
    } else if constexpr (CanCompareItems<Received, Sent>) {
      return std::ranges::equal(sent, received);
    } else if constexpr (std::convertible_to<const Received&, const Sent&>) {
      return encode_all(serializer_, received) == frame;
    } else {
      if (&frame == &decoder_.frames().front()) {
        report_.leave_out("the round trip (the packets sent and received cannot be compared)");
      }
      return true;
    }
  }

  bool refuses() {
    for (const auto& packet : options_.unsendable) {
      BlockPool pool;
      OutputBuffer out(pool);
      out.append(before);
      try {
        serializer_.serialize(packet, out);
      } catch (const Error&) {
        if (!only_appends(name_of(packet), out)) {
          return false;
        }
        continue;
      } catch (...) {
        return throws_other(name_of(packet));
      }
      return report_.fail("serialize sends a packet that cannot be sent",
                          {{"packet", name_of(packet)},
                           {"bytes", in_quotes(text_of(out.readable()).substr(before.size()))}});
    }
    return true;
  }

  bool keeps_to_limit() {
    if (!options_.boundaries || decoder_.limit() > most_text) {
      return true;
    }
    const std::string frame = text_frame(decoder_.limit() + 1);
    return frame.size() <= decoder_.limit() ||
           too_much("a text of " + std::to_string(decoder_.limit() + 1) + " bytes", frame.size());
  }

  // The frame of a long text, or nothing if packets are not made of text.
  std::string text_frame([[maybe_unused]] std::size_t size) {
    if constexpr (std::constructible_from<typename S::sent_packet, std::string_view>) {
      try {
        const std::string text(size, 'a');
        return encode_all(serializer_, typename S::sent_packet(std::string_view(text)));
      } catch (const Error&) {
        return {};
      }
    } else {
      return {};
    }
  }

  const S& serializer_;
  const Options& options_;
  CheckReport report_;
  DecoderChecks<S> decoder_;
};

}  // namespace cowire::testing::detail
