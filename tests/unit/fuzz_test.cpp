// SPDX-License-Identifier: BSL-1.0
#include "cowire/testing/fuzz.hpp"

#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/raw.hpp"
#include "cowire/serializers/text.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

using namespace cowire;
using namespace std::string_view_literals;
using testing::check_bytes;
using testing::fuzz;

namespace {

int fuzz_text(const auto& serializer, std::string_view text,
              const testing::FuzzOptions& options = {}) {
  return fuzz(serializer, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), options);
}

/// Lines, of which "ab" is lost if it comes in pieces, "cd" is sent as "dc", and "ef" not at all.
struct Wrong {
  using sent_packet = std::string;
  using received_packet = std::string;
  struct decoder_state {
    bool asked = false;
  };
  void serialize(const std::string& text, OutputBuffer& out) const {
    if (text == "ef") {
      throw 0;
    }
    out.append(text == "cd" ? "dc" : std::string_view(text));
    out.append("\n"sv);
  }
  Decoded<std::string> decode(Bytes bytes, decoder_state& state) const {
    const std::size_t end = find(bytes, std::byte{'\n'});
    if (end == npos) {
      state.asked = true;
      return Decoded<std::string>::need_more();
    }
    const std::string text(text_of(bytes.first(end)));
    const bool asked = std::exchange(state.asked, false);
    return asked && text == "ab" ? Decoded<std::string>::bad(Error(errc::malformed), end + 1)
                                 : Decoded<std::string>::packet(text, end + 1);
  }
};

/// One-shot numbers of one byte, of which 0 is not expected.
struct Number {
  using sent_packet = double;
  using received_packet = double;
  void serialize(double number, OutputBuffer& out) const {
    out.append(number != number ? std::byte{0xff} : static_cast<std::byte>(number));
  }
  double deserialize(Bytes bytes) const {
    if (bytes.size() != 1) {
      throw Error(errc::malformed);
    }
    if (bytes[0] == std::byte{0}) {
      throw 0;
    }
    return bytes[0] == std::byte{0xff} ? std::numeric_limits<double>::quiet_NaN()
                                       : std::to_integer<int>(bytes[0]);
  }
};

}  // namespace

// [entry]
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return cowire::testing::fuzz(cowire::LineSerializer<>{{.limit = 16}}, data, size);
}
// [/entry]

TEST_CASE("fuzz: any bytes are well for a serializer that keeps the laws") {
  for (const std::string_view bytes : {""sv, "\n"sv, "one\ntwo"sv, "\0\0\0\2hi\xff\xff"sv}) {
    CHECK(fuzz_text(LineSerializer<>{{.limit = 2}}, bytes) == 0);
    CHECK(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                 bytes.size()) == 0);
    CHECK(fuzz_text(LengthPrefixed{Text<>{}}, bytes) == 0);
    CHECK(fuzz_text(Text<>{}, bytes) == 0);
    CHECK(fuzz_text(Raw<>{}, bytes, {.boundaries = false, .round_trip = false}) == 0);
  }
}

TEST_CASE("fuzz: outcomes that depend on the cuts, with the smallest stream") {
  CHECK(check_bytes(Wrong{}, "xy\n"));
  const auto report = check_bytes(Wrong{}, "xy\nzz\nab\nab\nx");
  CHECK(report.law() == "the packets depend on where the stream is cut");
  CHECK(report.text().find("arrives   \"ab") != npos);
}

TEST_CASE("fuzz: packets that change when they are sent again") {
  CHECK(check_bytes(Wrong{}, "x\ncd\n").law() == "a packet is not the same after the round trip");
  CHECK(check_bytes(Wrong{}, "x\ncd\n", {.round_trip = false}));
  CHECK(check_bytes(Wrong{}, "ef\n").law() == "serialize throws something that is not an Error");
}

TEST_CASE("fuzz: one-shot serializers; a NaN is itself by its bytes") {
  CHECK(check_bytes(Number{}, "\5"));
  CHECK(check_bytes(Number{}, "\xff"));
  CHECK(check_bytes(Number{}, "ab"));
  CHECK(check_bytes(Number{}, "\0"sv).law().starts_with("the decoder throws"));
}

TEST_CASE("fuzz: limits") {
  struct Endless : Wrong {
    std::size_t frame_limit() const { return 4; }
  };
  CHECK(check_bytes(Endless{}, "xxxx"));
  CHECK(check_bytes(Endless{}, "xxxxx").law() ==
        "the decoder waits for more bytes than its frame_limit()");
}
