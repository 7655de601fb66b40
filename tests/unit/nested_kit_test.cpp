// SPDX-License-Identifier: BSL-1.0
// Serializers inside of others keep the laws: see check_serializer().
// Allocations do not fail here: the destructor of a document of nlohmann-json 3.11 allocates, and
// ends the program if that fails.
#include "cowire/protocol.hpp"
#include "cowire/serializers/base64.hpp"
#include "cowire/serializers/cbor.hpp"
#include "cowire/serializers/checksummed.hpp"
#include "cowire/serializers/cobs.hpp"
#include "cowire/serializers/compressed.hpp"
#include "cowire/serializers/digest.hpp"
#include "cowire/serializers/json.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/message_pack.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/serializers/tagged.hpp"
#include "cowire/testing/check_serializer.hpp"
#include "support/orders.hpp"

#include <doctest/doctest.h>

#include <string>
#include <variant>
#include <vector>

using namespace cowire;
using testing::check_serializer;

TEST_CASE("serializers inside of others keep the laws") {
  const std::vector<Order> orders{
      {}, {7, {{"tea", 2}, {"milk", 65535}}, "quick"}, {1, {}, std::string(120, 'n')}};
  const std::vector<Order> unsendable{{1, {{"", 1}}, {}}, {1, {}, "\xff"}};
  CHECK(check_serializer(LengthPrefixed<Compressed<Cbor<Order>>>{}, orders,
                         {.unsendable = unsendable, .rounds = 100}));
  CHECK(check_serializer(Cobs<Checksummed<Compressed<MessagePack<Order>>>>{}, orders,
                         {.unsendable = unsendable, .rounds = 100}));
  using Signed = HmacSha256<Compressed<Json<Order>>>;
  const Separated lines{Base64{Signed{Compressed<Json<Order>>{}, "the key"}}};
  CHECK(check_serializer(lines, orders, {.unsendable = unsendable, .rounds = 100}));
  CHECK(check_serializer(StreamProtocol{lines}, orders, {.rounds = 100}));

  using Types = Tagged<Tag<1, Compressed<Cbor<Order>>>, Tag<2, Json<OrderLine>>>;
  const std::vector<std::variant<Order, OrderLine>> either{orders[1], OrderLine{"tea", 3}};
  CHECK(check_serializer(LengthPrefixed<Types>{}, either, {.rounds = 100}));
}
