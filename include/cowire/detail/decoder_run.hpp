// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"
#include "cowire/testing/allocations.hpp"
#include "cowire/testing/splits.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <ranges>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

/// What check_serializer() and fuzz() have in common: a decoder is run, and told about.
namespace cowire::testing::detail {

using Cuts = std::vector<std::size_t>;

/// The exception that is being handled, in words.
inline std::string current_exception_text() {
  try {
    throw;
  } catch (const Error& error) {
    return std::string("an Error: ") + error.what();
  } catch (const std::exception& error) {
    return std::string("an exception that is not an Error: ") + error.what();
  } catch (...) {
    return "something that is not even a std::exception";
  }
}

inline std::string in_quotes(std::string_view bytes, std::size_t most = 80) {
  return '"' + printable(bytes_of(bytes), most) + '"';
}

/// A stream in its pieces: "5:h" | "ello,"
inline std::string arrival_text(std::string_view bytes, const Cuts& cuts) {
  if (bytes.size() > 8 && cuts.size() + 1 == bytes.size()) {
    return in_quotes(bytes) + ", one byte at a time";
  }
  std::string out;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const std::size_t end = i < cuts.size() ? cuts[i] : bytes.size();
    out += (i == 0 ? "" : " | ") + in_quotes(bytes.substr(begin, end - begin));
    begin = end;
  }
  return out;
}

template <class Packet>
std::string outcome_text(const Outcome<Packet>& outcome) {
  if (!outcome.packet) {
    const cowire::detail::ErrcText* known =
        outcome.error.category() == error_category()
            ? cowire::detail::find_errc_text(outcome.error.value())
            : nullptr;
    return "error (" + (known ? std::string(known->summary) : outcome.error.message()) + ")";
  }
  std::ostringstream out;
  try {
    out << outcome;
  } catch (const std::exception&) {  // As that of a JSON document whose text is not UTF-8.
    return "a packet that cannot be printed";
  }
  std::string text = std::move(out).str();
  return text.size() <= 120 ? text : text.substr(0, 120) + "...";
}

template <class Outcomes>
std::string outcomes_text(const Outcomes& outcomes) {
  std::string out;
  constexpr std::size_t most = 12;
  for (std::size_t i = 0; i < std::min(outcomes.size(), most); ++i) {
    out += (i == 0 ? "" : ", ") + outcome_text(outcomes[i]);
  }
  if (outcomes.size() > most) {
    out += ", and " + std::to_string(outcomes.size() - most) + " more";
  }
  return out.empty() ? "nothing" : out;
}

/// What came out of one stream; `broken` says which law the decoder broke, if it did.
template <class S>
struct Run {
  Outcomes<S> outcomes;
  std::vector<std::uint64_t> ends;
  std::string broken;
  std::string note;         // the numbers to it
  bool mid_packet = false;  // when the stream ended
};

inline constexpr const char* over_limit = "the decoder waits for more bytes than its frame_limit()";

/// Bounds that a decoder has to keep while it runs.
struct RunLimits {
  std::size_t frame = npos;       // how many bytes it may wait for
  std::size_t allocation = npos;  // the largest allocation, counted only if AllocationWatch works
};

/// Decodes a stream that arrives cut at the given places, then ends.
template <class S>
Run<S> run_decoder(const S& serializer, std::string_view bytes, const Cuts& cuts = {},
                   const RunLimits& limits = {}) {
  Run<S> run;
  Feed<S> feed(serializer);
  try {
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= cuts.size() && run.broken.empty(); ++i) {
      const std::size_t end = i < cuts.size() ? cuts[i] : bytes.size();
      feed.receive(bytes_of(bytes.substr(begin, end - begin)));
      begin = end;
      if (const std::size_t most = std::max(feed.kept(), feed.wanted()); most > limits.frame) {
        run.broken = over_limit;
        run.note = std::to_string(most) + " bytes, the limit is " + std::to_string(limits.frame);
      }
    }
    run.mid_packet = feed.mid_packet();
    feed.end();
  } catch (const BrokenLaw& law) {
    run.broken = law.what();
  } catch (...) {
    run.broken = "the decoder throws: it must report bad data, by Decoded::bad";
    run.note = current_exception_text();
  }
  if (run.broken.empty() &&
      feed.largest_allocation() > std::max(limits.allocation, 8 * bytes.size())) {
    run.broken = "the decoder allocates what a header announces before it has come";
    run.note = std::to_string(feed.largest_allocation()) + " bytes at once";
  }
  run.outcomes = feed.outcomes();
  run.ends = feed.ends();
  return run;
}

