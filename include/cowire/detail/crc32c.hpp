// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/framing.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace cowire::detail {

// CRC-32C (Castagnoli), reflected: RFC 3720, section 12.1. Ours, because no library that is
// everywhere has it: zlib's crc32 is another polynomial.
// Eight bytes at a time: table n is for a byte with n bytes behind it.
consteval std::array<std::array<std::uint32_t, 256>, 8> make_crc32c_tables() {
  constexpr std::uint32_t polynomial = 0x82f63b78;
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? polynomial : 0U);
    }
    tables[0][byte] = crc;
  }
  for (std::size_t n = 1; n < 8; ++n) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t crc = tables[n - 1][byte];
      tables[n][byte] = (crc >> 8U) ^ tables[0][crc & 0xffU];
    }
  }
  return tables;
}

inline constexpr auto crc32c_tables = make_crc32c_tables();

inline std::uint32_t crc32c(Bytes bytes) noexcept {
  const auto& tables = crc32c_tables;
  std::uint32_t crc = 0xffffffff;
  while (bytes.size() >= 8) {
    const std::uint64_t word = read_uint(bytes, 8, std::endian::little) ^ crc;
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      crc ^= tables[7 - i][(word >> (8 * i)) & 0xffU];
    }
    bytes = bytes.subspan(8);
  }
  for (const std::byte byte : bytes) {
    crc = (crc >> 8U) ^ tables[0][(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xffU];
  }
  return ~crc;
}

}  // namespace cowire::detail
