// SPDX-License-Identifier: BSL-1.0
// What a peer announces costs nothing before it has come: the memory is measured.
#include "cowire/serializers/cbor.hpp"
#include "cowire/serializers/cbor_items.hpp"
#include "cowire/serializers/compressed.hpp"
#include "cowire/serializers/json.hpp"
#include "cowire/serializers/json_documents.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/message_pack.hpp"
#include "cowire/serializers/message_pack_objects.hpp"
#include "cowire/serializers/netstring.hpp"
#include "cowire/serializers/struct.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/serializers/varint_prefixed.hpp"
#include "cowire/testing/allocations.hpp"
#include "cowire/testing/replace_new.hpp"
#include "support/bomb.hpp"
#include "support/hex.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace cowire;
using testing::AllocationWatch;

namespace {

struct Refusal {
  std::size_t memory = 0;  // all that was allocated, in bytes
  errc code{};
};

// What it costs to refuse some bytes.
template <class S>
Refusal refuse(const S& serializer, std::string_view bytes) {
  REQUIRE(AllocationWatch::works());
  Refusal refusal;
  if constexpr (StreamSerializer<S>) {
    typename S::decoder_state state{};
    const AllocationWatch watch;
    const auto answer = serializer.decode(bytes_of(bytes), state);
    refusal.memory = watch.bytes();
    REQUIRE(answer.is_bad());
    refusal.code = static_cast<errc>(answer.error().code().value());
  } else {
    const AllocationWatch watch;
    try {
      (void)serializer.deserialize(bytes_of(bytes));
      FAIL_CHECK("it was not refused");
    } catch (const Error& error) {
      refusal.memory = watch.bytes();
      refusal.code = static_cast<errc>(error.code().value());
    }
  }
  return refusal;
}

constexpr std::size_t little = 32 * 1024;

template <class S>
void check_refused(const S& serializer, std::string_view bytes, errc code) {
  CAPTURE(bytes.substr(0, 20));
  const Refusal refusal = refuse(serializer, bytes);
  CHECK(refusal.code == code);
  CHECK(refusal.memory < little);
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

struct Numbers {
  std::vector<std::uint32_t> numbers;
  static constexpr auto fields =
      std::tuple{prefixed(&Numbers::numbers, {.width = 8, .limit = static_cast<std::size_t>(-1)})};
};

}  // namespace

TEST_CASE("lengths of 2^32 - 1 and 2^63 are refused from their header, with little memory") {
  const errc large = errc::too_large;
  check_refused(LengthPrefixed{Text<>{}}, from_hex("ffffffff"), large);
  check_refused(LengthPrefixed{Text<>{}, {.width = 8}}, from_hex("8000000000000000"), large);
  check_refused(LengthPrefixed{Text<>{}, {.width = 8, .adjustment = -8}},
                from_hex("ffffffffffffffff"), large);
  check_refused(VarintPrefixed{Text<>{}}, from_hex("ffffffff0f"), large);
  check_refused(VarintPrefixed{Text<>{}}, from_hex("80808080808080808001"), large);
  check_refused(Netstring{Text<>{}}, "4294967295:", large);
  check_refused(Netstring{Text<>{}}, "9223372036854775808:", large);
  for (const char* const head : {"5affffffff", "5b8000000000000000", "9affffffff",
                                 "9b8000000000000000", "bbffffffffffffffff"}) {
    check_refused(CborItems{Text<>{}}, from_hex(head), large);
    check_refused(Cbor<>{}, from_hex(head), errc::malformed);
  }
  for (const char* const head : {"c6ffffffff", "dbffffffff", "ddffffffff", "dfffffffff"}) {
    check_refused(MessagePackObjects{Text<>{}}, from_hex(head), large);
    check_refused(MessagePack<>{}, from_hex(head), errc::malformed);
  }
  check_refused(StructSerializer<Numbers>{}, from_hex("00000000ffffffff"), errc::malformed);
  check_refused(StructSerializer<Numbers>{}, from_hex("8000000000000000"), errc::malformed);
}

TEST_CASE("100,000 levels are refused at the limit of depth, with little memory") {
  constexpr std::size_t levels = 100'000;
  const errc large = errc::too_large;
  for (const std::string_view open : {"[", "{\"a\":", "[[{\"a\":"}) {
    check_refused(Json<>{}, repeated(open, levels), large);
    check_refused(JsonDocuments{Text<>{}}, repeated(open, levels), large);
  }
  for (const char* const open : {"81", "9f", "a100", "bf00", "c1"}) {
    check_refused(CborItems{Text<>{}}, repeated(from_hex(open), levels), large);
  }
  for (const char* const open : {"81", "9f", "a16161"}) {
    check_refused(Cbor<>{}, repeated(from_hex(open), levels), large);
  }
  for (const char* const open : {"91", "81a161", "dc0001"}) {
    check_refused(MessagePack<>{}, repeated(from_hex(open), levels), large);
    check_refused(MessagePackObjects{Text<>{}}, repeated(from_hex(open), levels), large);
  }
}

TEST_CASE("a bomb of 1 GB in 1 MB is refused with little more memory than the limit") {
  const std::string bomb = make_bomb(1024);
  REQUIRE(bomb.size() < std::size_t{2} << 20U);
  for (const std::size_t limit : {std::size_t{1000}, default_frame_limit}) {
    const Compressed serializer{Text<>{}, {.format = CompressFormat::raw, .limit = limit}};
    const Refusal refusal = refuse(serializer, bomb);
    CHECK(refusal.code == errc::too_large);
    CHECK(refusal.memory < limit + little);
  }
}