/// What a decoder says to some bytes, in a form that can be compared.
template <class S>
struct Answer {
  enum class Kind { more, packet, bad, threw };
  Kind kind = Kind::threw;
  std::uint64_t consumed = 0;
  std::size_t total = 0;
  bool padding = false;
  typename Outcomes<S>::value_type outcome;
  std::string thrown;
  bool ran_out = false;  // It threw std::bad_alloc.

  std::string text() const {
    switch (kind) {
      case Kind::more:
        return "waits for " + (total == 0 ? "more bytes" : std::to_string(total) + " bytes") +
               (consumed == 0 ? "" : ", drops " + std::to_string(consumed)) +
               (padding ? " as padding" : "");
      case Kind::packet:
        return outcome_text(outcome) + " of " + std::to_string(consumed) + " bytes";
      case Kind::bad:
        return outcome_text(outcome) + ", skips " + std::to_string(consumed) + " bytes";
      case Kind::threw: break;
    }
    return "throws " + thrown;
  }
};

template <class S>
Answer<S> answer_of(Decoded<typename S::received_packet>& decoded) {
  using Kind = typename Answer<S>::Kind;
  Answer<S> answer;
  answer.consumed = decoded.consumed();
  if (decoded.has_packet()) {
    answer.kind = Kind::packet;
    answer.outcome = detail::owned(std::move(decoded.value()));
  } else if (decoded.is_bad()) {
    answer.kind = Kind::bad;
    answer.outcome = decoded.error().code();
  } else {
    answer.kind = Kind::more;
    answer.total = decoded.total();
    answer.padding = decoded.is_padding();
  }
  return answer;
}

template <class S>
Answer<S> ask_decoder(const S& serializer, Bytes bytes, typename S::decoder_state& state) {
  try {
    auto decoded = serializer.decode(bytes, state);
    return answer_of<S>(decoded);
  } catch (...) {
    Answer<S> answer;
    answer.thrown = current_exception_text();
    return answer;
  }
}

/// What a decoder says to all of `bytes` when the allocation number `failing` fails in that call,
/// after it has seen the first `seen` of them and waits; nothing if it makes no such allocation.
template <class S>
std::optional<Answer<S>> ask_without_memory(const S& serializer, Bytes bytes, std::size_t seen,
                                            std::size_t failing) {
  typename S::decoder_state state{};
  if (seen != 0) {
    const Answer<S> head = ask_decoder(serializer, bytes.first(seen), state);
    if (head.kind != Answer<S>::Kind::more || head.consumed != 0) {
      return std::nullopt;
    }
  }
  Answer<S> answer;
  std::optional<Decoded<typename S::received_packet>> decoded;
  const AllocationWatch watch(failing);
  try {
    decoded.emplace(serializer.decode(bytes, state));
  } catch (const std::bad_alloc&) {
    answer.ran_out = true;
  } catch (...) {
    answer.thrown = current_exception_text();
  }
  if (!watch.failed()) {
    return std::nullopt;
  }
  return decoded ? answer_of<S>(*decoded) : answer;
}

/// Whether packets have a `==` that compiles. Those of variant, optional, vector, pair and tuple
/// are declared for all types, and fail only when they are used.
template <class T>
inline constexpr bool has_equality = std::equality_comparable<T>;
template <class... T>
inline constexpr bool has_equality<std::variant<T...>> = (has_equality<T> && ...);
template <class T>
inline constexpr bool has_equality<std::optional<T>> = has_equality<T>;
template <class T, class Allocator>
inline constexpr bool has_equality<std::vector<T, Allocator>> = has_equality<T>;
template <class A, class B>
inline constexpr bool has_equality<std::pair<A, B>> = has_equality<A> && has_equality<B>;
template <class... T>
inline constexpr bool has_equality<std::tuple<T...>> = (has_equality<T> && ...);

template <class A, class B>
concept CanCompare =
    (!std::same_as<A, B> || has_equality<A>) && requires(const A& a, const B& b) { bool(a == b); };

