// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/converter.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/protocol.hpp"
#include "cowire/serializer.hpp"

#include <cstddef>
#include <string>
#include <utility>

/// The least that a type must have to be a model of each concept of the message tower.
namespace exemplars {

// [serializer]
/// A single character.
struct OneCharacter {
  using sent_packet = char;
  using received_packet = char;

  void serialize(char packet, cowire::OutputBuffer& out) const {
    out.append(static_cast<std::byte>(packet));
  }

  char deserialize(cowire::Bytes bytes) const {
    if (bytes.size() != 1) {
      throw cowire::Error(cowire::errc::malformed);
    }
    return static_cast<char>(bytes[0]);
  }
};
// [/serializer]
static_assert(cowire::Serializer<OneCharacter>);
static_assert(!cowire::StreamSerializer<OneCharacter>);

// [stream_serializer]
/// Texts of at most 255 bytes, each after a byte that tells its size.
struct ShortText {
  using sent_packet = std::string;
  using received_packet = std::string;
  struct decoder_state {};  // Nothing to remember: the size is the first byte.

  void serialize(const std::string& packet, cowire::OutputBuffer& out) const {
    if (packet.size() > 255) {
      throw cowire::Error(cowire::errc::too_large);
    }
    out.append(static_cast<std::byte>(packet.size()));
    out.append(packet);
  }

  cowire::Decoded<std::string> decode(cowire::Bytes bytes, decoder_state&) const {
    using Answer = cowire::Decoded<std::string>;
    if (bytes.empty()) {
      return Answer::need_more(1);
    }
    const auto size = std::to_integer<std::size_t>(bytes[0]);
    if (bytes.size() < 1 + size) {
      return Answer::need_more(1 + size);
    }
    return Answer::packet(std::string(cowire::text_of(bytes.subspan(1, size))), 1 + size);
  }
};
// [/stream_serializer]
static_assert(cowire::StreamSerializer<ShortText>);
static_assert(!cowire::DecodesEnd<ShortText> && !cowire::HasFrameLimit<ShortText>);

// [converter]
/// Yes or no, as texts.
struct YesOrNo {
  using sent_packet = bool;
  using received_packet = bool;

  std::string to_wire(bool packet) const { return packet ? "yes" : "no"; }

  bool from_wire(const std::string& data) const {
    if (data != "yes" && data != "no") {
      cowire::ErrorContext context;
      context.detail = "neither yes nor no";
      throw cowire::Error(cowire::errc::malformed, std::move(context));
    }
    return data == "yes";
  }
};
// [/converter]
static_assert(cowire::Converter<YesOrNo, ShortText>);

/// Every byte is a packet.
struct ByteProtocol {
  using sent_packet = std::byte;
  using received_packet = std::byte;
  struct decoder_state {};

  void serialize(std::byte packet, cowire::OutputBuffer& out) const { out.append(packet); }

  cowire::Decoded<std::byte> decode(cowire::Bytes bytes, decoder_state&) const {
    using Answer = cowire::Decoded<std::byte>;
    return bytes.empty() ? Answer::need_more() : Answer::packet(bytes[0], 1);
  }

  cowire::Decoded<std::byte> decode_end(cowire::Bytes bytes, decoder_state&) const {
    return cowire::Decoded<std::byte>::bad(cowire::Error(cowire::errc::truncated), bytes.size());
  }

  std::size_t frame_limit() const { return 1; }
};
static_assert(cowire::Protocol<ByteProtocol>);
static_assert(cowire::Protocol<cowire::StreamProtocol<ShortText>>);
static_assert(cowire::Protocol<cowire::StreamProtocol<ShortText, YesOrNo>>);

}  // namespace exemplars
