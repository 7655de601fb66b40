// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/stream_marks.hpp"
#include "cowire/error.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace cowire {
class Ancillary;
}  // namespace cowire

namespace cowire::detail {

// What a descriptor that waits to be sent counts for in the output queue: a peer that does not read
// must not use up those of the process.
inline constexpr std::size_t weight_of_descriptor = 1024;

// What a connection has in place of what follows over a transport that carries none.
struct NoAncillary {};

inline std::size_t output_weight(const NoAncillary&) noexcept { return 0; }
template <class Ancillary>
std::size_t output_weight(const Ancillary& ancillary) noexcept {
  return ancillary.size() * weight_of_descriptor;
}

inline void require_sendable(const NoAncillary&, std::size_t) noexcept {}

// Whether it can go with a packet of this size. Throws Error invalid_argument if not.
template <class Ancillary>
void require_sendable(const Ancillary& ancillary, std::size_t packet_size) {
  ErrorContext context;
  for (const auto& descriptor : ancillary.descriptors()) {
    if (!descriptor) {
      context.detail = "a descriptor that is to go with a packet is none (-1)";
    }
  }
  if (ancillary.size() > Ancillary::most_descriptors) {
    context.detail = std::to_string(ancillary.size()) +
                     " descriptors cannot go with one packet: the system takes " +
                     std::to_string(Ancillary::most_descriptors);
  }
  if (packet_size == 0) {
    context.detail = "descriptors cannot go with a packet that has no bytes";
  }
  if (!context.detail.empty()) {
    throw Error(errc::invalid_argument, std::move(context));
  }
}

// The ancillary data of one connection, both ways; made when there is some for the first time.
// A template so that this header needs none of the system's.
template <class Ancillary>
class StreamAncillary {
 public:
  // Sending. Each belongs to the first byte of a packet.

  struct Parcel {
    Ancillary ancillary;
    std::size_t packet_size;
  };

  void push_output(std::size_t ahead, Ancillary ancillary, std::size_t packet_size) {
    const std::size_t count = ancillary.size();
    output_.push(ahead, Parcel{std::move(ancillary), packet_size});
    waiting_ += count;
  }
  bool has_output() const noexcept { return !output_.empty(); }
  std::size_t output_weight() const noexcept { return waiting_ * weight_of_descriptor; }

  // What the next bytes must be sent with; null if it is nothing.
  const Ancillary* due() const noexcept {
    return output_.empty() || output_.ahead() != 0 ? nullptr : &output_.front().ancillary;
  }

  // How many of the next bytes may be sent at once: to the next packet that has some, or to the end
  // of this one, so that the receiver knows whose it is.
  std::size_t in_one_piece() const noexcept {
    return output_.ahead() != 0 ? output_.ahead() : output_.front().packet_size;
  }

  // Bytes were sent: what went with them is closed here.
  void sent(std::size_t n) {
    output_.pass(n, [this](Parcel gone) { waiting_ -= gone.ancillary.size(); });
  }

  void drop_output() noexcept {
    output_.clear();
    waiting_ = 0;
  }

  // Receiving. Each came with bytes of which the last one belongs to its packet.

  // Keeps them, if they are not more than `limit` with those kept already; else they are lost.
  void push_input(std::size_t ahead, std::optional<Ancillary> came, std::size_t limit) {
    if (came && kept_ + came->size() > limit) {
      came.reset();
    }
    const std::size_t count = came ? came->size() : 0;
    input_.push(ahead, std::move(came));
    kept_ += count;
  }

  // Bytes were taken out of what has been received: what came with them waits for their packet.
  void taken(std::size_t n) {
    input_.pass(n, [this](std::optional<Ancillary> passed) {
      if (passed) {
        current_.add(std::move(*passed));
      } else {
        lost_ = true;
      }
    });
  }

  // The packet is complete. False if some of what came with it was lost.
  bool packet_is_whole() noexcept { return !std::exchange(lost_, false); }

  // What came with the packet that was taken last.
  Ancillary take_current() noexcept {
    kept_ -= current_.size();
    return std::exchange(current_, Ancillary());
  }

  void drop() noexcept {
    drop_output();
    input_.clear();
    kept_ = 0;
    current_ = Ancillary();
  }

 private:
  StreamMarks<Parcel> output_;
  StreamMarks<std::optional<Ancillary>> input_;
  Ancillary current_;
  std::size_t waiting_ = 0;  // descriptors, to be sent
  std::size_t kept_ = 0;     // descriptors, not handed over
  bool lost_ = false;
};

// Where ancillary data is to be put, for transports that carry it.
template <bool Carries>
class AncillaryPlace {
 public:
  void set(cowire::Ancillary* place) noexcept { place_ = place; }
  cowire::Ancillary* get() const noexcept { return place_; }

 private:
  cowire::Ancillary* place_ = nullptr;
};
template <>
class AncillaryPlace<false> {
 public:
  void set(const cowire::Ancillary*) const noexcept {}
  cowire::Ancillary* get() const noexcept { return nullptr; }
};

}  // namespace cowire::detail