template <class A, class B>
concept CanCompareItems = std::ranges::sized_range<A> && std::ranges::sized_range<B> &&
                          CanCompare<std::ranges::range_value_t<A>, std::ranges::range_value_t<B>>;

/// Whether two outcomes are the same: by `==`, or, without one, by the bytes that they make.
/// Packets that are not even equal to themselves, as a NaN, count as the same.
template <class S, class Packet>
bool same_outcome(const S& serializer, const Outcome<Packet>& a, const Outcome<Packet>& b) {
  if (!a.packet || !b.packet) {
    return a.packet.has_value() == b.packet.has_value() && a.error == b.error;
  }
  if constexpr (has_equality<Packet>) {
    // Not `!=`, which some types define in their own way: nlohmann-json says that no two NaN
    // differ.
    return *a.packet == *b.packet || (!(*a.packet == *a.packet) && !(*b.packet == *b.packet));
  } else if constexpr (std::constructible_from<typename S::sent_packet, const Packet&>) {
    using Sent = typename S::sent_packet;
    try {
      return encode_all(serializer, Sent(*a.packet)) == encode_all(serializer, Sent(*b.packet));
    } catch (const Error&) {
      return true;  // It cannot be sent, and so cannot be compared.
    }
  } else {
    return true;
  }
}

template <class S>
bool same_outcomes(const S& serializer, const Outcomes<S>& a, const Outcomes<S>& b) {
  return std::ranges::equal(a, b, [&](const auto& one, const auto& other) {
    return same_outcome(serializer, one, other);
  });
}

template <class S>
bool same_answer(const S& serializer, const Answer<S>& a, const Answer<S>& b) {
  return a.kind == b.kind && a.consumed == b.consumed && a.total == b.total &&
         a.padding == b.padding && a.thrown == b.thrown &&
         same_outcome(serializer, a.outcome, b.outcome);
}

/// A stream of units, frames or single bytes, and where it is cut.
struct CutStream {
  std::vector<std::string> units;
  Cuts cuts;
  std::vector<std::size_t> packets;  // which packet each unit is; empty: none is known to be one

  std::string bytes() const {
    std::string out;
    for (const std::string& unit : units) {
      out += unit;
    }
    return out;
  }

  CutStream without(std::size_t first, std::size_t count) const {
    CutStream rest = *this;
    std::size_t begin = 0;
    std::size_t size = 0;
    for (std::size_t i = 0; i < first + count; ++i) {
      (i < first ? begin : size) += units[i].size();
    }
    const auto erase = [&](auto& from) {
      const auto at = from.begin() + static_cast<std::ptrdiff_t>(first);
      from.erase(at, at + static_cast<std::ptrdiff_t>(count));
    };
    erase(rest.units);
    if (!packets.empty()) {
      erase(rest.packets);
    }
    rest.cuts.clear();
    const std::size_t total = rest.bytes().size();
    for (std::size_t cut : cuts) {
      cut = cut <= begin ? cut : std::max(begin, cut - std::min(size, cut));
      if (cut != 0 && cut < total && (rest.cuts.empty() || rest.cuts.back() != cut)) {
        rest.cuts.push_back(cut);
      }
    }
    return rest;
  }
};

/// The smallest stream that still `fails`: units and cuts are left out as long as it does.
template <class Fails>
CutStream shrink(CutStream stream, const Fails& fails) {
  bool smaller = true;
  while (smaller) {
    smaller = false;
    for (std::size_t count = (stream.units.size() + 1) / 2; count != 0; count /= 2) {
      for (std::size_t at = 0; at + count <= stream.units.size() && count < stream.units.size();) {
        CutStream rest = stream.without(at, count);
        if (fails(rest)) {
          stream = std::move(rest);
          smaller = true;
        } else {
          at += count;
        }
      }
    }
    for (std::size_t i = 0; i < stream.cuts.size();) {
      CutStream rest = stream;
      rest.cuts.erase(rest.cuts.begin() + static_cast<std::ptrdiff_t>(i));
      if (fails(rest)) {
        stream = std::move(rest);
        smaller = true;
      } else {
        ++i;
      }
    }
  }
  return stream;
}

}  // namespace cowire::testing::detail
