// SPDX-License-Identifier: BSL-1.0
#include "cowire/buffer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace cowire;

namespace {

void put(ReceiveBuffer& buffer, std::string_view text) {
  const MutableBytes room = buffer.prepare(text.size());
  REQUIRE(room.size() >= text.size());
  std::ranges::copy(bytes_of(text), room.begin());
  buffer.commit(text.size());
}

}  // namespace

TEST_CASE("BlockPool: a block given back is kept, and the next one handed out") {
  BlockPool pool;
  const std::byte* first = nullptr;
  {
    const Block block = pool.take(BlockPool::small_size + 1);
    first = block.data();
    CHECK(block.size() == BlockPool::block_size);
  }
  // Had the block been freed, this would be likely to get its memory.
  const auto other = std::make_unique<std::byte[]>(BlockPool::block_size);
  CHECK(other.get() != first);
  const Block again = pool.take(BlockPool::block_size);
  CHECK(again.data() == first);
  CHECK(pool.take(BlockPool::block_size).data() != first);
}

TEST_CASE("B1: BlockPool: small blocks for little, blocks beyond the larger size made to measure") {
  BlockPool pool;
  CHECK(BlockPool::small_size == 512);
  CHECK(BlockPool::block_size == 16 * 1024);
  CHECK(pool.take(0).size() == BlockPool::small_size);
  CHECK(pool.take(BlockPool::small_size).size() == BlockPool::small_size);
  CHECK(pool.take(BlockPool::small_size + 1).size() == BlockPool::block_size);
  CHECK(pool.take(BlockPool::block_size + 1).size() == BlockPool::block_size + 1);
}

TEST_CASE("BlockPool: more blocks than it keeps are freed") {
  BlockPool pool;
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < BlockPool::most_kept + 3; ++i) {
    blocks.push_back(pool.take(1));
  }
  blocks.clear();
  CHECK(pool.take(1).data() != nullptr);  // What it frees, AddressSanitizer checks.
}

TEST_CASE("Block: moving hands the memory over") {
  BlockPool pool;
  Block block = pool.take(10);
  const std::byte* const data = block.data();
  Block other = std::move(block);
  CHECK(other.data() == data);
  CHECK(block.data() == nullptr);  // NOLINT(bugprone-use-after-move): what moving left
  CHECK(block.size() == 0);
  Block third = pool.take(10);
  third = std::move(other);
  CHECK(third.data() == data);
}

TEST_CASE("ReceiveBuffer: what is committed is readable, what is consumed is gone") {
  BlockPool pool;
  ReceiveBuffer buffer(pool);
  CHECK(buffer.size() == 0);
  CHECK(buffer.capacity() == 0);
  CHECK(buffer.readable().empty());
  put(buffer, "hello");
  put(buffer, " world");
  CHECK(text_of(buffer.readable()) == "hello world");
  CHECK(buffer.size() == 11);
  buffer.consume(6);
  CHECK(text_of(buffer.readable()) == "world");
  buffer.consume(5);
  CHECK(buffer.size() == 0);
}

TEST_CASE("ReceiveBuffer: readable bytes survive growing and moving to the front") {
  BlockPool pool;
  ReceiveBuffer buffer(pool);
  std::string expected;
  for (int i = 0; i < 20000; ++i) {
    const std::string text = std::to_string(i) + ",";
    put(buffer, text);
    expected += text;
    if (i % 3 == 0) {
      const std::size_t n = std::min<std::size_t>(buffer.size(), 13);
      buffer.consume(n);
      expected.erase(0, n);
    }
  }
  CHECK(text_of(buffer.readable()) == expected);
}

TEST_CASE("ReceiveBuffer: a large request gets that much room, and the kept bytes stay") {
  BlockPool pool;
  ReceiveBuffer buffer(pool);
  put(buffer, "abc");
  CHECK(buffer.prepare(1 << 20).size() >= 1 << 20);
  CHECK(text_of(buffer.readable()) == "abc");
}

TEST_CASE("ReceiveBuffer: a buffer that is drained each time does not grow") {
  BlockPool pool;
  ReceiveBuffer buffer(pool);
  const std::string text(1000, 'x');
  for (int i = 0; i < 1000; ++i) {
    put(buffer, text);
    buffer.consume(text.size());
  }
  CHECK(buffer.capacity() == BlockPool::block_size);
}

