// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/detail/decoder_run.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"
#include "cowire/testing/allocations.hpp"
#include "cowire/testing/check_report.hpp"
#include "cowire/testing/splits.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cowire::testing::detail {

using Lines = std::vector<std::pair<std::string, std::string>>;

/// The frames of a check, the packets in them, and the law that every stream obeys.
template <StreamSerializer S>
class DecoderTrial {
 public:
  template <class Options>
  DecoderTrial(const S& serializer, const Options& options, CheckReport& report)
      : serializer_(serializer),
        report_(report),
        boundaries_(options.boundaries),
        rounds_(options.rounds),
        random_(options.seed) {
    if constexpr (HasFrameLimit<S>) {
      limits_.frame = serializer.frame_limit() == 0 ? npos : serializer.frame_limit();
    }
    limits_.allocation = options.largest_allocation;
    report.count("packets", 0);  // These are told first.
    report.count("bytes", 0);
  }

  /// The bytes of one packet.
  void add(std::string name, std::string frame) {
    names_.push_back(std::move(name));
    frames_.push_back(std::move(frame));
  }

  const std::vector<std::string>& frames() const noexcept { return frames_; }
  std::size_t limit() const noexcept { return limits_.frame; }

  /// What came of each frame.
  const Outcomes<S>& packets() const noexcept { return packets_; }

  /// Whether a stream obeys the laws, whatever it is; if not, the smallest that does not is told.
  bool holds(const CutStream& stream) {
    const std::string law = problem(stream);
    if (law.empty()) {
      return true;
    }
    Lines lines;
    problem(shrink(stream, [&](const CutStream& less) { return problem(less) == law; }), &lines);
    return report_.fail(law, std::move(lines));
  }

