// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/framing.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cowire::detail {

// RFC 4648, sections 4 and 5. Ours: OpenSSL's knows one alphabet and skips what it should refuse.
class Base64Code {
 public:
  constexpr explicit Base64Code(bool url_safe) noexcept
      : alphabet_(url_safe ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                           : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
    values_.fill(none);
    for (std::uint8_t i = 0; i < 64; ++i) {
      values_[static_cast<unsigned char>(alphabet_[i])] = i;
    }
  }

  static constexpr std::size_t encoded_size(std::size_t size, bool padded) noexcept {
    const std::size_t rest = size % 3;
    return size / 3 * 4 + (rest == 0 ? 0 : padded ? 4 : rest + 1);
  }

  static constexpr std::size_t decoded_size(std::size_t characters) noexcept {
    return characters / 4 * 3 + (characters % 4 == 0 ? 0 : characters % 4 - 1);
  }

  // Encodes the first `size` bytes in place, from the back: there is room for the encoded size.
  void encode(MutableBytes bytes, std::size_t size, bool padded) const noexcept {
    const auto value = [&](std::size_t i) {
      return i < size ? std::to_integer<std::uint32_t>(bytes[i]) : 0U;
    };
    for (std::size_t group = (size + 2) / 3; group-- > 0;) {
      const std::size_t from = 3 * group;
      const std::uint32_t bits = value(from) << 16U | value(from + 1) << 8U | value(from + 2);
      const std::size_t digits = size - from >= 3 ? 4 : size - from + 1;
      for (std::size_t i = 0; i < (padded ? 4 : digits); ++i) {
        const char digit = i < digits ? alphabet_[bits >> (18U - 6U * i) & 0x3fU] : '=';
        bytes[4 * group + i] = static_cast<std::byte>(digit);
      }
    }
  }

  // Decodes digits, without padding, into `out`, which has room for `decoded_size` bytes.
  // Returns the position of the first wrong digit, or npos.
  std::size_t decode(std::string_view digits, std::byte* out) const noexcept {
    std::size_t at = 0;
    for (; digits.size() - at >= 4; at += 4) {
      const std::uint32_t a = value_of(digits[at]);
      const std::uint32_t b = value_of(digits[at + 1]);
      const std::uint32_t c = value_of(digits[at + 2]);
      const std::uint32_t d = value_of(digits[at + 3]);
      if (((a | b | c | d) & 0xc0U) != 0) {
        break;
      }
      const std::uint32_t bits = a << 18U | b << 12U | c << 6U | d;
      *out++ = static_cast<std::byte>(bits >> 16U);
      *out++ = static_cast<std::byte>(bits >> 8U & 0xffU);
      *out++ = static_cast<std::byte>(bits & 0xffU);
    }
    std::uint32_t bits = 0;
    const std::size_t rest = digits.size() - at;
    for (std::size_t i = 0; i < rest; ++i) {
      const std::uint32_t value = value_of(digits[at + i]);
      if (value == none) {
        return at + i;
      }
      bits |= value << (18U - 6U * i);
    }
    // A single digit is no byte; bits that no byte has must be 0, or one packet had many forms.
    if (rest == 1 || (rest == 2 && (bits & 0xffffU) != 0) || (rest == 3 && (bits & 0xffU) != 0)) {
      return digits.size() - 1;
    }
    for (std::size_t i = 1; i < rest; ++i) {
      *out++ = static_cast<std::byte>(bits >> (24U - 8U * i) & 0xffU);
    }
    return npos;
  }

 private:
  static constexpr std::uint8_t none = 0xff;

  std::uint32_t value_of(char digit) const noexcept {
    return values_[static_cast<unsigned char>(digit)];
  }

  std::string_view alphabet_;
  std::array<std::uint8_t, 256> values_{};
};

inline constexpr Base64Code standard_base64{false};
inline constexpr Base64Code url_safe_base64{true};

}  // namespace cowire::detail
