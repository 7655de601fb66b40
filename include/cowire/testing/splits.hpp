// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/testing/allocations.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

/// Tests of decoders: a stream may be cut anywhere, the packets must not depend on it.
///
/// All functions take a `StreamSerializer` or a `Protocol`. For the whole set of laws at once, see
/// check_serializer().
namespace cowire::testing {

namespace detail {

template <class T>
struct Owned {
  using type = T;
};
template <>
struct Owned<std::string_view> {
  using type = std::string;
};
template <class T, std::size_t N>
struct Owned<std::span<T, N>> {
  using type = std::vector<std::remove_cv_t<T>>;
};

template <class T>
typename Owned<T>::type owned(T&& value) {
  if constexpr (std::is_same_v<typename Owned<T>::type, T>) {
    return std::forward<T>(value);
  } else {
    return typename Owned<T>::type(value.begin(), value.end());
  }
}

}  // namespace detail

/// A decoder broke a law of StreamSerializer; what() says which.
class BrokenLaw : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// What came out of a decoder: a packet, or the code of an error.
///
/// Packets that are views are copied: `std::string_view` to `std::string`, spans to vectors.
template <class Packet>
struct Outcome {
  std::optional<Packet> packet;
  std::error_code error;

  Outcome() = default;
  Outcome(Packet value) : packet(std::move(value)) {}
  Outcome(std::error_code code) : error(code) {}
  Outcome(errc code) : error(code) {}
  Outcome(const char* text)
    requires std::is_constructible_v<Packet, const char*>
      : packet(Packet(text)) {}

  friend bool operator==(const Outcome&, const Outcome&) = default;

  friend std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    if (!outcome.packet) {
      return out << outcome.error;
    }
    if constexpr (std::is_convertible_v<const Packet&, std::string_view>) {
      return out << '"' << printable(bytes_of(*outcome.packet)) << '"';
    } else if constexpr (requires { out << *outcome.packet; }) {
      return out << *outcome.packet;
    } else {
      return out << "a packet";
    }
  }
};

/// The outcomes that `S` gives.
template <class S>
using Outcomes = std::vector<Outcome<typename detail::Owned<typename S::received_packet>::type>>;

/// The bytes that `serializer` makes of the packets, one after the other.
template <class S, class... Packets>
std::string encode_all(const S& serializer, const Packets&... packets) {
  BlockPool pool;
  OutputBuffer out(pool);
  (serializer.serialize(packets, out), ...);
  return std::string(text_of(out.readable()));
}

/// Receives a stream as a connection does and collects what comes out.
///
/// Each call of the decoder sees a copy of its own, so that AddressSanitizer notices a decoder that
/// reads too far or keeps a pointer; what is pointed to is overwritten, too. Meant for short
/// streams.
template <class S>
class Feed {
 public:
  explicit Feed(const S& serializer) : serializer_(serializer) {}

  /// Some more bytes arrive. What the decoder throws is thrown on.
  /// @throws BrokenLaw if the decoder breaks a law of StreamSerializer.
  void receive(Bytes bytes) {
    kept_.insert(kept_.end(), bytes.begin(), bytes.end());
    skip();
    while (!kept_.empty() && kept_.size() >= wanted_ && step(false)) {
    }
  }

  /// The stream ends.
  void end() {
    wanted_ = 0;
    while (!kept_.empty() && step(true)) {
    }
    if (!kept_.empty()) {
      outcomes_.emplace_back(errc::truncated);
      ends_.push_back(position_ += kept_.size());
      kept_.clear();
    }
  }

  /// The packets and errors so far.
  const Outcomes<S>& outcomes() const noexcept { return outcomes_; }

  /// For each outcome, how many bytes of the stream were consumed when it came.
  const std::vector<std::uint64_t>& ends() const noexcept { return ends_; }

  /// Whether a packet has begun and not come, as the decoder says: see Decoded::padding.
  bool mid_packet() const noexcept { return mid_packet_; }

  /// How many bytes are kept for the next packet.
  std::size_t kept() const noexcept { return kept_.size(); }

  /// How many bytes the decoder waits to have before it is asked again; 0: any.
  std::size_t wanted() const noexcept { return wanted_; }

  /// The largest allocation that the decoder made, in bytes; 0 unless AllocationWatch::works().
  std::size_t largest_allocation() const noexcept { return largest_allocation_; }

 private:
  using Answer = Decoded<typename S::received_packet>;

  Answer ask(Bytes bytes, bool at_end) {
    const AllocationWatch watch;
    Answer answer = ask_decoder(bytes, at_end);
    largest_allocation_ = std::max(largest_allocation_, watch.largest());
    return answer;
  }

  Answer ask_decoder(Bytes bytes, bool at_end) {
    if constexpr (requires { serializer_.decode_end(bytes, state_); }) {
      if (at_end) {
        return serializer_.decode_end(bytes, state_);
      }
    }
    return at_end ? Answer::need_more() : serializer_.decode(bytes, state_);
  }

