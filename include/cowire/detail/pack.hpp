// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/serializers/struct_fields.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace cowire::detail {

template <class T>
concept PackedInteger = (std::integral<T> || std::is_enum_v<T>) && sizeof(T) <= 8;

template <class T>
concept PackedFloat = std::floating_point<T> && std::numeric_limits<T>::is_iec559 &&
                      (sizeof(T) == 4 || sizeof(T) == 8);

template <class T>
using FieldList = std::remove_cvref_t<decltype(struct_fields<T>)>;

template <class T>
concept HasFields = !std::same_as<FieldList<T>, NoFields>;

// How the fields around a value are written.
struct PackRules {
  std::endian order = std::endian::big;
  Prefix outer;
  Prefix inner;
};

[[noreturn]] inline void throw_unpacked(errc code, std::string detail,
                                        std::optional<std::uint64_t> position = {}) {
  ErrorContext context;
  context.detail = std::move(detail);
  context.position = position;
  throw Error(code, std::move(context));
}

// What is left of the bytes of a packet.
class PackInput {
 public:
  explicit PackInput(Bytes bytes) noexcept : bytes_(bytes) {}

  std::size_t left() const noexcept { return bytes_.size() - at_; }
  std::size_t position() const noexcept { return at_; }

  Bytes take(std::size_t n) {
    if (n > left()) [[unlikely]] {
      throw_unpacked(errc::malformed, "the packet ends too early", at_);
    }
    at_ += n;
    return bytes_.subspan(at_ - n, n);
  }

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
};

/// How one type is packed. One of a fixed size has `size`, `put` and `get`; another has `least`,
/// the fewest bytes that it may have, `write` and `read`.
template <class T>
struct Pack {
  static_assert(sizeof(T) == 0,
                "this type cannot be packed: fields may be integers, bool, enums, float, double, "
                "std::string, arrays, vectors and optionals, and structs with a list of fields");
};

template <class T>
constexpr std::size_t least_size() {
  if constexpr (Pack<T>::fixed) {
    return Pack<T>::size;
  } else {
    return Pack<T>::least;
  }
}

template <class T>
void pack_value(const T& value, OutputBuffer& out, const PackRules& rules) {
  if constexpr (Pack<T>::fixed) {
    Pack<T>::put(value, out.prepare(Pack<T>::size).data(), rules.order);
    out.commit(Pack<T>::size);
  } else {
    Pack<T>::write(value, out, rules);
  }
}

template <class T>
void unpack_value(T& value, PackInput& in, const PackRules& rules) {
  if constexpr (Pack<T>::fixed) {
    Pack<T>::get(value, in.take(Pack<T>::size).data(), rules.order);
  } else {
    Pack<T>::read(value, in, rules);
  }
}

template <PackedInteger T>
struct Pack<T> {
  static constexpr bool fixed = true;
  static constexpr std::size_t size = sizeof(T);

  static std::byte* put(T value, std::byte* to, std::endian order) noexcept {
    write_uint({to, size}, static_cast<std::uint64_t>(value), size, order);
    return to + size;
  }

  static const std::byte* get(T& value, const std::byte* from, std::endian order) {
    const std::uint64_t bits = read_uint({from, size}, size, order);
    if constexpr (std::same_as<T, bool>) {
      if (bits > 1) {
        throw_unpacked(errc::malformed,
                       "a bool field is " + std::to_string(bits) + " instead of 0 or 1");
      }
    }
    value = static_cast<T>(bits);
    return from + size;
  }
};

template <PackedFloat T>
struct Pack<T> {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  static constexpr bool fixed = true;
  static constexpr std::size_t size = sizeof(T);

  static std::byte* put(T value, std::byte* to, std::endian order) noexcept {
    return Pack<Bits>::put(std::bit_cast<Bits>(value), to, order);
  }

  static const std::byte* get(T& value, const std::byte* from, std::endian order) {
    Bits bits = 0;
    from = Pack<Bits>::get(bits, from, order);
    value = std::bit_cast<T>(bits);
    return from;
  }
};

// An error of an element says which: lines[3].
template <class F>
void in_element(std::size_t index, F&& f) {
  try {
    f();
  } catch (const Error& error) {
    throw error.in_field("[" + std::to_string(index) + "]");
  }
}

template <class T, std::size_t N, bool Fixed>
struct PackArray {
  static constexpr bool fixed = true;
  static constexpr std::size_t size = N * Pack<T>::size;

  static std::byte* put(const std::array<T, N>& values, std::byte* to, std::endian order) {
    for (const T& value : values) {
      to = Pack<T>::put(value, to, order);
    }
    return to;
  }

