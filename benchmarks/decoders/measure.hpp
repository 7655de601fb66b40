// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/packet_reader.hpp"
#include "cowire/protocol.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

// How a decoder is measured: on a stream of one packet, again and again.

inline constexpr std::size_t stream_size = std::size_t{1} << 20U;
inline constexpr std::size_t piece_size = 1009;                // A prime: cuts fall everywhere.
inline constexpr std::size_t largest = std::size_t{1} << 18U;  // a limit for every packet here

/// Letters.
inline std::string text_of_size(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += static_cast<char>('a' + i % 26);
  }
  return text;
}

/// `add(i)` for i = 0, 1, ... until the container has about `size` bytes, at 8 bytes each.
template <class Add>
void fill(std::size_t size, const Add& add) {
  for (std::size_t i = 0; i < std::max<std::size_t>(size / 8, 1); ++i) {
    add(i);
  }
}

template <class S, class Packet>
std::string stream_of(const S& serializer, const Packet& packet) {
  cowire::BlockPool pool;
  cowire::OutputBuffer out(pool);
  while (out.size() < stream_size) {
    serializer.serialize(packet, out);
  }
  return std::string(cowire::text_of(out.readable()));
}

inline void count_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) *
                          static_cast<std::int64_t>(state.iterations()));
}

/// The decoder alone: all bytes are there.
template <class S>
void whole(benchmark::State& state, const S& serializer, const std::string& stream) {
  for (auto _ : state) {
    cowire::Bytes rest = cowire::bytes_of(stream);
    typename S::decoder_state decoder{};
    while (!rest.empty()) {
      auto answer = serializer.decode(rest, decoder);
      if (!answer.has_packet()) {
        state.SkipWithError("a packet is missing");
        return;
      }
      benchmark::DoNotOptimize(answer.value());
      rest = rest.subspan(static_cast<std::size_t>(answer.consumed()));
    }
  }
  count_bytes(state, stream.size());
}

/// As in a connection: bytes are copied into the receive buffer piece by piece.
template <class S>
void cut(benchmark::State& state, const S& serializer, const std::string& stream) {
  const cowire::StreamProtocol<S> protocol(serializer);
  using Reader = cowire::PacketReader<cowire::StreamProtocol<S>>;
  cowire::BlockPool pool;
  Reader reader(protocol, pool, 0);
  for (auto _ : state) {
    for (std::string_view rest = stream; !rest.empty();) {
      const cowire::MutableBytes room = reader.prepare();
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
        benchmark::DoNotOptimize(*slot.packet);
        slot.packet.reset();
      }
    }
  }
  count_bytes(state, stream.size());
}

template <class Function>
void add(const std::string& name, Function function) {
  auto* const one = benchmark::RegisterBenchmark(name.c_str(), std::move(function));
  for (const std::int64_t size : {64, 1024, 65536}) {
    one->Arg(size);
  }
}

/// `make(size)` is the serializer for packets of about that size, `packet(size)` such a packet.
template <class Make, class MakePacket>
void add_decoder(const std::string& name, Make make, MakePacket packet) {
  const auto size_of = [](const benchmark::State& state) {
    return static_cast<std::size_t>(state.range(0));
  };
  add(name + "/whole", [=](benchmark::State& state) {
    const auto serializer = make(size_of(state));
    whole(state, serializer, stream_of(serializer, packet(size_of(state))));
  });
  add(name + "/cut", [=](benchmark::State& state) {
    const auto serializer = make(size_of(state));
    cut(state, serializer, stream_of(serializer, packet(size_of(state))));
  });
}

/// The same for packets of text.
template <class Make>
void add_decoder(const std::string& name, Make make) {
  add_decoder(name, std::move(make), text_of_size);
}

/// The decoders of single packets; they are measured behind a length of four bytes.
void add_values();
