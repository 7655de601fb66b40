// SPDX-License-Identifier: BSL-1.0
// The serializers of nlohmann-json keep the laws: see check_serializer().
// Allocations do not fail here: the destructor of a document of nlohmann-json 3.11 allocates, and
// ends the program if that fails.
#include "cowire/serializers/cbor.hpp"
#include "cowire/serializers/cbor_items.hpp"
#include "cowire/serializers/json.hpp"
#include "cowire/serializers/json_choice.hpp"
#include "cowire/serializers/json_documents.hpp"
#include "cowire/serializers/message_pack.hpp"
#include "cowire/serializers/message_pack_objects.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/testing/check_serializer.hpp"
#include "cowire/testing/splits.hpp"
#include "support/orders.hpp"
#include "support/rfc8259.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <string>
#include <variant>
#include <vector>

using namespace cowire;
using nlohmann::json;
using testing::check_serializer;

namespace {

const std::vector<json> documents{
    nullptr,
    -7,
    "text",
    json::array(),
    json::object(),
    json::array({1, "two", 2.5, true, json::array({json::object({{"k", nullptr}})})}),
    json::object({{"long", std::string(120, 'x')}, {"big", 18446744073709551615U}})};
const std::vector<json> unsendable{"\xff", json::array({std::numeric_limits<double>::infinity()}),
                                   json::binary({1, 2})};
const std::vector<json> not_text{"\xff", json::object({{"\xc0\xaf", 1}})};

const std::vector<Order> orders{
    {}, {7, {{"tea", 2}, {"milk", 65535}}, "quick"}, {1, {}, std::string(120, 'n')}};
const std::vector<Order> no_orders{{1, {{"", 1}}, {}}, {1, {}, "\xff"}};

using Choice = JsonChoice<"type", JsonCase<"order", Order>, JsonCase<"line", OrderLine>>;
const std::vector<std::variant<Order, OrderLine>> choices{orders[1], OrderLine{"tea", 3},
                                                          orders[2]};

}  // namespace

TEST_CASE("JSON keeps the laws of one-shot serializers, and of streams in its frames") {
  CHECK(check_serializer(Json<>{}, documents, {.unsendable = unsendable}));
  CHECK(check_serializer(Json<Order>{}, orders, {.unsendable = no_orders}));
  CHECK(check_serializer(Json<>{{.duplicate_keys = DuplicateKeys::last}}, documents));
  CHECK(check_serializer(Separated<Json<>>{}, documents, {.unsendable = unsendable}));
  CHECK(check_serializer(JsonDocuments<Json<>>{}, documents, {.unsendable = unsendable}));
  CHECK(check_serializer(JsonDocuments<Json<Order>>{}, orders, {.unsendable = no_orders}));
}

TEST_CASE("JSON that others made comes as they meant it, however it is cut") {
  // The examples of RFC 8259, section 13; and what Python's json.dumps makes, with and without
  // indent and ensure_ascii.
  const std::string object(rfc8259_object);
  const std::string array = R"([
        {
           "precision": "zip",
           "Latitude":  37.7668,
           "Longitude": -122.3959,
           "Address":   "",
           "City":      "SAN FRANCISCO",
           "State":     "CA",
           "Zip":       "94107",
           "Country":   "US"
        },
        {
           "precision": "zip",
           "Latitude":  37.371991,
           "Longitude": -122.026020,
           "Address":   "",
           "City":      "SUNNYVALE",
           "State":     "CA",
           "Zip":       "94085",
           "Country":   "US"
        }
      ])";
  const std::string escaped =
      R"({"text": "caf\u00e9 \u20ac \ud83d\ude00 \"\\/\b\f\n\r\t\u0000", "n": [0, -0.0, 1e-07, 1e+22, -1.5]})";
  const std::string indented =
      "{\n \"text\": \"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 "
      "\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\",\n "
      "\"n\": [\n  0,\n  -0.0,\n  1e-07,\n  1e+22,\n  -1.5\n ]\n}";
  const JsonDocuments<Json<>> serializer;
  CHECK(testing::check_decoder(serializer,
                               {object, array, "\"Hello world!\"", "42\n", "true\n", escaped}));
  const auto all = testing::decode_all(
      serializer, object + array + "\"Hello world!\"42 true\n" + escaped + indented);
  REQUIRE(all.size() == 7);
  CHECK(all[0].packet.value()["Image"]["IDs"] == json({116, 943, 234, 38793}));
  CHECK(all[0].packet.value()["Image"]["Animated"] == false);
  CHECK(all[1].packet.value()[1]["Longitude"] == -122.02602);
  CHECK(all[2].packet == json("Hello world!"));
  CHECK(all[3].packet == json(42));
  CHECK(all[4].packet == json(true));
  CHECK(all[5].packet.value()["text"] ==
        std::string("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \"\\/\b\f\n\r\t\0", 24));
  CHECK(all[5].packet.value()["n"][3] == 1e22);
  CHECK(all[6].packet == all[5].packet);
}

TEST_CASE("CBOR keeps the laws of one-shot serializers, and of streams in its frames") {
  CHECK(check_serializer(Cbor<>{}, documents, {.unsendable = not_text}));
  CHECK(check_serializer(Cbor<Order>{}, orders, {.unsendable = no_orders}));
  CHECK(check_serializer(CborItems<Cbor<>>{}, documents, {.unsendable = not_text}));
}

TEST_CASE("MessagePack keeps the laws of one-shot serializers, and of streams in its frames") {
  CHECK(check_serializer(MessagePack<>{}, documents, {.unsendable = not_text}));
  CHECK(check_serializer(MessagePack<Order>{}, orders, {.unsendable = no_orders}));
  CHECK(check_serializer(MessagePackObjects<MessagePack<>>{}, documents, {.unsendable = not_text}));
}

TEST_CASE("packets chosen by a JSON field keep the laws of one-shot serializers") {
  CHECK(check_serializer(Json<Choice>{}, choices));
  CHECK(check_serializer(Cbor<Choice>{}, choices));
  CHECK(check_serializer(MessagePackObjects<MessagePack<Choice>>{}, choices));
}
