// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace cowire {

class BlockPool;

/// A piece of memory on loan from a BlockPool, or of its own. Gives it back when destroyed.
class Block {
 public:
  Block() = default;
  Block(Block&& other) noexcept
      : data_(std::move(other.data_)),
        size_(std::exchange(other.size_, 0)),
        pool_(std::exchange(other.pool_, nullptr)) {}
  Block& operator=(Block&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(pool_, other.pool_);
    return *this;
  }
  ~Block();

  std::byte* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }

 private:
  friend class BlockPool;
  Block(std::unique_ptr<std::byte[]> data, std::size_t size, BlockPool* pool) noexcept
      : data_(std::move(data)), size_(size), pool_(pool) {}

  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
  BlockPool* pool_ = nullptr;
};

/// Free blocks of two sizes, so that connections hold memory only while bytes are under way.
///
/// The block given back last is handed out first: it is the one that is still in the cache.
/// Larger requests are allocated and freed as they come. Not thread-safe; must outlive its blocks.
class BlockPool {
 public:
  static constexpr std::size_t small_size = 512;        // for the bytes of one small request
  static constexpr std::size_t block_size = 16 * 1024;  // for a stream of bytes
  static constexpr std::size_t most_kept = 64;          // of each size; the rest is freed

  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  /// A block of at least `size` bytes, not initialised.
  Block take(std::size_t size) {
    if (size > block_size) {
      return {std::make_unique_for_overwrite<std::byte[]>(size), size, this};
    }
    const std::size_t rounded = size <= small_size ? small_size : block_size;
    Free& kept = free_of(rounded);
    if (kept.empty()) {
      return {std::make_unique_for_overwrite<std::byte[]>(rounded), rounded, this};
    }
    std::unique_ptr<std::byte[]> data = std::move(kept.back());
    kept.pop_back();
    return {std::move(data), rounded, this};
  }

 private:
  friend class Block;
  using Free = std::vector<std::unique_ptr<std::byte[]>>;

  Free& free_of(std::size_t size) noexcept { return size == small_size ? small_ : normal_; }

  void give_back(std::unique_ptr<std::byte[]> data, std::size_t size) noexcept {
    if (size > block_size) {
      return;
    }
    Free& kept = free_of(size);
    try {
      kept.reserve(most_kept);
    } catch (const std::bad_alloc&) {
      return;  // Freed instead of kept.
    }
    if (kept.size() < most_kept) {
      kept.push_back(std::move(data));
    }
  }

  Free small_;
  Free normal_;
};

inline Block::~Block() {
  if (data_ != nullptr) {
    pool_->give_back(std::move(data_), size_);
  }
}

namespace detail {

// A block of bytes that grows. Those in use are a window of it; more are added at its end.
class GrowingBlock {
 public:
  explicit GrowingBlock(BlockPool& pool) noexcept : pool_(&pool) {}

  Bytes readable() const noexcept { return {block_.data() + read_, size()}; }
  std::size_t size() const noexcept { return written_ - read_; }
  bool empty() const noexcept { return read_ == written_; }

  // Moves the bytes in use to the front only when they fill at most half of the block, else
  // doubles the block: so each byte is moved a constant number of times on average.
  MutableBytes prepare(std::size_t least) {
    if (empty()) {
      read_ = written_ = 0;
    }
    if (block_.size() - written_ < least) {
      make_room(least);
    }
    return {block_.data() + written_, block_.size() - written_};
  }

  void commit(std::size_t n) noexcept {
    assert(n <= block_.size() - written_);
    written_ += n;
  }

  void consume(std::size_t n) noexcept {
    assert(n <= size());
    read_ += n;
  }

  // Gives the block back if nothing is in use.
  void release() noexcept {
    if (empty()) {
      block_ = Block{};
      read_ = written_ = 0;
    }
  }

 protected:
  void make_room(std::size_t least) {
    const std::size_t kept = size();
    if (kept + least <= block_.size() && kept <= block_.size() / 2) {
      std::memmove(block_.data(), block_.data() + read_, kept);
    } else {
      Block larger = pool_->take(std::max(kept + least, 2 * block_.size()));
      if (kept != 0) {
        std::memcpy(larger.data(), block_.data() + read_, kept);
      }
      block_ = std::move(larger);
    }
    read_ = 0;
    written_ = kept;
  }

  BlockPool* pool_;
  Block block_;
  std::size_t read_ = 0;
  std::size_t written_ = 0;
};

}  // namespace detail

/// The bytes received and not yet decoded, in one piece.
///
///     |  consumed  |  readable()  |  prepare()  |
///     begin        read_          written_      end of the block
///
/// Views of `readable()` stay valid until the next `prepare` or `release`.
class ReceiveBuffer : private detail::GrowingBlock {
 public:
  /// @lifetime The pool must outlive the buffer.
  explicit ReceiveBuffer(BlockPool& pool) noexcept : GrowingBlock(pool) {}

  using GrowingBlock::readable;
  using GrowingBlock::size;
  std::size_t capacity() const noexcept { return block_.size(); }

  /// Room for at least `least` more bytes behind the readable ones.
  MutableBytes prepare(std::size_t least) { return GrowingBlock::prepare(least); }

  /// Says that `n` bytes of the prepared room were filled.
  void commit(std::size_t n) noexcept { GrowingBlock::commit(n); }

  /// Drops the first `n` readable bytes.
  void consume(std::size_t n) noexcept { GrowingBlock::consume(n); }

  /// Gives the block back if nothing is readable.
  void release() noexcept { GrowingBlock::release(); }
};

/// The bytes to send: serializers append to it, the connection writes from its front.
///
///     |  sent  |  readable()  |  free  |
class OutputBuffer : private detail::GrowingBlock {
 public:
  /// @lifetime The pool must outlive the buffer.
  explicit OutputBuffer(BlockPool& pool) noexcept : GrowingBlock(pool) {}

  using GrowingBlock::empty;
  using GrowingBlock::readable;
  using GrowingBlock::size;

  /// Appends a copy of the bytes.
  void append(Bytes bytes) {
    if (!bytes.empty()) {
      std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
      written_ += bytes.size();
    }
  }
  /// Appends a copy of the text.
  void append(std::string_view text) { append(bytes_of(text)); }

  /// Appends one byte.
  void append(std::byte byte) {
    prepare(1)[0] = byte;
    ++written_;
  }

  /// Room for at least `least` more bytes, to be filled in place and then committed.
  MutableBytes prepare(std::size_t least) { return GrowingBlock::prepare(least); }

  /// Says that `n` bytes of the prepared room were filled.
  void commit(std::size_t n) noexcept { GrowingBlock::commit(n); }

  /// The bytes appended since the buffer had `size` bytes, to be checked or patched in place.
  MutableBytes since(std::size_t size) noexcept {
    assert(size <= this->size());
    return {block_.data() + read_ + size, this->size() - size};
  }

  /// Takes back everything appended since the buffer had `size` bytes.
  void truncate(std::size_t size) noexcept {
    assert(size <= this->size());
    written_ = read_ + size;
  }

  /// Drops the first `n` bytes: they were sent. Gives the block back when none is left.
  void consume(std::size_t n) noexcept {
    GrowingBlock::consume(n);
    release();
  }
};

}  // namespace cowire
