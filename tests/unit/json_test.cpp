// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/json.hpp"

#include "cowire/protocol.hpp"
#include "cowire/serializers/json_fields.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/testing/splits.hpp"
#include "support/orders.hpp"
#include "support/rfc8259.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace cowire;
using nlohmann::json;
using testing::decode_every_cut;
using testing::encode_all;

namespace {

template <class S>
std::optional<Error> bad(const S& serializer, std::string_view text) {
  return thrown([&] { (void)serializer.deserialize(bytes_of(text)); });
}

json nested(std::size_t depth) {
  json value = json::array();
  for (std::size_t i = 1; i < depth; ++i) {
    value = json::array({std::move(value)});
  }
  return value;
}

std::string nested_text(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

}  // namespace

static_assert(Serializer<Json<>> && Serializer<Json<Order>> && !StreamSerializer<Json<>>);

TEST_CASE("P11: a document is a packet; what is sent is compact") {
  const json document = {{"key", {1, -2, 2.5}}, {"none", nullptr}, {"yes", true}, {"t", "\"\n"}};
  CHECK(encode_all(Json<>{}, document) ==
        R"({"key":[1,-2,2.5],"none":null,"t":"\"\n","yes":true})");
  CHECK(Json<>{}.deserialize(bytes_of(encode_all(Json<>{}, document))) == document);
  CHECK(Json<>{}.deserialize(bytes_of(" [ 1 ,\t{\"a\" : \"\\u00e9\\ud83d\\ude00\"} ]\r\n")) ==
        json::array({1, {{"a", "\xc3\xa9\xf0\x9f\x98\x80"}}}));
  for (const char* text : {"0", "-0.5", "\"\"", "null", "[]", "{}", "18446744073709551615",
                           "-9223372036854775808", R"({"":{"":""}})"}) {
    CHECK(encode_all(Json<>{}, Json<>{}.deserialize(bytes_of(text))) == text);
  }
}

TEST_CASE("structs of the program, by to_json and from_json") {
  const Separated<Json<Order>> lines;
  const Order order{7, {{"tea", 2}}, "quick"};
  const std::string text = R"({"id":7,"lines":[{"amount":2,"product":"tea"}],"note":"quick"})";
  CHECK(encode_all(lines, order) == text + "\n");
  CHECK(decode_every_cut(lines, "{\"id\":1,\"lines\":[]}\nnull\n{\"id\":2,\"lines\":[]}\n") ==
        testing::Outcomes<Separated<Json<Order>>>{Order{1, {}, {}}, errc::malformed,
                                                  Order{2, {}, {}}});
  const StreamProtocol protocol{LengthPrefixed<Json<Order>>{Json<Order>{}, {.width = 1}}};
  CHECK(encode_all(protocol, order) == static_cast<char>(text.size()) + text);
}

