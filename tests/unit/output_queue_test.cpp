// SPDX-License-Identifier: BSL-1.0
#include "cowire/output_queue.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace cowire;

TEST_CASE("what is in flight stays in its place while more is gathered") {
  BlockPool pool;
  OutputQueue queue(pool);
  CHECK(queue.empty());
  CHECK(!queue.is_writing());
  queue.gathering().append("first");
  CHECK(queue.size() == 5);
  queue.begin_write();
  CHECK(queue.is_writing());
  CHECK(queue.gathering().empty());
  const std::byte* place = queue.in_flight().data();
  queue.gathering().append(std::string(100'000, 'x'));
  CHECK(queue.size() == 100'005);
  CHECK(text_of(queue.in_flight()) == "first");
  CHECK(queue.in_flight().data() == place);
  queue.written(2);
  CHECK(text_of(queue.in_flight()) == "rst");
  CHECK(queue.in_flight().data() == place + 2);
  queue.written(3);
  CHECK(!queue.is_writing());
  CHECK(queue.size() == 100'000);
  queue.begin_write();
  CHECK(queue.in_flight().size() == 100'000);
  queue.written(100'000);
  CHECK(queue.empty());
}
