// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/detail/zlib_stream.hpp"
#include "support/hex.hpp"

#include <zlib.h>

#include <cstddef>
#include <string>

/// 1 MiB of the same letter, compressed so that it may follow itself: with a full flush behind it.
inline std::string compressed_megabyte() {
  const std::string plain(std::size_t{1} << 20U, 'x');
  std::string piece(plain.size(), ' ');
  cowire::detail::Deflate stream(9, -15);
  stream.next_in = cowire::detail::zlib_input(cowire::bytes_of(plain));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(piece.data());
  stream.avail_out = static_cast<uInt>(piece.size());
  deflate(&stream, Z_FULL_FLUSH);
  piece.resize(piece.size() - stream.avail_out);
  return piece;
}

/// A raw stream of about 1 MB that is as many of them as `megabytes`.
inline std::string make_bomb(std::size_t megabytes) {
  const std::string piece = compressed_megabyte();
  std::string bomb;
  for (std::size_t i = 0; i < megabytes; ++i) {
    bomb += piece;
  }
  return bomb + from_hex("0300");
}