  /// The same for any bytes, cut in a few ways.
  bool holds_cut(std::string_view bytes) {
    CutStream stream{{std::string(bytes)}, {}, {}};
    if (bytes.size() <= 256) {
      stream.cuts = every_byte(bytes.size());
      if (!holds_bytes(stream)) {
        return false;
      }
    }
    for (const std::size_t often : {std::size_t{2}, std::size_t{12}}) {
      stream.cuts.clear();
      for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        if (random(often) == 0) {
          stream.cuts.push_back(cut);
        }
      }
      if (!holds_bytes(stream)) {
        return false;
      }
    }
    return true;
  }

 protected:
  // Any byte may be left out to make the stream smaller.
  bool holds_bytes(const CutStream& stream) {
    if (problem(stream).empty()) {
      return true;
    }
    CutStream bytes{{}, stream.cuts, {}};
    for (const char byte : stream.bytes()) {
      bytes.units.emplace_back(1, byte);
    }
    return holds(bytes);
  }

  // A stream of known packets gives them, at their ends. Any other gives what it gives whole.
  std::string problem(const CutStream& stream, Lines* lines = nullptr) const {
    const std::string bytes = stream.bytes();
    Run<S> expected;
    if (stream.packets.empty()) {
      expected = run_decoder(serializer_, bytes, {}, limits_);
      if (!expected.broken.empty()) {
        describe(stream, {}, expected, nullptr, lines);
        return expected.broken;
      }
    }
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < stream.packets.size(); ++i) {
      expected.outcomes.push_back(packets_[stream.packets[i]]);
      expected.ends.push_back(end += stream.units[i].size());
    }
    const Run<S> run = run_decoder(serializer_, bytes, stream.cuts, limits_);
    std::string law = run.broken;
    if (law.empty() &&
        !same_outcomes(serializer_, joined(run.outcomes), joined(expected.outcomes))) {
      law = stream.cuts.empty() ? "packets that come together are not those that come alone"
                                : "the packets depend on where the stream is cut";
    } else if (law.empty() && boundaries_ && !stream.packets.empty() && run.ends != expected.ends) {
      law = "bytes are read twice or lost: a packet does not end where it was written to end";
    }
    if (!law.empty()) {
      describe(stream, stream.cuts, run, &expected, lines);
    }
    return law;
  }

  void describe(const CutStream& stream, const Cuts& cuts, const Run<S>& run,
                const Run<S>* expected, Lines* lines) const {
    if (lines == nullptr) {
      return;
    }
    std::string names;
    for (const std::size_t packet : stream.packets) {
      names += (names.empty() ? "" : ", ") + names_[packet];
    }
    if (!names.empty()) {
      lines->emplace_back(stream.packets.size() == 1 ? "packet" : "packets", names);
    }
    lines->emplace_back("arrives", arrival_text(stream.bytes(), cuts));
    if (expected != nullptr) {
      lines->emplace_back("expected", outcomes_text(expected->outcomes));
    }
    lines->emplace_back("came", outcomes_text(run.outcomes));
    if (!run.note.empty()) {
      lines->emplace_back("because", run.note);
    }
  }

  // Where the stream does not say where packets end, only their sum counts.
  Outcomes<S> joined(const Outcomes<S>& outcomes) const {
    if (boundaries_) {
      return outcomes;
    }
    Outcomes<S> sum;
    for (const auto& outcome : outcomes) {
      if constexpr (requires(typename Outcomes<S>::value_type o) {
                      o.packet->insert(o.packet->end(), o.packet->begin(), o.packet->end());
                    }) {
        if (outcome.packet && !sum.empty() && sum.back().packet) {
          sum.back().packet->insert(sum.back().packet->end(), outcome.packet->begin(),
                                    outcome.packet->end());
          continue;
        }
      }
      sum.push_back(outcome);
    }
    return sum;
  }

  // Cuts a stream of packets: whole, all single cuts, each byte alone, each two cuts if it is
  // short, and at random.
  bool cut_ways(CutStream stream, bool pairs) {
    const std::size_t size = stream.bytes().size();
    std::vector<Cuts> ways{{}};
    for (const std::size_t cut : positions(size)) {
      ways.push_back({cut});
    }
    if (size <= most_bytewise) {
      ways.push_back(every_byte(size));
    }
    if (pairs && size <= 64) {
      ways = ways_to_cut(size);
      std::rotate(ways.begin() + 1, ways.begin() + 2, ways.end());  // Many cuts tell little: last.
    }
    for (std::size_t i = 0; i < 20 && size > 3; ++i) {
      Cuts cuts;
      for (std::size_t cut = 1 + random(size); cut < size; cut += 1 + random(size / 2)) {
        cuts.push_back(cut);
      }
      ways.push_back(std::move(cuts));
    }
    report_.count("ways to cut", ways.size());
    for (Cuts& cuts : ways) {
      stream.cuts = std::move(cuts);
      if (!holds(stream)) {
        return false;
      }
    }
    return true;
  }

  // A stream that was abandoned somewhere leaves nothing behind.
  bool starts_afresh() {
    for (const std::string& frame : frames_) {
      const std::string memory = frame + std::string(64, '\0');
      std::optional<Answer<S>> first;
      for (const std::size_t size : positions(frame.size() + 1)) {
        typename S::decoder_state abandoned{};
        typename S::decoder_state fresh{};
        Answer<S> answer = ask_decoder(serializer_, bytes_of(memory).first(frame.size()), fresh);
        if (first && !same_answer(serializer_, answer, *first)) {
          return report_.fail(outside_state,
                              {{"stream 1", in_quotes(frame.substr(0, size - 1)) + ", abandoned"},
                               {"stream 2", in_quotes(frame)},
                               {"expected", first->text()},
                               {"came", answer.text()}});
        }
        first.emplace(std::move(answer));
        ask_decoder(serializer_, bytes_of(memory).first(size), abandoned);
      }
    }
    return true;
  }

  // Each beginning of each frame, with other bytes behind it, which must not matter.
  bool stays_inside() {
    for (const std::string& frame : frames_) {
      for (const std::size_t size : positions(frame.size() + 1)) {
        std::optional<Answer<S>> first;
        for (const std::string& behind : {frame.substr(size) + std::string(64, 'x'),
                                          std::string(64, '\0'), std::string(64, '\xff')}) {
          const std::string memory = frame.substr(0, size) + behind;
          typename S::decoder_state state{};
          Answer<S> answer = ask_decoder(serializer_, bytes_of(memory).first(size), state);
          if (first && !same_answer(serializer_, answer, *first)) {
            return report_.fail("the decoder reads past the end of the bytes it is given",
                                {{"bytes", in_quotes(memory.substr(0, size))},
                                 {"expected", first->text()},
                                 {"came", answer.text()},
                                 {"behind", in_quotes(behind, 16)}});
          }
          first.emplace(std::move(answer));
        }
      }
    }
    return true;
  }

  // Whether these bytes, in a stream of their own, are that packet.
  bool is_packet(const std::string& bytes, std::size_t packet) const {
    const Run<S> run = run_decoder(serializer_, bytes, {}, limits_);
    return run.broken.empty() && run.outcomes.size() == 1 &&
           same_outcome(serializer_, run.outcomes[0], packets_[packet]);
  }

  // Every place inside of `size` bytes; of many bytes, the first, the last, and some others.
  std::vector<std::size_t> positions(std::size_t size) {
    std::vector<std::size_t> all;
    for (std::size_t at = 1; at < size; ++at) {
      if (size <= 300 || at <= 80 || size - at <= 80) {
        all.push_back(at);
      } else if (at == 81) {
        for (int i = 0; i < 40; ++i) {
          all.push_back(81 + random(size - 162));
        }
        std::ranges::sort(all);
        at = size - 81;
      }
    }
    return all;
  }

  static Cuts every_byte(std::size_t size) {
    Cuts cuts;
    for (std::size_t cut = 1; cut < size; ++cut) {
      cuts.push_back(cut);
    }
    return cuts;
  }

  // A number below `end`: the same on every machine, as the distributions of std are not.
  std::size_t random(std::size_t end) { return static_cast<std::size_t>(random_() % end); }

  std::string random_bytes(std::size_t size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) {
      bytes += static_cast<char>(random(256));
    }
    return bytes;
  }

  // Some of the frames, a little wrong: other lengths, bytes lost, doubled or added.
  std::string mutated() {
    std::string bytes;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::string& frame = frames_[random(frames_.size())];
      bytes += bytes.size() + frame.size() <= 300 ? frame : frame.substr(0, 64);
    }
    constexpr std::string_view odd("\0\1\x7f\x80\xff\r\n\t 09,:;\"\\[]{}-=", 22);
    for (std::size_t i = 1 + random(4); i != 0; --i) {
      const std::size_t at = random(bytes.size());
      const std::size_t size = 1 + random(std::min<std::size_t>(8, bytes.size() - at));
      switch (random(6)) {
        case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random(8))); break;
        case 1: bytes[at] = odd[random(odd.size())]; break;
        case 2: bytes.replace(at, size, std::string(size, odd[random(5)])); break;
        case 3: bytes.insert(at, bytes.substr(at, size)); break;
        case 4: bytes.insert(at, random_bytes(size)); break;
        default:
          if (bytes.size() > size) {
            bytes.erase(at, size);
          }
      }
    }
    return bytes;
  }

  /// A frame is fed byte by byte while a bait is written over what was seen.
  struct Probe {
    bool whole = false;         // nothing came before the last byte, and then all was taken
    std::size_t size = 0;       // so many bytes had come
    std::size_t allocated = 0;  // bytes, in all calls
  };
  Probe probe(const std::string& frame, std::string_view bait) const {
    constexpr std::size_t kept = 32;  // the first bytes may be a header, the last a separator
    std::vector<std::byte> bytes(frame.size());
    typename S::decoder_state state{};
    Probe result;
    std::size_t wanted = 0;
    for (std::size_t size = 1; size <= frame.size(); ++size) {
      bytes[size - 1] = bytes_of(frame)[size - 1];
      if (size >= wanted) {
        const AllocationWatch watch;
        const Answer<S> answer = ask_decoder(serializer_, Bytes(bytes.data(), size), state);
        result.size = size;
        if (answer.kind != Answer<S>::Kind::more || answer.consumed != 0) {
          result.whole = size == frame.size() && answer.consumed == size;
          return result;
        }
        result.allocated += watch.bytes();
        wanted = answer.total;
      }
      if (!bait.empty() && size > 2 * kept) {
        const std::size_t seen = size - kept - 1;
        bytes[seen] = bytes_of(bait)[seen % bait.size()];
      }
    }
    return result;
  }

  static constexpr std::size_t most_bytewise = 4096;
  static constexpr const char* outside_state =
      "one stream disturbs another: the serializer keeps something outside of decoder_state";

  const S& serializer_;
  CheckReport& report_;
  bool boundaries_;
  std::size_t rounds_;
  RunLimits limits_;
  std::vector<std::string> names_;
  std::vector<std::string> frames_;
  Outcomes<S> packets_;

 private:
  std::mt19937_64 random_;
};

}  // namespace cowire::testing::detail
