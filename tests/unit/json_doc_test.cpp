// SPDX-License-Identifier: BSL-1.0
// The JSON of docs/values.md.
#include "cowire/protocol.hpp"
#include "cowire/serializers/cbor.hpp"
#include "cowire/serializers/json.hpp"
#include "cowire/serializers/json_choice.hpp"
#include "cowire/serializers/json_fields.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace shop {

// [structs]
struct Item {
  std::string name;
  std::uint16_t amount = 0;
};

struct Request {
  std::uint32_t id = 0;
  std::vector<Item> items;
};

void to_json(nlohmann::json& json, const Item& item) {
  json = {{"name", item.name}, {"amount", item.amount}};
}

void from_json(const nlohmann::json& json, Item& item) {
  cowire::from_field(json, "name", item.name);
  cowire::from_field(json, "amount", item.amount);
}

void to_json(nlohmann::json& json, const Request& request) {
  cowire::to_field(json, "id", request.id);
  cowire::to_field(json, "items", request.items);
}

void from_json(const nlohmann::json& json, Request& request) {
  cowire::from_field(json, "id", request.id);
  cowire::from_field(json, "items", request.items);
}

using RequestLines = cowire::Separated<cowire::Json<Request>>;        // a line each
using RequestFrames = cowire::LengthPrefixed<cowire::Cbor<Request>>;  // CBOR after a length
const cowire::StreamProtocol<RequestLines> protocol;
// [/structs]

// [choice]
struct Login {
  std::string name;
};
struct Chat {
  std::string text;
};
void to_json(nlohmann::json& json, const Login& login) { json = {{"name", login.name}}; }
void to_json(nlohmann::json& json, const Chat& chat) { json = {{"text", chat.text}}; }
void from_json(const nlohmann::json& json, Login& login) {
  cowire::from_field(json, "name", login.name);
}
void from_json(const nlohmann::json& json, Chat& chat) {
  cowire::from_field(json, "text", chat.text);
}

// {"type":"login","name":"ann"}   {"type":"chat","text":"hi"}
using Message =
    cowire::JsonChoice<"type",  //
                       cowire::JsonCase<"login", Login>, cowire::JsonCase<"chat", Chat>>;
using MessageLines =
    cowire::Separated<cowire::Json<Message>>;  // packets: std::variant<Login, Chat>
// [/choice]

}  // namespace shop

TEST_CASE("the JSON of the page of values") {
  using cowire::testing::encode_all;
  const shop::Request request{7, {{"tea", 2}}};
  CHECK(encode_all(shop::protocol, request) ==
        "{\"id\":7,\"items\":[{\"amount\":2,\"name\":\"tea\"}]}\n");
  CHECK(encode_all(shop::RequestFrames{}, request).size() == 4 + 30);
  const cowire::Json<shop::Request> json;
  const std::string text = R"({"id":7,"items":[{"name":"tea"}]})";
  const auto error = thrown([&] { (void)json.deserialize(cowire::bytes_of(text)); });
  REQUIRE(error);
  CHECK(std::string(error->what()).starts_with("it is missing (field items[0].amount): "));
  CHECK(encode_all(shop::MessageLines{}, shop::Chat{"hi"}) ==
        "{\"text\":\"hi\",\"type\":\"chat\"}\n");
}