TEST_CASE("ReceiveBuffer: a small rest is moved to the front, the block does not grow") {
  BlockPool pool;
  ReceiveBuffer buffer(pool);
  std::string expected;
  for (int i = 0; i < 20000; ++i) {
    const std::string text = std::to_string(i) + ",";
    put(buffer, text);
    expected += text;
    if (expected.size() > 1000) {
      buffer.consume(990);
      expected.erase(0, 990);
    }
    REQUIRE(text_of(buffer.readable()) == expected);
  }
  CHECK(buffer.capacity() == BlockPool::block_size);
}

TEST_CASE("ReceiveBuffer: release gives the block back, but only when nothing is readable") {
  BlockPool pool;
  ReceiveBuffer buffer(pool);
  put(buffer, "ab");
  const std::byte* const data = buffer.readable().data();
  buffer.release();
  CHECK(text_of(buffer.readable()) == "ab");
  buffer.consume(2);
  buffer.release();
  CHECK(buffer.capacity() == 0);
  CHECK(pool.take(1).data() == data);
  put(buffer, "again");
  CHECK(text_of(buffer.readable()) == "again");
}

TEST_CASE("OutputBuffer: appends text, bytes and single bytes in order") {
  BlockPool pool;
  OutputBuffer out(pool);
  CHECK(out.empty());
  out.append("ab");
  out.append(std::byte{'c'});
  out.append(bytes_of("de"));
  out.append("");
  out.append(Bytes{});
  CHECK(text_of(out.readable()) == "abcde");
  CHECK(out.size() == 5);
  CHECK_FALSE(out.empty());
}

TEST_CASE("OutputBuffer: since and truncate count from the front of what is not sent") {
  BlockPool pool;
  OutputBuffer out(pool);
  out.append("sent");
  out.append("abc");
  out.consume(4);
  const std::size_t start = out.size();
  CHECK(start == 3);
  out.append("defg");
  CHECK(text_of(out.since(start)) == "defg");
  out.since(start)[0] = std::byte{'D'};
  CHECK(text_of(out.readable()) == "abcDefg");
  out.truncate(start);
  CHECK(text_of(out.readable()) == "abc");
  CHECK(out.since(start).empty());
}

TEST_CASE("OutputBuffer: gives its block back when all is sent") {
  BlockPool pool;
  OutputBuffer out(pool);
  out.append("abc");
  const std::byte* const data = out.readable().data();
  out.consume(3);
  CHECK(out.empty());
  CHECK(pool.take(1).data() == data);
  out.append("next");
  CHECK(text_of(out.readable()) == "next");
}

TEST_CASE("OutputBuffer: keeps its bytes while it grows and is sent from in pieces") {
  BlockPool pool;
  OutputBuffer out(pool);
  std::string expected;
  for (int i = 0; i < 20000; ++i) {
    const std::string text = std::to_string(i) + ";";
    out.append(text);
    expected += text;
    if (i % 5 == 0) {
      const std::size_t n = std::min<std::size_t>(out.size(), 17);
      out.consume(n);
      expected.erase(0, n);
    }
  }
  CHECK(text_of(out.readable()) == expected);
}

TEST_CASE("OutputBuffer: a small rest is moved to the front of its block") {
  BlockPool pool;
  OutputBuffer out(pool);
  std::string expected(BlockPool::small_size + 1, 's');  // For a block that is not small.
  out.append(expected);
  const std::byte* const block = out.readable().data();
  for (int i = 0; i < 20000; ++i) {
    const std::string text = std::to_string(i) + ",";
    out.append(text);
    expected += text;
    if (expected.size() > 1000) {
      out.consume(990);
      expected.erase(0, 990);
    }
    REQUIRE(text_of(out.readable()) == expected);
    REQUIRE(out.readable().data() >= block);
    REQUIRE(out.readable().data() < block + BlockPool::block_size);
  }
}

TEST_CASE("OutputBuffer: prepare and commit write in place") {
  BlockPool pool;
  OutputBuffer out(pool);
  const MutableBytes room = out.prepare(3);
  REQUIRE(room.size() >= 3);
  std::ranges::copy(bytes_of("xyz"), room.begin());
  CHECK(out.empty());
  out.commit(2);
  CHECK(text_of(out.readable()) == "xy");
}