  static const std::byte* get(std::array<T, N>& values, const std::byte* from, std::endian order) {
    for (std::size_t i = 0; i < N; ++i) {
      in_element(i, [&] { from = Pack<T>::get(values[i], from, order); });
    }
    return from;
  }
};

template <class T, std::size_t N>
struct PackArray<T, N, false> {
  static constexpr bool fixed = false;
  static constexpr std::size_t least = N * Pack<T>::least;

  static void write(const std::array<T, N>& values, OutputBuffer& out, const PackRules& rules) {
    for (std::size_t i = 0; i < N; ++i) {
      in_element(i, [&] { pack_value(values[i], out, rules); });
    }
  }

  static void read(std::array<T, N>& values, PackInput& in, const PackRules& rules) {
    for (std::size_t i = 0; i < N; ++i) {
      in_element(i, [&] { unpack_value(values[i], in, rules); });
    }
  }
};

template <class T, std::size_t N>
struct Pack<std::array<T, N>> : PackArray<T, N, Pack<T>::fixed> {};

template <class T>
struct Pack<std::optional<T>> {
  static constexpr bool fixed = false;
  static constexpr std::size_t least = 1;

  static void write(const std::optional<T>& value, OutputBuffer& out, const PackRules& rules) {
    pack_value(value.has_value(), out, rules);
    if (value) {
      pack_value(*value, out, rules);
    }
  }

  static void read(std::optional<T>& value, PackInput& in, const PackRules& rules) {
    bool there = false;
    unpack_value(there, in, rules);
    value.reset();
    if (there) {
      unpack_value(value.emplace(), in, rules);
    }
  }
};

// The length of a string or vector, checked against its limit in both directions.
inline void check_length(std::uint64_t length, const Prefix& prefix) {
  const std::uint64_t longest =
      std::numeric_limits<std::uint64_t>::max() >> (64 - 8 * prefix.width);
  const std::uint64_t most = std::min<std::uint64_t>(prefix.limit, longest);
  if (length > most) [[unlikely]] {
    throw_unpacked(errc::too_large, "the length of a field is " + std::to_string(length) +
                                        ", at most " + std::to_string(most) + " is allowed");
  }
}

template <class Sequence>
struct PackSequence {
  using T = typename Sequence::value_type;
  static constexpr bool fixed = false;
  static constexpr bool are_bytes = PackedInteger<T> && sizeof(T) == 1 && !std::same_as<T, bool>;
  // Also refuses structs that hold themselves: a peer could nest them without end.
  static_assert(least_size<T>() > 0,
                "elements without a byte: a length says nothing of their size");

  static void write(const Sequence& values, OutputBuffer& out, const PackRules& rules) {
    check_length(values.size(), rules.outer);
    const std::size_t width = rules.outer.width;
    write_uint(out.prepare(width), values.size(), width, rules.order);
    out.commit(width);
    if constexpr (are_bytes) {
      out.append(std::as_bytes(std::span{values.data(), values.size()}));
    } else {
      const PackRules inside{rules.order, rules.inner, rules.inner};
      for (std::size_t i = 0; i < values.size(); ++i) {
        in_element(i, [&] { pack_value<T>(values[i], out, inside); });
      }
    }
  }

  static void read(Sequence& values, PackInput& in, const PackRules& rules) {
    const std::size_t start = in.position();
    const std::size_t width = rules.outer.width;
    const std::uint64_t length = read_uint(in.take(width), width, rules.order);
    check_length(length, rules.outer);
    // Before anything is allocated: the bytes of that many elements must be there.
    if (length > in.left() / least_size<T>()) [[unlikely]] {
      throw_unpacked(errc::malformed, "the packet ends too early", start);
    }
    const auto count = static_cast<std::size_t>(length);
    values.clear();
    if constexpr (are_bytes) {
      const Bytes bytes = in.take(count);
      values.resize(count);
      if (count != 0) {
        std::memcpy(values.data(), bytes.data(), count);
      }
    } else {
      if constexpr (Pack<T>::fixed) {
        values.reserve(count);
      }
      const PackRules inside{rules.order, rules.inner, rules.inner};
      for (std::size_t i = 0; i < count; ++i) {
        T value{};
        in_element(i, [&] { unpack_value(value, in, inside); });
        values.push_back(std::move(value));
      }
    }
  }
};

template <>
struct Pack<std::string> : PackSequence<std::string> {
  static constexpr std::size_t least = 1;
};
template <class T>
struct Pack<std::vector<T>> : PackSequence<std::vector<T>> {
  static constexpr std::size_t least = 1;
};

}  // namespace cowire::detail
