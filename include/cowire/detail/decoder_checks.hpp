// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/detail/decoder_run.hpp"
#include "cowire/detail/decoder_trial.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"
#include "cowire/testing/allocations.hpp"
#include "cowire/testing/check_report.hpp"
#include "cowire/testing/splits.hpp"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cowire::testing::detail {

/// What check_serializer() asks of a decoder, by the example of frames: from the plain to the odd,
/// so that the first law that is found broken is the one that explains most.
template <StreamSerializer S>
class DecoderChecks : public DecoderTrial<S> {
 public:
  using DecoderTrial<S>::DecoderTrial;

  /// All but reads(); `long_frame` is one of many bytes, if there is such a one.
  bool all(const std::string& long_frame) {
    return keeps_off() && waits() && pads() && shares() && cuts() && ends() && stops() &&
           survives() && fails_well(long_frame) && is_linear(long_frame);
  }

  /// Whether each frame alone is one packet, of exactly its bytes.
  bool reads() {
    if (frames_.empty()) {
      return report_.fail("no packet was given: nothing was checked");
    }
    if (limits_.frame == npos) {
      report_.leave_out("the limit (the serializer has no frame_limit())");
    }
    if (!this->starts_afresh() || !this->stays_inside()) {
      return false;
    }
    for (std::size_t i = 0; i < frames_.size(); ++i) {
      const std::string& frame = frames_[i];
      const Run<S> run = run_decoder(serializer_, frame, {}, limits_);
      std::string law = run.broken;
      const bool one = run.outcomes.size() == 1 && run.outcomes[0].packet;
      if (law.empty() && !boundaries_ && run.outcomes.empty()) {
        law = "the decoder does not find a packet in the bytes of one";
      } else if (law.empty() && boundaries_ && !one) {
        law = "the decoder does not find one packet in the bytes of one";
      } else if (law.empty() && boundaries_ && run.ends[0] != frame.size()) {
        law = "the decoder does not consume exactly the bytes of a packet";
      }
      if (!law.empty()) {
        Lines lines;
        this->describe({{frame}, {}, {i}}, {}, run, nullptr, &lines);
        return report_.fail(law, std::move(lines));
      }
      packets_.push_back(this->joined(run.outcomes).front());
      report_.count("packets");
      report_.count("bytes", frame.size());
    }
    return true;
  }

  /// Whether any bytes behind a packet are left alone.
  bool keeps_off() {
    std::vector<std::string> tails = frames_;
    tails.insert(tails.end(),
                 {std::string(8, '\0'), std::string(8, '\xff'), this->random_bytes(8)});
    for (std::size_t i = 0; boundaries_ && i < frames_.size(); ++i) {
      for (const std::string& tail : tails) {
        State state{};
        const std::string both = frames_[i] + tail;
        const Answer<S> answer = ask_decoder(serializer_, bytes_of(both), state);
        if (answer.kind != Kind::packet ||
            !same_outcome(serializer_, answer.outcome, packets_[i]) ||
            answer.consumed != frames_[i].size()) {
          return report_.fail("a packet depends on the bytes that follow it",
                              {{"packet", names_[i] + " of " + count_text(frames_[i])},
                               {"arrives", arrival_text(both, {frames_[i].size()})},
                               {"came", answer.text()}});
        }
      }
    }
    return true;
  }

  /// Whether the beginning of a frame is less than a packet, and not more than the frame is
  /// waited for.
  bool waits() {
    for (std::size_t i = 0; boundaries_ && i < frames_.size(); ++i) {
      for (const std::size_t size : this->positions(frames_[i].size())) {
        const std::string begin = frames_[i].substr(0, size);
        State state{};
        const Answer<S> answer = ask_decoder(serializer_, bytes_of(begin), state);
        std::string law;
        if (answer.kind != Kind::more) {
          law = "the decoder does not wait for the rest of a packet";
        } else if (answer.total > frames_[i].size() - answer.consumed) {
          law = "the decoder waits for more bytes than the packet has: the peer may not send them";
        } else if (answer.total != 0 && answer.total <= size - answer.consumed) {
          law = "the decoder asks for bytes that it has already";
        }
        if (!law.empty()) {
          return report_.fail(law, {{"packet", names_[i] + " of " + count_text(frames_[i])},
                                    {"arrives", in_quotes(begin)},
                                    {"came", answer.text()}});
        }
      }
    }
    return true;
  }

