// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"

#include <zlib.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace cowire::detail {

// zlib counts in `unsigned`, whatever the size of the data.
inline uInt take_some(std::size_t& left) noexcept {
  const auto some = static_cast<uInt>(std::min<std::size_t>(left, UINT_MAX));
  left -= some;
  return some;
}

// zlib does not write through it, but older versions take no pointer to const.
inline Bytef* zlib_input(Bytes bytes) noexcept {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
}

struct Deflate : z_stream {
  Deflate(int level, int window) : z_stream{} {
    if (deflateInit2(this, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  Deflate(const Deflate&) = delete;
  Deflate& operator=(const Deflate&) = delete;
  ~Deflate() { deflateEnd(this); }
};

struct Inflate : z_stream {
  explicit Inflate(int window) : z_stream{} {
    if (inflateInit2(this, window) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  Inflate(const Inflate&) = delete;
  Inflate& operator=(const Inflate&) = delete;
  ~Inflate() { inflateEnd(this); }
};

// Appends the compressed bytes.
inline void deflate_all(Bytes plain, int level, int window, OutputBuffer& out) {
  constexpr std::size_t piece = 16 * 1024;
  Deflate stream(level, window);
  std::size_t left = plain.size();
  stream.next_in = zlib_input(plain);
  int result = Z_OK;
  while (result != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      stream.avail_in = take_some(left);
    }
    const MutableBytes room = out.prepare(piece);
    stream.next_out = reinterpret_cast<Bytef*>(room.data());
    stream.avail_out = static_cast<uInt>(std::min<std::size_t>(room.size(), UINT_MAX));
    const uInt before = stream.avail_out;
    result = deflate(&stream, left == 0 ? Z_FINISH : Z_NO_FLUSH);
    out.commit(before - stream.avail_out);
  }
}

// Makes room for `wanted` bytes, or for as many as show that there are more than `most`. A vector
// would double its room by itself, whatever the limit, beside the old one: what is over half of the
// limit has room for all of it, so that both never are more than one and a half of it.
inline void grow(std::vector<std::byte>& plain, std::size_t wanted, std::size_t most) {
  std::vector<std::byte> larger(wanted > most / 2 ? most + 1 : wanted);
  std::ranges::copy(plain, larger.begin());
  plain = std::move(larger);
}

// The bytes that were compressed, at most `most` of them.
inline std::vector<std::byte> inflate_all(Bytes bytes, int window, std::size_t most) {
  Inflate stream(window);
  std::size_t left = bytes.size();
  const auto fail = [&](errc code, const char* detail) {
    ErrorContext context;
    context.detail = detail;
    if (code == errc::too_large) {
      context.limit = most;
    } else {
      context.position = bytes.size() - left - stream.avail_in;
    }
    return Error(code, std::move(context));
  };
  stream.next_in = zlib_input(bytes);
  std::vector<std::byte> plain;
  std::size_t size = 0;
  while (true) {
    if (stream.avail_in == 0) {
      stream.avail_in = take_some(left);
    }
    if (size == plain.size()) {
      grow(plain, std::max<std::size_t>({2 * size, 4 * bytes.size(), 256}), most);
    }
    std::size_t room = plain.size() - size;
    stream.next_out = reinterpret_cast<Bytef*>(plain.data() + size);
    stream.avail_out = take_some(room);
    const uInt before = stream.avail_out;
    const int result = inflate(&stream, Z_NO_FLUSH);
    size += before - stream.avail_out;
    if (size > most) {
      throw fail(errc::too_large, "the packet grows over its limit when it is decompressed");
    }
    if (result == Z_STREAM_END) {
      if (left + stream.avail_in != 0) {
        throw fail(errc::malformed, "there are bytes behind the compressed data");
      }
      plain.resize(size);
      return plain;
    }
    if (result == Z_MEM_ERROR) {
      throw std::bad_alloc();
    }
    if (result == Z_BUF_ERROR && left == 0 && stream.avail_in == 0 && stream.avail_out != 0) {
      throw fail(errc::malformed, "the compressed data end too early");
    }
    if (result != Z_OK && result != Z_BUF_ERROR) {
      throw fail(errc::malformed, result == Z_NEED_DICT
                                      ? "the compressed data need a dictionary"
                                      : "these are no compressed data of this format");
    }
  }
}

}  // namespace cowire::detail
