// SPDX-License-Identifier: BSL-1.0
// decoder_benchmark: bytes per second of each decoder, beside memcpy and a plain loop.
#include "cowire/packet_reader.hpp"
#include "cowire/protocol.hpp"
#include "cowire/serializers/fixed_size.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/serializers/text.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace cowire;
using benchmark::State;

constexpr std::size_t stream_size = std::size_t{1} << 20U;
constexpr std::size_t piece_size = 1009;  // A prime: cuts fall everywhere.

std::string payload_of(std::size_t size) {
  std::string payload;
  for (std::size_t i = 0; i < size; ++i) {
    payload += static_cast<char>('a' + i % 26);
  }
  return payload;
}

template <class S>
std::string stream_of(const S& serializer, std::size_t size) {
  const std::string payload = payload_of(size);
  BlockPool pool;
  OutputBuffer out(pool);
  while (out.size() < stream_size) {
    serializer.serialize(payload, out);
  }
  return std::string(text_of(out.readable()));
}

void count(State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) *
                          static_cast<std::int64_t>(state.iterations()));
}

/// The decoder alone: all bytes are there.
template <class S>
void whole(State& state, const S& serializer) {
  const std::string stream = stream_of(serializer, static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    Bytes rest = bytes_of(stream);
    typename S::decoder_state decoder{};
    while (!rest.empty()) {
      auto answer = serializer.decode(rest, decoder);
      if (!answer.has_packet()) {
        state.SkipWithError("a packet is missing");
        return;
      }
      benchmark::DoNotOptimize(answer.value().data());
      rest = rest.subspan(static_cast<std::size_t>(answer.consumed()));
    }
  }
  count(state, stream.size());
}

/// As in a connection: bytes are copied into the receive buffer piece by piece.
template <class S>
void cut(State& state, const S& serializer) {
  const std::string stream = stream_of(serializer, static_cast<std::size_t>(state.range(0)));
  const StreamProtocol<S> protocol(serializer);
  using Reader = PacketReader<StreamProtocol<S>>;
  BlockPool pool;
  Reader reader(protocol, pool, 0);
  for (auto _ : state) {
    for (std::string_view rest = stream; !rest.empty();) {
      const MutableBytes room = reader.prepare();
      const std::size_t size = std::min({room.size(), rest.size(), piece_size});
      std::memcpy(room.data(), rest.data(), size);
      reader.commit(size);
      rest.remove_prefix(size);
      typename Reader::Slot slot;
      while (reader.next(slot) == Reader::Outcome::packet) {
        if (!slot.packet) {
          state.SkipWithError("an error came instead of a packet");
          return;
        }
        benchmark::DoNotOptimize(slot.packet->data());
        slot.packet.reset();
      }
    }
  }
  count(state, stream.size());
}

void copy(State& state) {
  const std::string stream =
      stream_of(LineSerializer<>{{.limit = 1U << 17U}}, static_cast<std::size_t>(state.range(0)));
  std::string target(stream.size(), '\0');
  for (auto _ : state) {
    std::memcpy(target.data(), stream.data(), stream.size());
    benchmark::ClobberMemory();
  }
  count(state, stream.size());
}

/// What one writes first: bytes are gathered until the line ends.
void plain_line_loop(State& state) {
  const std::string stream =
      stream_of(LineSerializer<>{{.limit = 1U << 17U}}, static_cast<std::size_t>(state.range(0)));
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
  count(state, stream.size());
}

/// The same for packets behind a length of four bytes.
void plain_length_loop(State& state) {
  const std::string stream = stream_of(LengthPrefixed<Text<>>{Text<>{}, {.limit = 1U << 17U}},
                                       static_cast<std::size_t>(state.range(0)));
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
  count(state, stream.size());
}

template <class Function>
void add(const std::string& name, Function function) {
  auto* const one = benchmark::RegisterBenchmark(name.c_str(), std::move(function));
  for (const std::int64_t size : {64, 1024, 65536}) {
    one->Arg(size);
  }
}

/// `make(size)` is the serializer for packets of that size.
template <class Make>
void add_decoder(const std::string& name, Make make) {
  add(name + "/whole", [make](State& state) { whole(state, make(state.range(0))); });
  add(name + "/cut", [make](State& state) { cut(state, make(state.range(0))); });
}

}  // namespace

int main(int count_of_arguments, char** arguments) {
  constexpr std::size_t limit = 1U << 17U;
  add("memcpy", copy);
  add("plain_line_loop", plain_line_loop);
  add("plain_length_loop", plain_length_loop);
  add_decoder("line_view",
              [](std::int64_t) { return LineSerializer<std::string_view>{{.limit = limit}}; });
  add_decoder("line_string", [](std::int64_t) { return LineSerializer<>{{.limit = limit}}; });
  add_decoder("separated_view", [](std::int64_t) {
    return Separated<Text<std::string_view>>{{}, {.separator = "\r\n", .limit = limit}};
  });
  add_decoder("length_prefixed_view", [](std::int64_t) {
    return LengthPrefixed<Text<std::string_view>>{Text<std::string_view>{}, {.limit = limit}};
  });
  add_decoder("length_prefixed_string",
              [](std::int64_t) { return LengthPrefixed<Text<>>{Text<>{}, {.limit = limit}}; });
  add_decoder("fixed_size_view", [](std::int64_t size) {
    return FixedSize<Text<std::string_view>>{{}, static_cast<std::size_t>(size)};
  });
  benchmark::Initialize(&count_of_arguments, arguments);
  if (benchmark::ReportUnrecognizedArguments(count_of_arguments, arguments)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
