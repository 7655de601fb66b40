// SPDX-License-Identifier: BSL-1.0
// Messages of protobuf keep the laws: see check_serializer().
// Allocations do not fail here: Protocol Buffers lose memory when one does.
#include "cowire/serializers/protobuf.hpp"
#include "cowire/serializers/varint_prefixed.hpp"
#include "cowire/testing/check_serializer.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <orders.pb.h>
#include <string>
#include <vector>

using namespace cowire;
using testing::check_serializer;

TEST_CASE("messages of protobuf keep the laws of serializers") {
  orders::Order small;
  small.set_id(0);
  orders::Order large;
  large.set_id(4294967295);
  large.add_lines()->set_product("tea");
  large.add_lines()->set_amount(3);
  large.mutable_inner()->set_id(1);
  large.set_blob(std::string(120, '\xff'));
  orders::Order too_large = large;
  too_large.set_blob(std::string(300, 'x'));
  const orders::Order without_id;
  const std::vector<orders::Order> packets{small, large};
  const std::vector<orders::Order> unsendable{without_id, too_large};
  const std::size_t most = std::size_t{64} << 20U;  // Protocol Buffers trust lengths up to 50 MB.
  CHECK(check_serializer(Protobuf<orders::Order>{{.limit = 200}}, packets,
                         {.unsendable = unsendable, .largest_allocation = most}));
  CHECK(check_serializer(VarintPrefixed{Protobuf<orders::Order>{{.limit = 200}}}, packets,
                         {.unsendable = unsendable, .largest_allocation = most}));
}
