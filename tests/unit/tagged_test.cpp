// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/tagged.hpp"

#include "cowire/protocol.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/struct.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>

using namespace cowire;
using namespace std::string_literals;
using testing::encode_all;

namespace {

struct Move {
  std::int8_t x = 0;
  std::int8_t y = 0;
  static constexpr auto fields = std::tuple{&Move::x, &Move::y};
  friend bool operator==(const Move&, const Move&) = default;
};

using Game = Tagged<Tag<1, StructSerializer<Move>>, Tag<7, Text<>>, Tag<200, Text<>>>;
using Packet = std::variant<Move, std::string, std::string>;

}  // namespace

static_assert(Serializer<Game>);
static_assert(std::same_as<Game::received_packet, Packet>);

TEST_CASE("a byte says which type follows") {
  const Game game;
  CHECK(encode_all(game, Packet(Move{2, -1})) == "\1\2\xff");
  CHECK(encode_all(game, Packet(std::in_place_index<1>, "hi")) == "\7hi");
  CHECK(encode_all(game, Packet(std::in_place_index<2>, "")) == "\xc8");
  CHECK(game.deserialize(bytes_of("\1\2\xff")) == Packet(Move{2, -1}));
  CHECK(game.deserialize(bytes_of("\7hi")) == Packet(std::in_place_index<1>, "hi"));
  CHECK(game.deserialize(bytes_of("\xc8hi")) == Packet(std::in_place_index<2>, "hi"));
}

TEST_CASE("no tag, a tag that none has, and a bad packet behind a good one are malformed") {
  const Game game;
  const auto error = thrown([&] { (void)game.deserialize(bytes_of("\2hi")); });
  REQUIRE(error);
  CHECK(error->code() == errc::malformed);
  CHECK(error->context().detail == "the tag 2 is none of 1, 7, 200");
  CHECK(error->context().position == 0);
  CHECK(thrown([&] { (void)game.deserialize({}); })->code() == errc::malformed);
  CHECK(thrown([&] { (void)game.deserialize(bytes_of("\1\2")); })->code() == errc::malformed);
}

TEST_CASE("a handler's send takes the alternatives themselves, and visits what it receives") {
  using Moves = LengthPrefixed<Tagged<Tag<1, StructSerializer<Move>>, Tag<7, Text<>>>>;
  const StreamProtocol protocol{Moves{{}, {.width = 1}}};
  const std::string stream = encode_all(protocol, Move{2, -1}, std::string("hi"));
  CHECK(stream == "\3\1\2\xff\3\7hi");
  struct Visitor {
    std::string operator()(const Move& move) const { return std::to_string(move.x); }
    std::string operator()(const std::string& text) const { return text; }
  };
  std::string seen;
  for (const auto& outcome : testing::decode_every_cut(protocol, stream + "\1\x09"s)) {
    seen += outcome.packet ? std::visit(Visitor{}, *outcome.packet) : "?";
  }
  CHECK(seen == "2hi?");
}

TEST_CASE("the serializers inside may have options") {
  const Tagged tagged{Tag<1, Text<>>{Text<>{{.encoding = TextEncoding::ascii}}}, Tag<2, Text<>>{}};
  using Two = std::variant<std::string, std::string>;
  CHECK(tagged.deserialize(bytes_of("\2\xff")) == Two(std::in_place_index<1>, "\xff"));
  CHECK(thrown([&] { (void)tagged.deserialize(bytes_of("\1\xff")); })->code() == errc::malformed);
  CHECK(encode_all(tagged, Two(std::in_place_index<1>, "\xff")) == "\2\xff");
  CHECK(thrown([&] { encode_all(tagged, Two(std::in_place_index<0>, "\xff")); })->code() ==
        errc::not_sendable);
}

TEST_CASE("a variant without a value cannot be sent") {
  struct Fragile {
    Fragile() = default;
    Fragile(const Fragile& /*other*/) { throw 1; }
    Fragile& operator=(const Fragile&) = default;
  };
  struct FragileSerializer {
    using sent_packet = Fragile;
    using received_packet = Fragile;
    void serialize(const Fragile& /*packet*/, OutputBuffer& /*out*/) const {}
    Fragile deserialize(Bytes /*bytes*/) const { return {}; }
  };
  using Broken = Tagged<Tag<1, Text<>>, Tag<2, FragileSerializer>>;
  Broken::sent_packet packet;
  const Fragile fragile;
  CHECK_THROWS_AS(packet.emplace<1>(fragile), int);
  const auto error = thrown([&] { encode_all(Broken{}, packet); });
  REQUIRE(error);
  CHECK(error->code() == errc::not_sendable);
}
