// SPDX-License-Identifier: BSL-1.0
// The decoders of single packets, and the wrappers; CMake says which libraries were found.
#include "cowire/serializers/base64.hpp"
#include "cowire/serializers/checksummed.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/struct.hpp"
#include "cowire/serializers/tagged.hpp"
#include "cowire/serializers/text.hpp"
#include "measure.hpp"

#ifdef COWIRE_HAS_JSON
#include "cowire/serializers/cbor.hpp"
#include "cowire/serializers/json.hpp"
#include "cowire/serializers/message_pack.hpp"
#endif
#ifdef COWIRE_HAS_ZLIB
#include "cowire/serializers/compressed.hpp"
#endif
#ifdef COWIRE_HAS_CRYPTO
#include "cowire/serializers/digest.hpp"
#endif
#ifdef COWIRE_HAS_PROTOBUF
#include "cowire/serializers/protobuf.hpp"

#include <google/protobuf/field_mask.pb.h>
#endif

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace cowire;

constexpr Text<std::string_view> views{};

struct Pair {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  static constexpr auto fields = std::tuple{&Pair::first, &Pair::second};
};
struct Pairs {
  std::vector<Pair> pairs;
  static constexpr auto fields = std::tuple{prefixed(&Pairs::pairs, {.limit = largest})};
};

template <class S, class... MakePacket>
void add_value(const std::string& name, S serializer, MakePacket... packet) {
  add_decoder(
      name,
      [serializer = std::move(serializer)](std::size_t) {
        return LengthPrefixed{serializer, {.limit = largest}};
      },
      std::move(packet)...);
}

#ifdef COWIRE_HAS_ZLIB
/// Sixteen letters in no order: half as long when compressed.
std::string noise_of_size(std::size_t size) {
  std::string text;
  for (std::uint32_t noise = 1; text.size() < size; noise = noise * 1664525U + 1013904223U) {
    text += static_cast<char>('a' + (noise >> 28U));
  }
  return text;
}
#endif

#ifdef COWIRE_HAS_JSON
nlohmann::json json_of_size(std::size_t size) {
  nlohmann::json items = nlohmann::json::array();
  fill(size,
       [&](std::size_t i) { i % 2 == 0 ? items.push_back("text") : items.push_back(1234567); });
  return items;
}

/// What nlohmann-json needs by itself.
void plain_json_parse(benchmark::State& state) {
  const std::string text = json_of_size(static_cast<std::size_t>(state.range(0))).dump();
  for (auto _ : state) {
    benchmark::DoNotOptimize(nlohmann::json::parse(text));
  }
  count_bytes(state, text.size());
}
#endif

}  // namespace

void add_values() {
  add_value("struct", StructSerializer<Pairs>{}, [](std::size_t size) {
    Pairs packet;
    fill(size, [&](std::size_t i) { packet.pairs.push_back({static_cast<std::uint32_t>(i), 7}); });
    return packet;
  });
  add_value("tagged", Tagged<Tag<1, Text<>>, Tag<2, StructSerializer<Pair>>>{});
  add_value("base64", Base64{Text<>{}});
  add_value("checksummed_view", Checksummed{views});
#ifdef COWIRE_HAS_CRYPTO
  add_value("sha256_view", Sha256{views});
  add_value("hmac_sha256_view", HmacSha256{views, "the key"});
#endif
#ifdef COWIRE_HAS_ZLIB
  add_value("compressed", Compressed{Text<>{}, {.limit = largest}}, noise_of_size);
#endif
#ifdef COWIRE_HAS_JSON
  add("plain_json_parse", plain_json_parse);
  add_value("json", Json<>{}, json_of_size);
  add_value("cbor", Cbor<>{}, json_of_size);
  add_value("message_pack", MessagePack<>{}, json_of_size);
#endif
#ifdef COWIRE_HAS_PROTOBUF
  using google::protobuf::FieldMask;
  add_value("protobuf", Protobuf<FieldMask>{{.limit = largest}}, [](std::size_t size) {
    FieldMask packet;
    fill(size, [&](std::size_t) { packet.add_paths("letter"); });
    return packet;
  });
#endif
}
