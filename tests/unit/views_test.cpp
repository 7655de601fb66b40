// SPDX-License-Identifier: BSL-1.0
// Packets that are views: nothing is copied, and nothing is allocated.
#include "cowire/bytes.hpp"
#include "cowire/framing.hpp"
#include "cowire/packet_reader.hpp"
#include "cowire/protocol.hpp"
#include "cowire/serializers/cbor_items.hpp"
#include "cowire/serializers/checksummed.hpp"
#include "cowire/serializers/cobs.hpp"
#include "cowire/serializers/fixed_size.hpp"
#include "cowire/serializers/json_documents.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/message_pack_objects.hpp"
#include "cowire/serializers/netstring.hpp"
#include "cowire/serializers/raw.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/serializers/varint_prefixed.hpp"
#include "cowire/testing/allocations.hpp"
#include "cowire/testing/splits.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

using namespace cowire;
using testing::AllocationWatch;

namespace {

constexpr Text<std::string_view> views{};

constexpr int packets = 10;

struct Cost {
  std::size_t received = 0;     // bytes, in all packets
  std::size_t elsewhere = 0;    // packets that are not where they were received
  std::size_t allocations = 0;  // when the receive buffer has grown
};

// Of the same packet ten times, twice.
template <class S>
Cost cost_of(const S& serializer, const std::string& packet) {
  REQUIRE(AllocationWatch::works());
  std::string stream;
  for (int i = 0; i < packets; ++i) {
    stream += testing::encode_all(serializer, packet);
  }
  const StreamProtocol<S> protocol(serializer);
  using Reader = PacketReader<StreamProtocol<S>>;
  BlockPool pool;
  Reader reader(protocol, pool, 0);
  Cost cost;
  for (int round = 0; round < 2; ++round) {  // In the first, the buffer grows.
    const AllocationWatch watch;
    for (std::size_t at = 0; at < stream.size();) {
      const MutableBytes room = reader.prepare();
      const std::size_t size = std::min({room.size(), stream.size() - at, std::size_t{97}});
      std::ranges::copy(bytes_of(stream).subspan(at, size), room.begin());
      const Bytes buffer = reader.pending();
      reader.commit(size);
      at += size;
      typename Reader::Slot slot;
      while (reader.next(slot) == Reader::Outcome::packet) {
        const char* const begin = reinterpret_cast<const char*>(room.data()) - buffer.size();
        const bool inside = slot.packet && slot.packet->data() >= begin &&
                            slot.packet->data() + slot.packet->size() <=
                                reinterpret_cast<const char*>(room.data()) + size;
        cost.elsewhere += inside ? 0 : 1;
        cost.received += slot.packet ? slot.packet->size() : 0;
        slot.packet.reset();
      }
    }
    cost.allocations = watch.count();
  }
  CHECK(cost.received == 2 * packets * packet.size());
  return cost;
}

template <class S>
void check_views(const S& serializer, const std::string& packet) {
  const Cost cost = cost_of(serializer, packet);
  CHECK(cost.elsewhere == 0);
  CHECK(cost.allocations == 0);
}

}  // namespace

TEST_CASE("packets that are views are where they were received: no copy, no allocation") {
  const std::string text(300, 'x');
  check_views(LineSerializer<std::string_view>{}, text);
  check_views(LineSerializer<std::string_view>{{.accept_crlf = true}}, text);
  check_views(LineSerializer<std::string_view>{{.ending = LineEnding::any}}, text);
  check_views(LineSerializer<std::string_view>{{.encoding = TextEncoding::utf8}}, text);
  check_views(Separated{views, {.separator = "--"}}, text);
  check_views(Separated{views, {.separator = "--", .alternatives = {"\n", "--\n"}}}, text);
  check_views(LengthPrefixed{views}, text);
  check_views(LengthPrefixed{views, {.width = 2, .offset = 1, .adjustment = -3}}, text);
  check_views(VarintPrefixed{views}, text);
  check_views(Netstring{views}, text);
  check_views(FixedSize{views, text.size()}, text);
  check_views(LengthPrefixed{Checksummed{views}}, text);
  check_views(JsonDocuments{views}, '"' + text + '"');
  check_views(JsonDocuments{views}, "[[1,\"" + text + "\"],{\"a\":[]}]");
  check_views(CborItems{views}, "\x82\x19\x12\x34\x79\x01\x2c" + text);
  check_views(MessagePackObjects{views}, "\x92\xcd\x12\x34\xda\x01\x2c" + text);
  check_views(Raw<std::string_view>{}, text);
}

TEST_CASE("the counts see packets that are copies") {
  const std::string text(300, 'x');
  CHECK(cost_of(Cobs{views}, text).elsewhere == 2 * packets);  // They need their zeros back.
  CHECK(cost_of(LengthPrefixed{Text<>{}}, text).allocations == packets);
}
