// SPDX-License-Identifier: BSL-1.0
// The decoders that need a library; CMake says which were found.
#include "cowire/serializers/text.hpp"
#include "cowire/testing/fuzz.hpp"
#include "fuzz/targets.hpp"

#ifdef COWIRE_HAS_JSON
#include "cowire/serializers/cbor.hpp"
#include "cowire/serializers/json.hpp"
#include "cowire/serializers/json_choice.hpp"
#include "cowire/serializers/message_pack.hpp"
#include "cowire/serializers/separated.hpp"
#include "support/orders.hpp"
#endif
#ifdef COWIRE_HAS_ZLIB
#include "cowire/serializers/compressed.hpp"
#endif
#ifdef COWIRE_HAS_CRYPTO
#include "cowire/serializers/digest.hpp"
#endif
#ifdef COWIRE_HAS_PROTOBUF
#include "cowire/serializers/protobuf.hpp"
#include "cowire/serializers/varint_prefixed.hpp"

#include <orders.pb.h>
#endif

#include <cstddef>
#include <cstdint>
#include <vector>

std::vector<FuzzTarget> library_fuzz_targets() {
  using namespace cowire;
  using Data = const std::uint8_t*;
  std::vector<FuzzTarget> targets;
#ifdef COWIRE_HAS_JSON
  targets.push_back({"json", [](Data data, std::size_t size) {
                       return testing::fuzz(Json<>{{.depth = 6}}, data, size);
                     }});
  targets.push_back(
      {"json_choice", [](Data data, std::size_t size) {
         using Choice = JsonChoice<"type", JsonCase<"order", Order>, JsonCase<"line", OrderLine>>;
         const Separated<Json<Choice>> lines;
         return testing::fuzz(lines, data, size);
       }});
  targets.push_back({"cbor", [](Data data, std::size_t size) {
                       return testing::fuzz(Cbor<>{{.depth = 6}}, data, size);
                     }});
  targets.push_back({"message_pack", [](Data data, std::size_t size) {
                       return testing::fuzz(MessagePack<>{{.depth = 6}}, data, size);
                     }});
#endif
#ifdef COWIRE_HAS_ZLIB
  targets.push_back({"compressed", [](Data data, std::size_t size) {
                       const Compressed serializer{Text<>{}, {.limit = 1000, .ratio = 20}};
                       return testing::fuzz(serializer, data, size);
                     }});
  targets.push_back({"compressed_gzip", [](Data data, std::size_t size) {
                       const CompressOptions options{
                           .format = CompressFormat::gzip, .limit = 1000, .ratio = 20};
                       return testing::fuzz(Compressed{Text<>{}, options}, data, size);
                     }});
  targets.push_back({"compressed_raw", [](Data data, std::size_t size) {
                       const CompressOptions options{
                           .format = CompressFormat::raw, .limit = 1000, .ratio = 20};
                       return testing::fuzz(Compressed{Text<>{}, options}, data, size);
                     }});
#endif
#ifdef COWIRE_HAS_CRYPTO
  targets.push_back({"sha256", [](Data data, std::size_t size) {
                       return testing::fuzz(Sha256{Text<>{}}, data, size);
                     }});
  targets.push_back({"hmac_sha256", [](Data data, std::size_t size) {
                       return testing::fuzz(HmacSha256{Text<>{}, "the key"}, data, size);
                     }});
#endif
#ifdef COWIRE_HAS_PROTOBUF
  targets.push_back({"protobuf", [](Data data, std::size_t size) {
                       const VarintPrefixed serializer{
                           Protobuf<orders::Order>{{.limit = 200, .depth = 6}}};
                       return testing::fuzz(serializer, data, size);
                     }});
#endif
  return targets;
}
