// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/base64.hpp"
#include "cowire/detail/holds_view.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializer.hpp"

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace cowire {

/// The last two digits of base64.
enum class Base64Alphabet {
  standard,  ///< `+` and `/`
  url_safe,  ///< `-` and `_`
};

/// The `=` that fill the last four digits of base64.
enum class Base64Padding {
  required,   ///< They are sent, and must be received.
  forbidden,  ///< They are not sent, and must not be received.
  optional,   ///< They are sent, and may be missing.
};

/// The options of Base64.
struct Base64Options {
  Base64Alphabet alphabet = Base64Alphabet::standard;
  Base64Padding padding = Base64Padding::required;
};

/// One-shot: a packet of another serializer in base64 (RFC 4648): bytes that go through text.
///
///     Base64{Text<>{}}                                "fo"        <->   "Zm8="
///     Base64{Text<>{}, {.padding = forbidden}}        "fo"        <->   "Zm8"
///     Separated<Base64<StructSerializer<Point>>>      a line each
///
/// Strict: a digit of the other alphabet, a space or line ending, padding that the options do not
/// allow, and bits that no byte has are malformed, with the byte: each packet has one form alone.
/// Add `Sha256` or `HmacSha256` inside to see whether packets were changed.
template <Serializer S>
class Base64 {
  static_assert(!detail::is_view_packet<S>,
                "the packets of this serializer are views, and the bytes decoded are temporary: "
                "use packets that own what they hold, such as std::string");

 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;

  explicit Base64(S serializer = S{}, const Base64Options& options = {})
      : serializer_(std::move(serializer)), options_(options) {}

  /// Appends the digits of the packet.
  /// @throws Error What the inner serializer throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    const std::size_t start = out.size();
    serializer_.serialize(packet, out);
    const std::size_t size = out.size() - start;
    const bool padded = options_.padding != Base64Padding::forbidden;
    const std::size_t more = detail::Base64Code::encoded_size(size, padded) - size;
    out.prepare(more);
    out.commit(more);
    code().encode(out.since(start), size, padded);
  }

  /// @throws Error malformed: not base64 as the options want it. And what the inner serializer
  /// throws.
  received_packet deserialize(Bytes bytes) const {
    const std::string_view digits = without_padding(text_of(bytes));
    std::vector<std::byte> decoded(detail::Base64Code::decoded_size(digits.size()));
    if (const std::size_t at = code().decode(digits, decoded.data()); at != npos) {
      throw malformed("this is not base64", at);
    }
    return serializer_.deserialize(decoded);
  }

 private:
  const detail::Base64Code& code() const noexcept {
    return options_.alphabet == Base64Alphabet::standard ? detail::standard_base64
                                                         : detail::url_safe_base64;
  }

  // Padding that must not be there stays: it is no digit.
  std::string_view without_padding(std::string_view text) const {
    std::string_view digits = text;
    while (text.size() - digits.size() < 2 && digits.ends_with('=') &&
           options_.padding != Base64Padding::forbidden) {
      digits.remove_suffix(1);
    }
    const bool padded = digits.size() != text.size();
    if (text.size() % 4 != 0 && (padded || options_.padding == Base64Padding::required)) {
      throw malformed("the padding of base64 is wrong", text.size());
    }
    return digits;
  }

  static Error malformed(const char* detail, std::size_t position) {
    ErrorContext context;
    context.detail = detail;
    context.position = position;
    return Error(errc::malformed, std::move(context));
  }

  [[no_unique_address]] S serializer_;
  Base64Options options_;
};

}  // namespace cowire
