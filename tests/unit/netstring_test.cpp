// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/netstring.hpp"

#include "cowire/serializers/text.hpp"
#include "cowire/testing/splits.hpp"
#include "support/thrown.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

using namespace cowire;
using namespace std::string_literals;
using testing::decode_every_cut;
using testing::encode_all;

using Net = Netstring<Text<>>;
using Packets = testing::Outcomes<Net>;

static_assert(StreamSerializer<Net> && HasFrameLimit<Net>);

namespace {

Net limited(std::size_t limit) { return Net(Text<>{}, {.limit = limit}); }

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

}  // namespace

TEST_CASE("size, colon, bytes, comma") {
  // The examples of the definition, https://cr.yp.to/proto/netstrings.txt
  CHECK(encode_all(Net{}, "hello world!", "") == "12:hello world!,0:,");
  CHECK(decode_every_cut(Net{}, "12:hello world!,0:,3:a,b,") == Packets{"hello world!", "", "a,b"});
  const std::string odd("\0\xff,:", 4);
  CHECK(decode_every_cut(Net{}, encode_all(Net{}, odd, odd)) == Packets{odd, odd});
}

TEST_CASE("a netstring in netstrings") {
  const Netstring outer{Text<>{}};
  CHECK(encode_all(outer, encode_all(Net{}, "hello", "world!")) == "17:5:hello,6:world!,,");
}

TEST_CASE("need_more says how many bytes the frame has, as far as it is known") {
  Net::decoder_state state;
  CHECK(Net{}.decode({}, state).total() == 1);
  CHECK(Net{}.decode(bytes_of("1"), state).total() == 2);
  CHECK(Net{}.decode(bytes_of("12:hel"), state).total() == 16);
  CHECK(Net{}.decode(bytes_of("0:"), state).total() == 3);
}

TEST_CASE("a packet of exactly the limit passes, one byte more is dropped as it comes") {
  CHECK(decode_every_cut(limited(4), "4:abcd,5:abcde,1:x,") ==
        Packets{"abcd", errc::too_large, "x"});
  CHECK(decode_every_cut(limited(0), "0:,1:x,0:,") == Packets{"", errc::too_large, ""});
  CHECK(encode_all(limited(4), "abcd") == "4:abcd,");
  const auto error = thrown([] { encode_all(limited(4), "abcde"); });
  REQUIRE(error);
  CHECK(error->code() == errc::too_large);
  CHECK(error->context().size == 5);
}

TEST_CASE("where a byte is wrong, all is dropped up to and including the next comma") {
  CHECK(decode_every_cut(Net{}, "hello,1:x,") == Packets{errc::malformed, "x"});
  CHECK(decode_every_cut(Net{}, ",1:x,") == Packets{errc::malformed, "x"});
  CHECK(decode_every_cut(Net{}, ":,1:x,") == Packets{errc::malformed, "x"});
  CHECK(decode_every_cut(Net{}, "1x:a,1:x,") == Packets{errc::malformed, "x"});
  CHECK(decode_every_cut(Net{}, "1:ab:c,1:x,") == Packets{errc::malformed, "x"});
  CHECK(decode_every_cut(Net{}, "-1:a,1:x,") == Packets{errc::malformed, "x"});
}

TEST_CASE("needless zeros and more than 19 digits are malformed") {
  CHECK(decode_every_cut(Net{}, "05:hello,00:,1:x,") ==
        Packets{errc::malformed, errc::malformed, "x"});
  CHECK(decode_every_cut(Net{}, "10000000000000000000:,1:x,") == Packets{errc::malformed, "x"});
}

TEST_CASE("while rubbish is dropped nothing is kept, and the next packet comes in the same call") {
  const Net serializer;
  testing::Feed<Net> feed(serializer);
  feed.receive(bytes_of("rubbish"));
  for (int i = 0; i < 100; ++i) {
    feed.receive(bytes_of("and more of it"));
    CHECK(feed.kept() == 0);
  }
  feed.receive(bytes_of("the end,2:ok,3:a"));
  CHECK(feed.outcomes() == Packets{errc::malformed, "ok"});
  CHECK(feed.kept() == 3);

  Net::decoder_state state{.discarding = true};
  const auto end = Net{}.decode(bytes_of("rest,"), state);
  CHECK(end.is_padding());
  CHECK(end.consumed() == 5);
}

TEST_CASE("hostile sizes are refused from the header and do not wrap around") {
  Net::decoder_state state;
  const auto most = Net{}.decode(bytes_of("9999999999999999999:"), state);
  REQUIRE(most.is_bad());
  CHECK(most.error().code() == errc::too_large);
  CHECK(most.error().context().size == 9999999999999999999ULL);
  CHECK(most.consumed() == 9999999999999999999ULL + 21);
  CHECK(Net{}.decode(bytes_of("4294967295:"), state).consumed() == 4294967295ULL + 12);
  CHECK(limited(unlimited).decode(bytes_of("9999999999999999999:"), state).total() ==
        9999999999999999999ULL + 21);
}

TEST_CASE("the end of the stream inside the size, the packet or before the comma") {
  CHECK(decode_every_cut(Net{}, "1:a,1") == Packets{"a", errc::truncated});
  CHECK(decode_every_cut(Net{}, "1:a,2:b") == Packets{"a", errc::truncated});
  CHECK(decode_every_cut(Net{}, "1:a,2:bc") == Packets{"a", errc::truncated});
}

TEST_CASE("earlier output is not touched, and frame_limit does not overflow") {
  BlockPool pool;
  OutputBuffer out(pool);
  out.append("earlier");
  Net{}.serialize("now", out);
  CHECK(text_of(out.readable()) == "earlier3:now,");
  CHECK(limited(4).frame_limit() == 25);
  CHECK(limited(unlimited).frame_limit() == unlimited);
}
