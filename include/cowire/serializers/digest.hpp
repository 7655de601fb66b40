// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/serializer.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <climits>
#include <cstddef>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace cowire {

namespace detail {

inline constexpr std::size_t sha256_size = 32;
using Sha256Digest = std::array<unsigned char, sha256_size>;

// An empty span may have no address, which OpenSSL does not take everywhere.
inline const unsigned char* digest_input(Bytes bytes) noexcept {
  static constexpr unsigned char none = 0;
  return bytes.empty() ? &none : reinterpret_cast<const unsigned char*>(bytes.data());
}

inline Sha256Digest sha256(Bytes bytes) {
  Sha256Digest digest{};
  if (EVP_Digest(digest_input(bytes), bytes.size(), digest.data(), nullptr, EVP_sha256(),
                 nullptr) != 1) {
    throw std::bad_alloc();
  }
  return digest;
}

inline Sha256Digest hmac_sha256(Bytes key, Bytes bytes) {
  Sha256Digest digest{};
  if (HMAC(EVP_sha256(), digest_input(key), static_cast<int>(key.size()), digest_input(bytes),
           bytes.size(), digest.data(), nullptr) == nullptr) {
    throw std::bad_alloc();
  }
  return digest;
}

template <class S, class Digest>
void serialize_with_digest(const S& serializer, const auto& packet, OutputBuffer& out,
                           const Digest& digest) {
  const std::size_t start = out.size();
  serializer.serialize(packet, out);
  const Sha256Digest sum = digest(Bytes(out.since(start)));
  out.append(std::as_bytes(std::span(sum)));
}

// The bytes in front of the digest. @throws Error malformed, if the digest is another.
template <class Digest>
Bytes checked_bytes(Bytes bytes, const Digest& digest, const char* wrong) {
  ErrorContext context;
  if (bytes.size() < sha256_size) {
    context.detail = "a SHA-256 digest needs 32 bytes";
    context.size = bytes.size();
    throw Error(errc::malformed, std::move(context));
  }
  const Bytes packet = bytes.first(bytes.size() - sha256_size);
  // In constant time: else an attacker could find the digest byte by byte.
  if (CRYPTO_memcmp(digest(packet).data(), bytes.last(sha256_size).data(), sha256_size) != 0) {
    context.detail = wrong;
    throw Error(errc::malformed, std::move(context));
  }
  return packet;
}

}  // namespace detail

/// One-shot: a packet of another serializer with its SHA-256 behind it. Needs the CMake target
/// `cowire::crypto`.
///
///     Sha256{Text<>{}}            "abc"   <->   'a' 'b' 'c' ba 78 16 bf ... (32 bytes)
///     Separated<Base64<Sha256<Json<T>>>>        as text, a line each
///
/// Finds packets that were changed by accident; whoever changes one on purpose can make a new
/// digest: see HmacSha256. The inner serializer sees no packet whose digest is wrong. Packets may
/// be views.
template <Serializer S>
class Sha256 {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;

  explicit Sha256(S serializer = S{}) : serializer_(std::move(serializer)) {}

  /// Appends the packet and its digest.
  /// @throws Error What the inner serializer throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    detail::serialize_with_digest(serializer_, packet, out, detail::sha256);
  }

  /// @throws Error malformed: the digest is another. And what the inner serializer throws.
  received_packet deserialize(Bytes bytes) const {
    return serializer_.deserialize(detail::checked_bytes(
        bytes, detail::sha256, "the SHA-256 is wrong: bytes were changed on their way"));
  }

 private:
  [[no_unique_address]] S serializer_;
};

/// One-shot: a packet of another serializer with its HMAC-SHA256 (RFC 2104) behind it. Needs the
/// CMake target `cowire::crypto`.
///
///     HmacSha256{Text<>{}, key}   "hi"    <->   'h' 'i' and 32 bytes
///     Separated<Base64<HmacSha256<Json<T>>>>    as text, a line each
///
/// Only who has the key can make a packet; the digests are compared in constant time, and the inner
/// serializer sees no packet whose digest is wrong.
///
/// This is no secrecy, and no protocol: everybody can read the packets, and an attacker can repeat,
/// drop and reorder them. For that there is TLS. Take a random key of 32 bytes, one for each
/// direction. Packets may be views.
template <Serializer S>
class HmacSha256 {
 public:
  using sent_packet = typename S::sent_packet;
  using received_packet = typename S::received_packet;

  /// @throws Error invalid_argument: the key is empty.
  HmacSha256(S serializer, Bytes key) : serializer_(std::move(serializer)), key_(text_of(key)) {
    if (key.empty() || key.size() > INT_MAX) {
      throw Error(errc::invalid_argument, "a key of HMAC must not be empty");
    }
  }
  HmacSha256(S serializer, std::string_view key)
      : HmacSha256(std::move(serializer), bytes_of(key)) {}

  /// Appends the packet and its digest.
  /// @throws Error What the inner serializer throws.
  template <class Packet = sent_packet>
    requires Writes<S, Packet>
  void serialize(const Packet& packet, OutputBuffer& out) const {
    detail::serialize_with_digest(serializer_, packet, out, digest());
  }

  /// @throws Error malformed: the digest is another. And what the inner serializer throws.
  received_packet deserialize(Bytes bytes) const {
    return serializer_.deserialize(detail::checked_bytes(
        bytes, digest(), "the HMAC is wrong: another key, or bytes were changed on their way"));
  }

 private:
  auto digest() const {
    return [this](Bytes bytes) { return detail::hmac_sha256(bytes_of(key_), bytes); };
  }

  [[no_unique_address]] S serializer_;
  std::string key_;
};

}  // namespace cowire
