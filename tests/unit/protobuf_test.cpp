// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/protobuf.hpp"

#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/testing/splits.hpp"
#include "support/hex.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <optional>
#include <orders.pb.h>
#include <string>
#include <string_view>

using namespace cowire;
using testing::encode_all;

namespace {

orders::Order order_of(unsigned id) {
  orders::Order order;
  order.set_id(id);
  return order;
}

orders::Order decode(const Protobuf<orders::Order>& serializer, std::string_view bytes) {
  return serializer.deserialize(bytes_of(bytes));
}

std::optional<Error> bad(const Protobuf<orders::Order>& serializer, std::string_view bytes) {
  return thrown([&] { (void)decode(serializer, bytes); });
}

}  // namespace

static_assert(Serializer<Protobuf<orders::Order>>);

TEST_CASE("protobuf: the examples of the encoding guide") {
  orders::Test1 number;
  number.set_a(150);
  CHECK(encode_all(Protobuf<orders::Test1>{}, number) == from_hex("089601"));
  CHECK(Protobuf<orders::Test1>{}.deserialize(bytes_of(from_hex("089601"))).a() == 150);
  orders::Test2 text;
  text.set_b("testing");
  CHECK(encode_all(Protobuf<orders::Test2>{}, text) == from_hex("120774657374696e67"));
}

TEST_CASE("protobuf: messages there and back; unknown fields are kept") {
  orders::Order order = order_of(7);
  order.add_lines()->set_product("tea");
  order.set_blob(std::string("\0\xff", 2));
  const std::string bytes = encode_all(Protobuf<orders::Order>{}, order);
  const orders::Order again = decode({}, bytes);
  CHECK(again.SerializeAsString() == order.SerializeAsString());
  const std::string unknown = bytes + from_hex("9a06 02 6869");
  CHECK(encode_all(Protobuf<orders::Order>{}, decode({}, unknown)) == unknown);
}

TEST_CASE("protobuf: a required field that is missing is named, in both directions") {
  const auto received = bad({}, "");
  REQUIRE(received);
  CHECK(received->code() == errc::malformed);
  CHECK(received->context().field == "id");
  orders::Order order = order_of(1);
  (void)order.mutable_inner();
  const auto sent = thrown([&] { encode_all(Protobuf<orders::Order>{}, order); });
  REQUIRE(sent);
  CHECK(sent->code() == errc::not_sendable);
  CHECK(sent->context().field == "inner.id");
}

TEST_CASE("protobuf: an error stays short, however many fields are missing") {
  std::string bytes = from_hex("0801");
  for (int i = 0; i < 1000; ++i) {
    bytes += from_hex("2a00");
  }
  const auto error = bad({}, bytes);
  REQUIRE(error);
  CHECK(error->context().field.starts_with("parts[0].id, parts[1].id, "));
  CHECK(error->context().field.size() == 200);
}

TEST_CASE("protobuf: at the limit, and one over, in both directions") {
  const Protobuf<orders::Order> three{{.limit = 3}};
  CHECK(encode_all(three, order_of(150)) == from_hex("089601"));
  CHECK(decode(three, from_hex("089601")).id() == 150);
  const auto received = bad(three, from_hex("08968001"));
  REQUIRE(received);
  CHECK(received->code() == errc::too_large);
  CHECK(received->context().size == 4);
  CHECK(received->context().limit == 3);
  CHECK(thrown([&] { encode_all(three, order_of(1 << 14)); })->code() == errc::too_large);
}

TEST_CASE("protobuf: cut, wrong and hostile bytes are malformed") {
  orders::Order order = order_of(7);
  order.add_lines()->set_product("tea");
  const std::string good = encode_all(Protobuf<orders::Order>{}, order);
  for (std::size_t size = 3; size < good.size(); ++size) {
    CHECK(bad({}, good.substr(0, size))->code() == errc::malformed);
  }
  for (const char* hex : {"08", "0807 12ffffffff07", "0807 12ffffffffffffffffff01", "00", "07",
                          "0807 0c", "0807 fbff", "08ffffffffffffffffffffff01", "0807 0b"}) {
    CAPTURE(hex);
    CHECK(bad({}, from_hex(hex))->code() == errc::malformed);
  }
}

TEST_CASE("protobuf: the depth is limited: no recursion as deep as a peer likes") {
  std::string groups;
  for (int i = 0; i < 30'000; ++i) {
    groups += "\x0b";  // A group, unknown, in a group...
  }
  CHECK(bad({}, groups)->code() == errc::malformed);
  const auto nested = [](int depth) {
    orders::Order order = order_of(1);
    for (int i = 1; i < depth; ++i) {
      orders::Order outer = order_of(1);
      *outer.mutable_inner() = order;
      order = outer;
    }
    return order.SerializeAsString();
  };
  const Protobuf<orders::Order> three{{.depth = 3}};
  CHECK(decode(three, nested(4)).inner().inner().inner().id() == 1);
  CHECK(bad(three, nested(5))->code() == errc::malformed);
}

TEST_CASE("protobuf: messages in a stream, cut anywhere") {
  const LengthPrefixed messages{Protobuf<orders::Order>{}, {.width = 1}};
  const std::string good = encode_all(messages, order_of(150));
  const std::string stream = good + "\1\x08" + good;
  for (const auto& cuts : testing::ways_to_cut(stream.size())) {
    const auto outcomes = testing::decode_all(messages, stream, cuts);
    REQUIRE(outcomes.size() == 3);
    REQUIRE(outcomes[0].packet.has_value());
    CHECK(outcomes[0].packet->id() == 150);
    CHECK(outcomes[1].error == errc::malformed);
    CHECK(outcomes[2].packet.has_value());
  }
}