  // Whether it makes sense to ask again.
  bool step(bool at_end) {
    const std::size_t size = kept_.size();
    const auto copy = std::make_unique_for_overwrite<std::byte[]>(size);
    std::ranges::copy(kept_, copy.get());
    Answer answer = ask({copy.get(), size}, at_end);
    if (!answer.is_bad() && answer.consumed() > size) {
      throw BrokenLaw("the decoder consumed more bytes than there are");
    }
    if (!answer.needs_more() && answer.consumed() == 0) {
      throw BrokenLaw("the decoder consumed nothing: it would give the same answer forever");
    }
    if (answer.has_packet()) {
      outcomes_.emplace_back(detail::owned(std::move(answer.value())));
    } else if (answer.is_bad()) {
      outcomes_.emplace_back(answer.error().code());
    }
    std::fill_n(copy.get(), size, std::byte{0xdd});
    if (at_end && answer.needs_more() && !answer.is_padding()) {
      return false;  // The rest is cut short, whatever is to be dropped of it.
    }
    position_ += answer.consumed();
    ends_.resize(outcomes_.size(), position_);
    to_skip_ = answer.consumed();
    skip();
    wanted_ = answer.needs_more() ? answer.total() : 0;
    mid_packet_ =
        answer.needs_more() && (!kept_.empty() || (answer.consumed() != 0 && !answer.is_padding()));
    if (answer.needs_more() && !at_end && wanted_ != 0 && wanted_ <= kept_.size()) {
      throw BrokenLaw("the decoder asks for bytes that it has already");
    }
    // A decoder that dropped something may see more in the rest.
    return !answer.needs_more() || (answer.consumed() != 0 && !at_end);
  }

  void skip() {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(to_skip_, kept_.size()));
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(n));
    to_skip_ -= n;
  }

  const S& serializer_;
  typename S::decoder_state state_{};
  std::vector<std::byte> kept_;
  Outcomes<S> outcomes_;
  std::vector<std::uint64_t> ends_;
  std::uint64_t position_ = 0;  // of the first kept byte
  std::uint64_t to_skip_ = 0;
  std::size_t wanted_ = 0;
  std::size_t largest_allocation_ = 0;
  bool mid_packet_ = false;
};

/// Decodes a whole stream that arrives cut at the given positions, in rising order.
template <class S>
Outcomes<S> decode_all(const S& serializer, std::string_view stream,
                       const std::vector<std::size_t>& cuts = {}) {
  Feed<S> feed(serializer);
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    feed.receive(bytes_of(stream.substr(begin, cut - begin)));
    begin = cut;
  }
  feed.receive(bytes_of(stream.substr(begin)));
  feed.end();
  return feed.outcomes();
}

/// Ways to cut `size` bytes: not at all, between all bytes, at each one position, and, if there are
/// not more than 64 bytes, at each two positions.
inline std::vector<std::vector<std::size_t>> ways_to_cut(std::size_t size) {
  std::vector<std::vector<std::size_t>> ways(2);
  for (std::size_t first = 1; first < size; ++first) {
    ways[1].push_back(first);
    ways.push_back({first});
    for (std::size_t second = first + 1; second < size && size <= 64; ++second) {
      ways.push_back({first, second});
    }
  }
  return ways;
}

/// Decodes a whole stream that arrives cut in each of `ways_to_cut`.
///
///     CHECK(decode_every_cut(LineSerializer{}, "a\nb\n") == Outcomes<LineSerializer<>>{"a", "b"});
///
/// @returns The outcomes, which are the same for every cut.
/// @throws std::logic_error if they differ: says where the stream was cut.
template <class S>
Outcomes<S> decode_every_cut(const S& serializer, std::string_view stream) {
  const Outcomes<S> expected = decode_all(serializer, stream);
  for (const std::vector<std::size_t>& cuts : ways_to_cut(stream.size())) {
    if (decode_all(serializer, stream, cuts) != expected) {
      std::string message = "the outcomes are different if the stream is cut at";
      for (const std::size_t cut : cuts) {
        message += " " + std::to_string(cut);
      }
      throw std::logic_error(message);
    }
  }
  return expected;
}

/// Whether a decoder looks again at bytes that it has seen, when they come one at a time: such a
/// decoder needs quadratic time for a long packet.
///
/// Feeds `frame`, one packet, and writes `bait` over all the bytes that the decoder has seen but
/// the last `keep`: a decoder that looks at them again takes the bait and finds a packet too early.
template <class S>
bool looks_back(const S& serializer, std::string_view frame, std::string_view bait,
                std::size_t keep = 0) {
  std::vector<std::byte> bytes(frame.size());
  typename S::decoder_state state{};
  for (std::size_t size = 1; size <= frame.size(); ++size) {
    bytes[size - 1] = bytes_of(frame)[size - 1];
    if (!serializer.decode({bytes.data(), size}, state).needs_more()) {
      return size != frame.size();
    }
    if (size > keep) {
      const std::size_t seen = size - keep - 1;
      bytes[seen] = bytes_of(bait)[seen % bait.size()];
    }
  }
  throw std::logic_error("the frame is not a whole packet");
}

}  // namespace cowire::testing
