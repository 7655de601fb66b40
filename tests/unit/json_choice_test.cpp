// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/json_choice.hpp"

#include "cowire/protocol.hpp"
#include "cowire/serializers/cbor.hpp"
#include "cowire/serializers/json.hpp"
#include "cowire/serializers/json_fields.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

using namespace cowire;
using nlohmann::json;
using testing::encode_all;

namespace {

struct Login {
  std::string name;
  friend bool operator==(const Login&, const Login&) = default;
};
void to_json(json& object, const Login& login) { to_field(object, "name", login.name); }
void from_json(const json& object, Login& login) { from_field(object, "name", login.name); }

struct Chat {
  std::string text;
  friend bool operator==(const Chat&, const Chat&) = default;
};
void to_json(json& object, const Chat& chat) { to_field(object, "text", chat.text); }
void from_json(const json& object, Chat& chat) { from_field(object, "text", chat.text); }

struct Liar {
  friend bool operator==(const Liar&, const Liar&) = default;
};
void to_json(json& object, const Liar& /*liar*/) { object = {{"type", "login"}}; }
void from_json(const json& /*object*/, Liar& /*liar*/) {}

using Choice = JsonChoice<"type", JsonCase<"login", Login>, JsonCase<"chat", Chat>,
                          JsonCase<"liar", Liar>, JsonCase<"number", int>>;
using Packet = std::variant<Login, Chat, Liar, int>;

std::optional<Error> bad(std::string_view text) {
  return thrown([&] { (void)Json<Choice>{}.deserialize(bytes_of(text)); });
}

}  // namespace

static_assert(std::same_as<Json<Choice>::received_packet, Packet>);

TEST_CASE("a field of the object chooses the type of the packet") {
  using Lines = Separated<Json<Choice>>;
  CHECK(encode_all(Lines{}, Login{"ann"}, Chat{"hi"}) ==
        "{\"name\":\"ann\",\"type\":\"login\"}\n{\"text\":\"hi\",\"type\":\"chat\"}\n");
  CHECK(testing::decode_every_cut(
            Lines{},
            "{\"type\":\"chat\",\"text\":\"a\"}\n{\"type\":1}\n{\"name\":\"b\",\"type\":"
            "\"login\"}\n") ==
        testing::Outcomes<Lines>{Packet(Chat{"a"}), errc::malformed, Packet(Login{"b"})});
  const Cbor<Choice> cbor;
  CHECK(cbor.deserialize(bytes_of(encode_all(cbor, Packet(Chat{"x"})))) == Packet(Chat{"x"}));
}

TEST_CASE("a handler's send takes the alternatives themselves") {
  const StreamProtocol protocol{Separated<Json<Choice>>{}};
  CHECK(encode_all(protocol, Login{"ann"}) == "{\"name\":\"ann\",\"type\":\"login\"}\n");
}

TEST_CASE("objects of no case are malformed: the error says why") {
  CHECK(bad("[]")->context().detail == "it is no object");
  const auto missing = bad("{}");
  REQUIRE(missing);
  CHECK(missing->code() == errc::malformed);
  CHECK(missing->context().field == "type");
  CHECK(missing->context().detail == "it is missing");
  CHECK(bad(R"({"type":7})")->context().detail == "it is no text");
  const auto unknown = bad(R"({"type":"logout\n"})");
  REQUIRE(unknown);
  CHECK(unknown->context().detail == R"("logout\n" is none of login, chat, liar, number)");
  CHECK(bad(R"({"type":"login"})")->context().field == "name");
}

TEST_CASE("what cannot say its type cannot be sent") {
  const auto number = thrown([] { encode_all(Json<Choice>{}, Packet(7)); });
  REQUIRE(number);
  CHECK(number->code() == errc::not_sendable);
  const auto liar = thrown([] { encode_all(Json<Choice>{}, Packet(Liar{})); });
  REQUIRE(liar);
  CHECK(liar->code() == errc::not_sendable);
  CHECK(liar->context().field == "type");
}
