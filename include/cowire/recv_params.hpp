// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/error.hpp"

#include <chrono>
#include <limits>
#include <optional>
#include <string>

namespace cowire {

class Ancillary;

/// How to wait for the next packet.
///
///     co_yield {};                  // for as long as it takes
///     co_yield 30s;                 // at most 30 seconds
///     co_yield RecvParams(30s);     // the same, spelled out
///     co_yield RecvParams(30s).with_ancillary(came);  // and what comes with it
///
/// The time runs while waiting only, not while the handler works. A limit of 0 takes a packet whose
/// bytes have already been received, and times out otherwise. A negative limit or NaN is
/// errc::invalid_argument, thrown where the wait would begin. An infinite one is no limit.
/// After a timeout the bytes received so far are kept: the next wait goes on with them.
class RecvParams {
 public:
  using duration = std::chrono::nanoseconds;

  RecvParams() noexcept {}

  template <class Rep, class Period>
  RecvParams(std::chrono::duration<Rep, Period> timeout) noexcept {
    using Seconds = std::chrono::duration<double>;
    const double seconds = std::chrono::duration_cast<Seconds>(timeout).count();
    if (!(seconds >= 0)) {  // Also true for NaN.
      valid_ = false;
    } else if (seconds < Seconds(duration::max()).count() / 4) {  // Beyond: as good as no limit.
      timeout_ = std::chrono::duration_cast<duration>(timeout);
    }
  }

  /// The longest time to wait, or nothing for no limit. @throws Error invalid_argument
  std::optional<duration> timeout() const {
    if (!valid_) {
      throw Error(errc::invalid_argument, "a time limit is negative or not a number");
    }
    return timeout_;
  }

  /// Asks for what comes with the packet, as file descriptors over a Unix domain socket: see
  /// cowire/ancillary.hpp. It replaces what is in `into` when the packet is handed over; an error
  /// leaves that as it is. Where nothing can come, the wait is errc::invalid_argument.
  /// @lifetime `into` must live until the wait has ended.
  RecvParams with_ancillary(Ancillary& into) const noexcept {
    RecvParams params = *this;
    params.ancillary_ = &into;
    return params;
  }

  /// Where it is to be put; null: nobody asked.
  Ancillary* ancillary() const noexcept { return ancillary_; }

  /// Whether this is a wait of the usual kind, with or without a limit.
  bool is_plain() const noexcept { return valid_ && ancillary_ == nullptr; }

 private:
  std::optional<duration> timeout_;
  Ancillary* ancillary_ = nullptr;
  bool valid_ = true;
};

/// A RecvParams whose outcome is to be a Result; made by `as_result`.
class RecvAsResult {
 public:
  explicit RecvAsResult(RecvParams params) noexcept : params_(params) {}
  const RecvParams& params() const noexcept { return params_; }

 private:
  RecvParams params_;
};

/// Asks a yield for a Result<Request> in place of an exception, so that the handler can answer:
///
///     auto request = co_yield as_result;        // or as_result(30s)
///     if (!request) { client.send_packet(bad_request(request.error())); co_return; }
class AsResult {
 public:
  // Not made from {}: `co_yield {}` means RecvParams.
  struct Tag {};
  explicit constexpr AsResult(Tag) noexcept {}

  /// The same with a time limit: `as_result(30s)`.
  RecvAsResult operator()(RecvParams params) const noexcept { return RecvAsResult(params); }
};
/// The one AsResult that is needed.
inline constexpr AsResult as_result{AsResult::Tag{}};

}  // namespace cowire