TEST_CASE("the examples of RFC 8259, section 13, and what Python's json made") {
  const json image = Json<>{}.deserialize(bytes_of(rfc8259_object));
  CHECK(encode_all(Json<>{}, image) ==
        R"({"Image":{"Animated":false,"Height":600,"IDs":[116,943,234,38793],)"
        R"("Thumbnail":{"Height":125,"Url":"http://www.example.com/image/481989943","Width":100},)"
        R"("Title":"View from 15th Floor","Width":800}})");
  CHECK(Json<>{}.deserialize(bytes_of("\"Hello world!\"")) == "Hello world!");
  CHECK(Json<>{}.deserialize(bytes_of("42")) == 42);
  CHECK(Json<>{}.deserialize(bytes_of("true")) == true);
  // json.dumps(["caf\u00e9", "\U0001f600", "\x00\x1f\x7f\"\\/\n", 1e22, -0.0, 5e-324, 2**64 - 1])
  const json made = Json<>{}.deserialize(
      bytes_of(R"(["caf\u00e9", "\ud83d\ude00", "\u0000\u001f\u007f\"\\/\n", 1e+22, -0.0, 5e-324, )"
               R"(18446744073709551615])"));
  REQUIRE(made.size() == 7);
  CHECK(made[0] == "caf\xc3\xa9");
  CHECK(made[1] == "\xf0\x9f\x98\x80");
  CHECK(made[2] == std::string("\0\x1f\x7f\"\\/\n", 7));
  CHECK(made[3] == 1e22);
  CHECK(std::signbit(made[4].get<double>()));
  CHECK(made[5] == 5e-324);
  CHECK(made[6] == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("what is not JSON is malformed, with the byte") {
  const std::pair<std::string_view, std::size_t> texts[] = {
      {"", 0},         {" ", 1},       {"{", 1},         {"[1,]", 3},   {"[1 2]", 3},
      {"{\"a\":}", 5}, {"nul", 3},     {"[1]x", 3},      {"01", 1},     {"\"a\nb\"", 2},
      {"[1,2", 4},     {"\"\\x\"", 2}, {"{\"a\" 1}", 5}, {"+1", 0},     {"'a'", 0},
      {"/**/1", 0},    {"NaN", 0},     {"{1:2}", 1},     {"[1][2]", 3}, {"\"\\ud800\"", 7}};
  for (const auto& [text, position] : texts) {
    CAPTURE(text);
    const auto error = bad(Json<>{}, text);
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
    CHECK(error->context().position == position);
  }
  // What a NUL hides would be seen by others than nlohmann-json.
  for (const std::string_view text :
       {std::string_view("[1]\0", 4), std::string_view("[1]\0[2]", 7),
        std::string_view("[1]\0\xff", 5), std::string_view("123\0x", 5)}) {
    const auto error = bad(Json<>{}, text);
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
    CHECK(error->context().position == 3);
  }
  CHECK(bad(Json<>{}, std::string_view("[x]\0", 4))->context().position == 1);
  CHECK(bad(Json<>{}, "1e999")->code() == errc::malformed);
  const auto quoted = bad(Json<>{}, "[\"a\x01\xff" + std::string(1000, 'b'));
  REQUIRE(quoted);
  CHECK(std::string_view(quoted->what()).size() < 400);
  CHECK(std::string_view(quoted->what()).find('\xff') == npos);
}

TEST_CASE("texts must be UTF-8, in both directions") {
  const auto received = bad(Json<>{}, "[\"ab\xc0\xaf\"]");
  REQUIRE(received);
  CHECK(received->code() == errc::malformed);
  CHECK(received->context().position == 4);
  const json document = {{"list", {"ok", "a\xff"}}};
  const auto sent = thrown([&] { encode_all(Json<>{}, document); });
  REQUIRE(sent);
  CHECK(sent->code() == errc::not_sendable);
  CHECK(sent->context().field == "list[1]");
  CHECK(sent->context().position == 1);
  CHECK(thrown([&] { encode_all(Json<>{}, json{{"\xff", 1}}); })->code() == errc::not_sendable);
}

TEST_CASE("the depth: at the limit, one over, and 100,000, in both directions") {
  const Json<> three{{.depth = 3}};
  CHECK(three.deserialize(bytes_of("[{\"a\":[1]}]")) == json::parse("[{\"a\":[1]}]"));
  const auto error = bad(three, "[0,{\"a\":[1,[]]}]");
  REQUIRE(error);
  CHECK(error->code() == errc::too_large);
  CHECK(error->context().detail == "arrays and objects are nested deeper than 3");
  CHECK(error->context().field == "[1].a[1]");
  CHECK(encode_all(three, nested(3)) == "[[[]]]");
  const auto sent = thrown([&] { encode_all(three, nested(4)); });
  REQUIRE(sent);
  CHECK(sent->code() == errc::too_large);
  CHECK(sent->context().field == "[0][0][0]");

  const Json<> most{{.depth = Json<>::most_depth}};
  CHECK(encode_all(most, most.deserialize(bytes_of(nested_text(500)))) == nested_text(500));
  for (const Json<>& serializer : {Json<>{}, most}) {
    CHECK(bad(serializer, nested_text(100'000))->code() == errc::too_large);
    CHECK(bad(serializer, std::string(100'000, '['))->code() == errc::too_large);
    std::string objects;
    for (int i = 0; i < 100'000; ++i) {
      objects += "{\"\":";
    }
    CHECK(bad(serializer, objects)->code() == errc::too_large);
  }
  const json deep = nested(100'000);
  CHECK(thrown([&] { encode_all(Json<>{}, deep); })->code() == errc::too_large);
  CHECK(thrown([] { Json<>{{.depth = 501}}; })->code() == errc::invalid_argument);
  CHECK(Json<>{{.depth = 0}}.deserialize(bytes_of("1")) == 1);
  CHECK(bad(Json<>{{.depth = 0}}, "[]"));
}

TEST_CASE("a key twice is malformed, unless the last is to count") {
  const char* text = R"({"a":{"x":1,"y":2,"x":3}})";
  const auto error = bad(Json<>{}, text);
  REQUIRE(error);
  CHECK(error->code() == errc::malformed);
  CHECK(error->context().detail == "the key is there twice");
  CHECK(error->context().field == "a.x");
  const Json<> last{{.duplicate_keys = DuplicateKeys::last}};
  CHECK(last.deserialize(bytes_of(text)) == json::parse(text));
  CHECK(Json<>{}.deserialize(bytes_of(R"([{"a":1},{"a":2}])")).size() == 2);
}

TEST_CASE("what JSON does not have cannot be sent: it would arrive as something else") {
  using Limits = std::numeric_limits<double>;
  for (const json& value :
       {json(Limits::infinity()), json(-Limits::infinity()), json(Limits::quiet_NaN()),
        json::binary({1, 2}), json(json::value_t::discarded)}) {
    const auto error = thrown([&] { encode_all(Json<>{}, json{{"a", {0, value}}}); });
    REQUIRE(error);
    CHECK(error->code() == errc::not_sendable);
    CHECK(error->context().field == "a[1]");
  }
}

TEST_CASE("from_field: an error names the field that is missing or wrong") {
  const auto field = [](std::string_view text) {
    const auto error = bad(Json<Order>{}, text);
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
    return error->context().field;
  };
  CHECK(field(R"({"lines":[]})") == "id");
  CHECK(field(R"({"id":"7","lines":[]})") == "id");
  CHECK(field(R"({"id":7.5,"lines":[]})") == "id");
  CHECK(field(R"({"id":7,"lines":{}})") == "lines");
  CHECK(field(R"({"id":7,"lines":[{"product":"a","amount":1},{"amount":1}]})") ==
        "lines[1].product");
  CHECK(field(R"({"id":7,"lines":[{"product":7,"amount":1}]})") == "lines[0].product");
  CHECK(field(R"({"id":7,"lines":[7]})") == "lines[0]");
  CHECK(field(R"({"id":7,"lines":[],"note":7})") == "note");
  CHECK(field("7").empty());
  CHECK(bad(Json<Order>{}, R"({"lines":[]})")->context().detail == "it is missing");
  const Order order = Json<Order>{}.deserialize(bytes_of(R"({"id":7,"lines":[],"note":null})"));
  CHECK(order == Order{7, {}, {}});
}

TEST_CASE("from_field: a number must fit into its integer") {
  const auto amount = [](const std::string& number) {
    return R"({"id":7,"lines":[{"product":"a","amount":)" + number + "}]}";
  };
  CHECK(Json<Order>{}.deserialize(bytes_of(amount("65535"))).lines[0].amount == 65535);
  for (const char* number : {"65536", "-1", "18446744073709551615", "1e2", "true", "null"}) {
    CAPTURE(number);
    const auto error = bad(Json<Order>{}, amount(number));
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
    CHECK(error->context().field == "lines[0].amount");
  }
}

TEST_CASE("from_field: in arrays, maps and optionals, too, a number must fit") {
  const auto read = []<class T>(const json& value, T result) {
    from_field(json{{"a", value}}, "a", result);
    return result;
  };
  const auto field_of = [&]<class T>(const json& value, T result) {
    const auto error = thrown([&] { (void)read(value, std::move(result)); });
    REQUIRE(error);
    CHECK(error->code() == errc::malformed);
    return error->context().field;
  };
  using Two = std::array<std::uint8_t, 2>;
  CHECK(read({1, 255}, Two{}) == Two{1, 255});
  CHECK(field_of({1, 256}, Two{}) == "a[1]");
  CHECK(field_of({1}, Two{}) == "a");
  CHECK(field_of({1, 2, 3}, Two{}) == "a");
  CHECK(field_of(json::object(), Two{}) == "a");
  using Map = std::map<std::string, std::vector<std::int8_t>>;
  CHECK(read({{"x", {1, -128}}, {"y", json::array()}}, Map{{"z", {}}}) ==
        Map{{"x", {1, -128}}, {"y", {}}});
  CHECK(field_of({{"x", {1, 128}}}, Map{}) == "a.x[1]");
  CHECK(field_of({1}, Map{}) == "a");
  CHECK(read({1, nullptr}, std::vector<std::optional<int>>{}) ==
        std::vector<std::optional<int>>{1, std::nullopt});
}

TEST_CASE("from_field: a floating point number must be a number, and fit") {
  const auto read = [](const json& value) {
    float result = 0;
    from_field(json{{"a", value}}, "a", result);
    return result;
  };
  CHECK(read(1.5) == 1.5F);
  CHECK(read(-3) == -3.0F);
  CHECK(read(-3.4028234663852886e38) == std::numeric_limits<float>::lowest());
  CHECK(
      std::isinf(read(std::numeric_limits<double>::infinity())));  // CBOR and MessagePack have it.
  CHECK(std::isnan(read(std::numeric_limits<double>::quiet_NaN())));
  for (const json& value : {json(1e39), json(-1e39), json(true), json("1"), json(nullptr)}) {
    CHECK(thrown([&] { (void)read(value); })->context().field == "a");
  }
}

TEST_CASE("to_field: an optional inside of a vector is null if it is empty") {
  json document;
  to_field(document, "a", std::vector<std::optional<int>>{1, std::nullopt});
  CHECK(document == json{{"a", {1, nullptr}}});
  to_field(document, "a", std::optional<std::optional<int>>(std::in_place, std::nullopt));
  CHECK(document == json{{"a", nullptr}});
}

TEST_CASE("to_field: an error names the field, and an empty optional is left out") {
  CHECK(encode_all(Json<Order>{}, Order{1, {}, {}}) == R"({"id":1,"lines":[]})");
  const auto error =
      thrown([] { encode_all(Json<Order>{}, Order{1, {{"a", 1}, {"\xff", 2}}, {}}); });
  REQUIRE(error);
  CHECK(error->code() == errc::not_sendable);
  CHECK(error->context().field == "lines[1].product");
  const auto own = thrown([] { encode_all(Json<Order>{}, Order{1, {{"a", 2}, {"", 1}}, {}}); });
  REQUIRE(own);
  CHECK(own->code() == errc::not_sendable);
  CHECK(own->context().field == "lines[1].product");
}

TEST_CASE("a from_json without from_field: the missing key is named all the same") {
  const Json<Plain> serializer;
  const Plain plain = serializer.deserialize(bytes_of(R"({"x":1})"));
  CHECK(plain.x == 1);
  const auto error = bad(serializer, R"({"y":1})");
  REQUIRE(error);
  CHECK(error->code() == errc::malformed);
  CHECK(error->context().field == "x");
  CHECK(error->context().detail == "key 'x' not found");
  CHECK(bad(serializer, R"({"x":"1"})")->code() == errc::malformed);
}
