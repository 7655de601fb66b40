// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/detail/json_document.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>

namespace cowire {

/// What becomes of an object that has a key twice. RFC 8259 leaves it open, and peers that differ
/// in it can be played off against each other.
enum class DuplicateKeys {
  refuse,  ///< It is malformed.
  last,    ///< The last value counts.
};

/// The options of Json, Cbor and MessagePack.
struct JsonOptions {
  std::size_t depth = 64;  ///< How deep arrays and objects may be nested, at most 500.
  DuplicateKeys duplicate_keys = DuplicateKeys::refuse;
};

/// How packets of a type are made documents of: by nlohmann-json's `to_json` and `from_json`, which
/// it finds in the type's namespace. May be specialised, as for JsonChoice.
template <class T>
struct JsonConversion {
  using packet = T;
  /// What is to be written.
  static nlohmann::json to_document(const T& packet) {
    nlohmann::json document;
    detail::assign_json(document, packet);
    return document;
  }
  /// What was read. It throws what nlohmann-json throws, or Error.
  static T from_document(nlohmann::json document) { return document.template get<T>(); }
};

/// Documents are packets as they are.
template <>
struct JsonConversion<nlohmann::json> {
  using packet = nlohmann::json;
  /// As it is.
  static const nlohmann::json& to_document(const nlohmann::json& packet) { return packet; }
  /// As it is.
  static nlohmann::json from_document(nlohmann::json document) { return document; }
};

}  // namespace cowire
