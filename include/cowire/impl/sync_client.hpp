// SPDX-License-Identifier: BSL-1.0
// The range of packets of cowire/sync_client.hpp, which includes this file.
#pragma once

#include "cowire/sync_client.hpp"

#include <cstddef>
#include <iterator>
#include <optional>

namespace cowire {

/// What SyncClient::packets() returns: an input range, to be iterated over once.
template <Protocol P>
class SyncClient<P>::PacketRange {
 public:
  /// Holds the current packet in the range itself.
  class Iterator {
   public:
    using value_type = received_packet;
    using difference_type = std::ptrdiff_t;

    received_packet& operator*() const noexcept { return *range_->packet_; }
    Iterator& operator++() {
      range_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return !range_->packet_; }

   private:
    friend PacketRange;
    explicit Iterator(PacketRange& range) noexcept : range_(&range) {}

    PacketRange* range_;
  };

  /// Waits for the first packet.
  Iterator begin() {
    advance();
    return Iterator(*this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend SyncClient;
  PacketRange(SyncClient& client, const RecvParams& params) : client_(&client), params_(params) {}

  void advance() {
    packet_.reset();
    try {
      packet_ = client_->next_packet(params_);
    } catch (const Error& error) {
      if (error.code() != errc::timeout) {
        throw;
      }
    }
  }

  SyncClient* client_;
  RecvParams params_;
  std::optional<received_packet> packet_;
};

}  // namespace cowire
