// SPDX-License-Identifier: BSL-1.0
// What goes with packets beside their bytes, over transports that carry it: bodies of
// cowire/connection.hpp, which includes this file. Ancillary is not complete here, where the system
// may have none: what needs it is a template.
#pragma once

#include "cowire/connection.hpp"

namespace cowire {

// Sending.

template <Protocol P, Transport T, class C>
auto Connection<P, T, C>::send_with() const noexcept -> SendWith {
  if constexpr (CarriesAncillary<T>) {
    return [](detail::SendChannel<sent_packet>& self, detail::packet_argument_t<sent_packet> packet,
              Ancillary& ancillary) {
      static_cast<Connection&>(self).send_carrying(packet, ancillary);
    };
  } else {
    return nullptr;
  }
}

template <Protocol P, Transport T, class C>
template <class A>
void Connection<P, T, C>::send_carrying(detail::packet_argument_t<sent_packet> packet,
                                        A& ancillary) {
  if (ancillary.empty()) {
    send(packet);
    return;
  }
  if (!may_send_here()) {
    send_from_elsewhere(packet, ancillary);
    return;
  }
  check_sendable();
  const std::size_t ahead = output_.size();
  const std::size_t size = gather(packet);
  try {
    attach(ahead, size, ancillary);
  } catch (...) {
    output_.gathering().truncate(output_.gathering().size() - size);
    throw;
  }
  ++stats().packets_sent;
  queued_more(size);
}

// Lets it go with the packet of `size` bytes that comes `ahead` bytes behind the next one.
template <Protocol P, Transport T, class C>
template <class A>
void Connection<P, T, C>::attach(std::size_t ahead, std::size_t size, A& ancillary) {
  if constexpr (!std::is_same_v<A, detail::NoAncillary>) {
    detail::require_sendable(ancillary, size);
    some_ancillary().push_output(ahead, std::move(ancillary), size);
  }
}

template <Protocol P, Transport T, class C>
auto& Connection<P, T, C>::some_ancillary()
  requires CarriesAncillary<T>
{
  if (ancillary_ == nullptr) {
    ancillary_.reset(new typename decltype(ancillary_)::element_type);
  }
  return *ancillary_;
}

template <Protocol P, Transport T, class C>
bool Connection<P, T, C>::has_ancillary_output() const noexcept {
  if constexpr (CarriesAncillary<T>) {
    return ancillary_ != nullptr && ancillary_->has_output();
  } else {
    return false;
  }
}

template <Protocol P, Transport T, class C>
std::size_t Connection<P, T, C>::output_load() const noexcept {
  if constexpr (CarriesAncillary<T>) {
    if (ancillary_ != nullptr) {
      return output_.size() + ancillary_->output_weight();
    }
  }
  return output_.size();
}

// Writes without waiting, each packet's descriptors with its own bytes and no others.
template <Protocol P, Transport T, class C>
std::size_t Connection<P, T, C>::write_directly(Bytes bytes, std::error_code& ec) {
  if constexpr (CarriesAncillary<T>) {
    std::size_t written = 0;
    while (has_ancillary_output() && written < bytes.size()) {
      const auto* due = ancillary_->due();
      const std::size_t size = std::min(bytes.size() - written, ancillary_->in_one_piece());
      const asio::const_buffer piece(bytes.data() + written, size);
      const std::size_t n = due != nullptr ? transport_->try_write_with(piece, *due, ec)
                                           : transport_->try_write_some(piece, ec);
      if (ec) {
        if (written != 0) {
          ec.clear();  // The next one fails likewise.
        }
        return written;
      }
      ancillary_->sent(n);
      written += n;
    }
    if (written != 0) {
      return written;  // Perhaps there is more, without any. One write after the other.
    }
  }
  return transport_->try_write_some(asio::buffer(bytes.data(), bytes.size()), ec);
}

// The same, waiting: for room.
template <Protocol P, Transport T, class C>
void Connection<P, T, C>::start_carrying_write()
  requires CarriesAncillary<T>
{
  transport_->async_wait_write([self = shared_self()](std::error_code ec) {
    std::size_t n = 0;
    if (!ec && !self->closed_ && !self->failure_) {
      n = self->write_directly(self->output_.in_flight(), ec);
      if (ec == asio::error::would_block) {
        self->start_carrying_write();
        return;
      }
    }
    self->on_written(ec, n);
  });
}

template <Protocol P, Transport T, class C>
void Connection<P, T, C>::drop_ancillary_output() noexcept {
  if constexpr (CarriesAncillary<T>) {
    if (ancillary_ != nullptr) {
      ancillary_->drop_output();
    }
  }
}

// Receiving.

// Puts the bytes of a read behind the others. What came with them belongs to the packet of the
// last one: the system ends a read behind a message that had some, but not before it.
template <Protocol P, Transport T, class C>
void Connection<P, T, C>::commit_read(std::size_t n) {
  reader_.commit(n);
  if constexpr (CarriesAncillary<T>) {
    const std::size_t limit = transport_->receive_descriptors();
    if (limit == 0) {
      return;
    }
    auto came = transport_->take_ancillary();
    const std::size_t pending = reader_.pending().size();
    if ((!came || !came->empty()) && pending != 0) {  // Else it came with bytes to be skipped.
      some_ancillary().push_input(pending - 1, std::move(came), limit);
    }
  }
}

// Takes the next packet out of the reader, and what belongs to it.
template <Protocol P, Transport T, class C>
auto Connection<P, T, C>::next_packet(Slot& slot) -> typename PacketReader<P>::Outcome {
  if constexpr (CarriesAncillary<T>) {
    if (ancillary_ != nullptr) {
      const std::size_t before = reader_.pending().size();
      const auto outcome = reader_.next(slot);
      ancillary_->taken(before - reader_.pending().size());
      if (outcome == PacketReader<P>::Outcome::packet && !ancillary_->packet_is_whole() &&
          !slot.error) {
        ErrorContext context;
        context.detail = "more descriptors came with a packet than the " +
                         std::to_string(transport_->receive_descriptors()) +
                         " that are taken here, or than this process may open: "
                         "the packet is dropped, and they are closed";
        slot.packet.reset();
        slot.error.emplace(errc::too_many_descriptors, std::move(context));
      }
      return outcome;
    }
  }
  return reader_.next(slot);
}

template <Protocol P, Transport T, class C>
template <class A>
void Connection<P, T, C>::hand_over(A* into) {
  if constexpr (CarriesAncillary<T>) {
    if (ancillary_ != nullptr) {
      auto came = ancillary_->take_current();
      if (into != nullptr) {
        *into = std::move(came);
      }
    } else if (into != nullptr) {
      *into = {};
    }
  }
}

template <Protocol P, Transport T, class C>
std::optional<Error> Connection<P, T, C>::refusal(const RecvParams& params) {
  try {
    (void)params.timeout();
  } catch (const Error& error) {
    return error;
  }
  if (params.ancillary() == nullptr || closed_) {
    return std::nullopt;
  }
  ErrorContext context;
  if constexpr (CarriesAncillary<T>) {
    if (transport_->receive_descriptors() != 0) {
      return std::nullopt;
    }
    context.detail =
        "no descriptors can be received here: set receive_descriptors in the "
        "UnixListenOptions of the server's listener, or in the UnixConnectOptions of "
        "the client's connector";
  } else {
    context.detail =
        "no descriptors can be received here: only connections through Unix domain "
        "sockets carry them";
  }
  context.peer = peer_name();
  return Error(errc::invalid_argument, std::move(context));
}

}  // namespace cowire