  /// Whether padding is no part of a packet: without it the packet is the same.
  bool pads() {
    for (std::size_t i = 0; boundaries_ && i < frames_.size(); ++i) {
      const std::string& frame = frames_[i];
      State state{};
      std::size_t begin = 0;
      std::size_t wanted = 1;
      for (std::size_t end = 1; end < std::min(frame.size(), most_bytewise); ++end) {
        if (end - begin < wanted) {
          continue;
        }
        const Bytes bytes = bytes_of(frame).first(end).subspan(begin);
        const Answer<S> answer = ask_decoder(serializer_, bytes, state);
        if (answer.kind != Kind::more || answer.consumed > bytes.size()) {
          break;  // The other checks tell more.
        }
        begin += static_cast<std::size_t>(answer.consumed);
        wanted = std::max<std::size_t>(answer.total, 1);
        if (answer.padding && !this->is_packet(frame.substr(begin), i)) {
          return report_.fail(
              "the decoder takes a part of a packet for padding: the peer seems to be idle",
              {{"packet", names_[i] + " of " + count_text(frame)},
               {"arrives", in_quotes(frame.substr(0, end)) + ", one byte at a time"},
               {"came", answer.text()}});
        }
      }
    }
    return true;
  }

  /// Whether two streams leave each other alone.
  bool shares() {
    const std::vector<std::string> reversed(frames_.rbegin(), frames_.rend());
    const std::string first = CutStream{frames_, {}, {}}.bytes().substr(0, most_bytewise);
    const std::string second = CutStream{reversed, {}, {}}.bytes().substr(0, most_bytewise);
    const Run<S> first_alone = run_decoder(serializer_, first, this->every_byte(first.size()));
    const Run<S> second_alone = run_decoder(serializer_, second, this->every_byte(second.size()));
    if (!first_alone.broken.empty() || !second_alone.broken.empty()) {
      return true;  // Broken also when nobody disturbs: the other checks tell more.
    }
    Lines lines{{"stream 1", in_quotes(first) + ", one byte at a time"},
                {"stream 2", in_quotes(second) + ", a byte of each in turn"}};
    Feed<S> one(serializer_);
    Feed<S> other(serializer_);
    try {
      for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
        one.receive(bytes_of(first).subspan(std::min(i, first.size()), i < first.size()));
        other.receive(bytes_of(second).subspan(std::min(i, second.size()), i < second.size()));
      }
      one.end();
      other.end();
    } catch (...) {
      lines.emplace_back("thrown", current_exception_text());
      return report_.fail(outside_state, std::move(lines));
    }
    for (const auto& [came, alone] : {std::pair{one.outcomes(), first_alone.outcomes},
                                      std::pair{other.outcomes(), second_alone.outcomes}}) {
      if (!same_outcomes(serializer_, came, alone)) {
        lines.emplace_back("expected", outcomes_text(alone));
        lines.emplace_back("came", outcomes_text(came));
        return report_.fail(outside_state, std::move(lines));
      }
    }
    return true;
  }

  /// Whether the same packets come however the stream is cut: each alone, each two, all.
  bool cuts() {
    const std::size_t most = std::min<std::size_t>(frames_.size(), 8);
    for (std::size_t i = 0; i < most * most; ++i) {
      if (!this->holds({{frames_[i / most], frames_[i % most]}, {}, {i / most, i % most}})) {
        return false;
      }
    }
    for (std::size_t i = 0; i < frames_.size(); ++i) {
      if (!this->cut_ways({{frames_[i]}, {}, {i}}, true)) {
        return false;
      }
    }
    for (std::size_t i = 0; i < most; ++i) {
      for (std::size_t j = 0; j < most; ++j) {
        if (!this->cut_ways({{frames_[i], frames_[j]}, {}, {i, j}}, false)) {
          return false;
        }
      }
    }
    CutStream all{frames_, {}, {}};
    for (std::size_t i = 0; i < frames_.size(); ++i) {
      all.packets.push_back(i);
    }
    return this->cut_ways(all, false);
  }

  /// Whether the end inside a packet is noticed, and does not depend on the cuts.
  bool ends() {
    for (std::size_t i = 0; boundaries_ && i < frames_.size(); ++i) {
      for (const std::size_t size : this->positions(frames_[i].size())) {
        const std::string begin = frames_[i].substr(0, size);
        const Run<S> run = run_decoder(serializer_, begin, {}, limits_);
        if (run.broken.empty() && run.outcomes.empty() && run.mid_packet) {
          return report_.fail(
              "the stream ends inside a packet, and nobody is told",
              {{"packet", names_[i]}, {"arrives", in_quotes(begin) + ", then the end"}});
        }
        if (!this->holds(
                {{frames_[i].substr(0, size / 2), frames_[i].substr(size / 2, size - size / 2)},
                 size <= most_bytewise ? this->every_byte(size) : Cuts{size / 2},
                 {}})) {
          return false;
        }
      }
    }
    return true;
  }

  /// Whether a frame that never ends is given up at the limit.
  bool stops() {
    for (std::size_t i = 0; boundaries_ && limits_.frame <= most_grown && i < frames_.size(); ++i) {
      const std::string& frame = frames_[i];
      for (const std::size_t at : {std::size_t{0}, frame.size() / 2, frame.size() - 1}) {
        for (const char filler : {frame[at], frame[at == 0 ? 0 : at - 1], 'x'}) {
          if (!stops_at_limit(frame.substr(0, at), filler)) {
            return false;
          }
        }
      }
    }
    return true;
  }

  /// Whether random and mutated bytes do no harm, and give the same however they are cut.
  bool survives() {
    for (std::size_t round = 0; round < rounds_; ++round) {
      report_.count("streams of rubbish");
      if (!this->holds_cut(round % 4 == 0 ? this->random_bytes(1 + this->random(64))
                                          : this->mutated())) {
        return false;
      }
    }
    return true;
  }

  /// Whether an allocation that fails is thrown on, or makes no difference.
  bool fails_well(const std::string& long_frame) {
    if (!AllocationWatch::works()) {
      report_.leave_out(
          "failing allocations (include cowire/testing/replace_new.hpp in one source file)");
      return true;
    }
    std::vector<std::string> frames = boundaries_ ? frames_ : std::vector<std::string>();
    if (!long_frame.empty()) {
      frames.push_back(long_frame);
    }
    for (const std::string& frame : frames) {
      State fresh{};
      const Answer<S> expected = ask_decoder(serializer_, bytes_of(frame), fresh);
      for (const std::size_t seen : {std::size_t{0}, frame.size() / 2}) {
        for (std::size_t failing = 0; failing < most_failures; ++failing) {
          const auto answer = ask_without_memory(serializer_, bytes_of(frame), seen, failing);
          if (!answer) {
            break;
          }
          report_.count("failed allocations");
          if (!answer->ran_out && !same_answer(serializer_, *answer, expected)) {
            return report_.fail("the decoder makes something else of an allocation that fails",
                                {{"arrives", arrival_text(frame, seen == 0 ? Cuts() : Cuts{seen})},
                                 {"failing", "allocation " + std::to_string(failing + 1)},
                                 {"expected", "std::bad_alloc, or " + expected.text()},
                                 {"came", answer->text()}});
          }
        }
      }
    }
    return true;
  }

  /// Whether bytes that were seen are looked at again when more arrive: that needs quadratic time.
  ///
  /// How often a byte is read cannot be counted from outside. So those that the decoder has seen,
  /// but the first and last few, are overwritten: who looks again, takes the bait. And the copies
  /// that a decoder makes are counted, if they are allocated.
  bool is_linear(const std::string& long_frame) {
    std::string frame = long_frame;
    for (const std::string& other : frames_) {
      frame = other.size() > frame.size() && other.size() <= most_bytewise ? other : frame;
    }
    if (!boundaries_ || frame.size() < 100) {
      report_.leave_out("linear cost (give it a packet of 100 bytes or more)");
      return true;
    }
    const Probe plain = this->probe(frame, "");
    if (!plain.whole) {
      report_.leave_out("linear cost (the decoder takes its packets in parts)");
      return true;
    }
    if (plain.allocated > 64 * frame.size() + 4096) {
      return report_.fail("the decoder copies what it has seen again and again: quadratic cost",
                          {{"packet", "of " + count_text(frame) + ", one byte at a time"},
                           {"allocated", std::to_string(plain.allocated) + " bytes"}});
    }
    std::set<std::string> baits{std::string(1, '\0'), std::string(1, '\xff')};
    for (std::size_t size = 1; size <= 4; ++size) {
      baits.insert(frame.substr(frame.size() - size));
    }
    for (std::size_t i = 0; i < frame.size() && baits.size() < 32; ++i) {
      baits.insert(frame.substr(i, 1));
    }
    for (const std::string& bait : baits) {
      const Probe baited = this->probe(frame, bait);
      if (!baited.whole) {
        return report_.fail("the decoder looks again at bytes that it has seen: quadratic cost",
                            {{"packet", "of " + count_text(frame) + ", one byte at a time"},
                             {"bait", in_quotes(bait) + " over the bytes that were seen"},
                             {"taken", "after " + std::to_string(baited.size) + " bytes"}});
      }
    }
    report_.count("baits", baits.size());
    return true;
  }

 private:
  using Trial = DecoderTrial<S>;
  using Kind = typename Answer<S>::Kind;
  using State = typename S::decoder_state;
  using Trial::boundaries_;
  using Trial::frames_;
  using Trial::limits_;
  using Trial::most_bytewise;
  using Trial::names_;
  using Trial::outside_state;
  using Trial::packets_;
  using Trial::report_;
  using Trial::rounds_;
  using Trial::serializer_;
  using typename Trial::Probe;

  bool stops_at_limit(const std::string& begin, char filler) {
    const std::string filling(std::min<std::size_t>(limits_.frame, 1024) / 2 + 1, filler);
    Feed<S> feed(serializer_);
    std::size_t received = begin.size();
    try {
      feed.receive(bytes_of(begin));
      for (; received <= limits_.frame && feed.outcomes().empty(); received += filling.size()) {
        feed.receive(bytes_of(filling));
      }
    } catch (...) {
      return report_.fail("the decoder throws: it must report bad data, by Decoded::bad",
                          {{"because", current_exception_text()}});
    }
    const std::size_t most = std::max(feed.kept(), feed.wanted());
    return most <= limits_.frame ||
           report_.fail(over_limit, {{"arrives", in_quotes(begin + filling, 40)},
                                     {"after", std::to_string(received) + " bytes"},
                                     {"waits for", std::to_string(most) + " bytes"},
                                     {"limit", std::to_string(limits_.frame) + " bytes"}});
  }

  static std::string count_text(const std::string& bytes) {
    return std::to_string(bytes.size()) + " bytes";
  }

  static constexpr std::size_t most_grown = std::size_t{1} << 20U;
  static constexpr std::size_t most_failures = 1000;
};

}  // namespace cowire::testing::detail
