// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"

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
/// All functions take a `StreamSerializer` or a `Protocol`.
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

}  // namespace detail

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
/// reads too far or keeps a pointer. Meant for short streams.
template <class S>
class Feed {
 public:
  explicit Feed(const S& serializer) : serializer_(serializer) {}

  /// Some more bytes arrive.
  /// @throws std::logic_error if the decoder breaks a law of StreamSerializer.
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
      kept_.clear();
    }
  }

  /// The packets and errors so far.
  const Outcomes<S>& outcomes() const noexcept { return outcomes_; }

  /// How many bytes are kept for the next packet.
  std::size_t kept() const noexcept { return kept_.size(); }

 private:
  using Answer = Decoded<typename S::received_packet>;

  Answer ask(Bytes bytes, bool at_end) {
    if constexpr (requires { serializer_.decode_end(bytes, state_); }) {
      if (at_end) {
        return serializer_.decode_end(bytes, state_);
      }
    }
    return at_end ? Answer::need_more() : serializer_.decode(bytes, state_);
  }

  // Whether it makes sense to ask again.
  bool step(bool at_end) {
    const auto copy = std::make_unique_for_overwrite<std::byte[]>(kept_.size());
    std::ranges::copy(kept_, copy.get());
    Answer answer = ask({copy.get(), kept_.size()}, at_end);
    if (!answer.is_bad() && answer.consumed() > kept_.size()) {
      throw std::logic_error("the decoder consumed more bytes than there are");
    }
    if (!answer.needs_more() && answer.consumed() == 0) {
      throw std::logic_error("the decoder consumed nothing: it would give the same answer forever");
    }
    if (answer.has_packet()) {
      using Packet = typename detail::Owned<typename S::received_packet>::type;
      if constexpr (std::is_same_v<Packet, typename S::received_packet>) {
        outcomes_.emplace_back(std::move(answer.value()));
      } else {
        outcomes_.emplace_back(Packet(answer.value().begin(), answer.value().end()));
      }
    } else if (answer.is_bad()) {
      outcomes_.emplace_back(answer.error().code());
    }
    to_skip_ = answer.consumed();
    skip();
    wanted_ = answer.needs_more() ? answer.total() : 0;
    if (answer.needs_more() && !at_end && wanted_ != 0 && wanted_ <= kept_.size()) {
      throw std::logic_error("the decoder asks for bytes that it has already");
    }
    return !answer.needs_more();
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
  std::uint64_t to_skip_ = 0;
  std::size_t wanted_ = 0;
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
