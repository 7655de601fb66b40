// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/serializer.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>

#include <algorithm>
#include <climits>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace cowire {

/// The options of Protobuf.
struct ProtobufOptions {
  std::size_t limit = default_frame_limit;  ///< The most bytes of a message, below 2 GiB.
  /// How deep messages and groups may be nested that are received: each level takes some of the
  /// stack. Protocol Buffers do not tell it of a message that is sent.
  int depth = 64;
};

/// One-shot: a message of Protocol Buffers. Needs the CMake target `cowire::protobuf`.
///
///     Protobuf<Order>                    message Order { uint32 id = 1; }, id 150  <->  08 96 01
///     LengthPrefixed<Protobuf<Order>>                                 00 00 00 03 08 96 01
///
/// The bytes say neither where a message ends nor which it is: a frame must be around them, and
/// many bytes are some message. Fields that the program does not know are kept and sent again. A
/// `string` of proto3 that is not UTF-8 is malformed; when it is sent, Protocol Buffers only log
/// it.
///
/// Malformed: cut or wrong bytes, nested too deep, or a required field is missing, which is named.
/// Protocol Buffers do not tell the byte. For a string whose length says more than there is they
/// may reserve up to 50 MB, which they give back when the message is found malformed.
template <std::derived_from<google::protobuf::MessageLite> Message>
class Protobuf {
 public:
  using sent_packet = Message;
  using received_packet = Message;

  Protobuf() = default;
  explicit Protobuf(const ProtobufOptions& options) noexcept : options_(options) {}

  /// Appends the message.
  /// @throws Error too_large: it is over the limit. not_sendable: a required field is missing.
  void serialize(const Message& packet, OutputBuffer& out) const {
    check_required(packet, errc::not_sendable);
    const std::size_t size = packet.ByteSizeLong();
    check_size(size);
    std::uint8_t* const room = reinterpret_cast<std::uint8_t*>(out.prepare(size).data());
    packet.SerializeWithCachedSizesToArray(room);
    out.commit(size);
  }

  /// @throws Error malformed: this is no such message. too_large: it is over the limit.
  Message deserialize(Bytes bytes) const {
    check_size(bytes.size());
    google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                              static_cast<int>(bytes.size()));
    in.SetRecursionLimit(options_.depth);
    Message packet;
    if (!packet.MergePartialFromCodedStream(&in) || !in.ConsumedEntireMessage()) {
      ErrorContext context;
      context.detail = "this is no message of the type " + std::string(packet.GetTypeName());
      context.size = bytes.size();
      throw Error(errc::malformed, std::move(context));
    }
    check_required(packet, errc::malformed);
    return packet;
  }

 private:
  void check_size(std::size_t size) const {
    const std::size_t most = std::min<std::size_t>(options_.limit, INT_MAX);
    if (size > most) [[unlikely]] {
      throw too_large(size, most);
    }
  }

  static void check_required(const Message& packet, errc code) {
    if (!packet.IsInitialized()) [[unlikely]] {
      ErrorContext context;
      context.detail = "a required field is missing";
      constexpr std::size_t most = 200;  // A message may miss it thousands of times.
      context.field = packet.InitializationErrorString().substr(0, most);
      throw Error(code, std::move(context));
    }
  }

  ProtobufOptions options_;
};

}  // namespace cowire
