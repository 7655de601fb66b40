// SPDX-License-Identifier: BSL-1.0
// decoder_benchmark: bytes per second of each decoder, beside memcpy and a plain loop.
#include "cowire/serializers/cbor_items.hpp"
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
#include "measure.hpp"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace {

using namespace cowire;
using benchmark::State;

constexpr Text<std::string_view> views{};

std::string lines_of(const State& state) {
  return stream_of(LineSerializer<>{{.limit = largest}},
                   text_of_size(static_cast<std::size_t>(state.range(0))));
}

void copy(State& state) {
  const std::string stream = lines_of(state);
  std::string target(stream.size(), '\0');
  for (auto _ : state) {
    std::memcpy(target.data(), stream.data(), stream.size());
    benchmark::ClobberMemory();
  }
  count_bytes(state, stream.size());
}

/// What one writes first: bytes are gathered until the line ends.
void plain_line_loop(State& state) {
  const std::string stream = lines_of(state);
  std::string line;
  for (auto _ : state) {
    for (const char byte : stream) {
      if (byte != '\n') {
        line += byte;
      } else {
        benchmark::DoNotOptimize(line.data());
        line.clear();
      }
    }
  }
  count_bytes(state, stream.size());
}

/// The same for packets behind a length of four bytes.
void plain_length_loop(State& state) {
  const std::string stream = stream_of(LengthPrefixed{Text<>{}, {.limit = largest}},
                                       text_of_size(static_cast<std::size_t>(state.range(0))));
  for (auto _ : state) {
    for (std::size_t at = 0; at < stream.size();) {
      std::size_t size = 0;
      for (std::size_t i = 0; i < 4; ++i) {
        size = size << 8U | static_cast<unsigned char>(stream[at + i]);
      }
      const std::string packet = stream.substr(at + 4, size);
      benchmark::DoNotOptimize(packet.data());
      at += 4 + size;
    }
  }
  count_bytes(state, stream.size());
}

/// An array of short texts and numbers.
std::string json_of_size(std::size_t size) {
  std::string text = "[";
  fill(size, [&](std::size_t i) { text += i % 2 == 0 ? "\"text\"," : "1234567,"; });
  text.back() = ']';
  return text;
}

/// The same, in CBOR and in MessagePack: counts of 16 bits, texts of 5 and 7 letters.
std::string binary_of_size(std::size_t size, const char* array, const char* text) {
  std::string bytes = array;
  std::size_t count = 0;
  std::string items;
  fill(size, [&](std::size_t) {
    items += text;
    ++count;
  });
  bytes += static_cast<char>(count >> 8U);
  bytes += static_cast<char>(count & 0xffU);
  return bytes + items;
}

void add_frames() {
  add_decoder("line_view",
              [](std::size_t) { return LineSerializer<std::string_view>{{.limit = largest}}; });
  add_decoder("line_string", [](std::size_t) { return LineSerializer<>{{.limit = largest}}; });
  add_decoder("line_any_view", [](std::size_t) {
    return LineSerializer<std::string_view>{{.ending = LineEnding::any, .limit = largest}};
  });
  add_decoder("line_utf8_view", [](std::size_t) {
    return LineSerializer<std::string_view>{{.limit = largest, .encoding = TextEncoding::utf8}};
  });
  add_decoder("separated_view", [](std::size_t) {
    return Separated{views, {.separator = "\r\n", .limit = largest}};
  });
  add_decoder("separated_several_view", [](std::size_t) {
    return Separated{views, {.separator = "\r\n", .alternatives = {"\n", "--"}, .limit = largest}};
  });
  add_decoder("length_prefixed_view",
              [](std::size_t) { return LengthPrefixed{views, {.limit = largest}}; });
  add_decoder("length_prefixed_string",
              [](std::size_t) { return LengthPrefixed{Text<>{}, {.limit = largest}}; });
  add_decoder("varint_prefixed_view",
              [](std::size_t) { return VarintPrefixed{views, {.limit = largest}}; });
  add_decoder("netstring_view", [](std::size_t) { return Netstring{views, {.limit = largest}}; });
  add_decoder("fixed_size_view", [](std::size_t size) { return FixedSize{views, size}; });
  add_decoder("cobs_view", [](std::size_t) { return Cobs{views, {.limit = largest}}; });
  add_decoder("raw_view", [](std::size_t) { return Raw<std::string_view>{{.limit = largest}}; });
  add_decoder(
      "json_documents_view", [](std::size_t) { return JsonDocuments{views, {.limit = largest}}; },
      json_of_size);
  add_decoder(
      "cbor_items_view", [](std::size_t) { return CborItems{views, {.limit = largest}}; },
      [](std::size_t size) { return binary_of_size(size, "\x99", "\x67letters"); });
  add_decoder(
      "message_pack_objects_view",
      [](std::size_t) { return MessagePackObjects{views, {.limit = largest}}; },
      [](std::size_t size) { return binary_of_size(size, "\xdc", "\xa7letters"); });
}

}  // namespace

int main(int count_of_arguments, char** arguments) {
  add("memcpy", copy);
  add("plain_line_loop", plain_line_loop);
  add("plain_length_loop", plain_length_loop);
  add_frames();
  add_values();
  benchmark::Initialize(&count_of_arguments, arguments);
  if (benchmark::ReportUnrecognizedArguments(count_of_arguments, arguments)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
