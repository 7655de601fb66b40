// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/json_document.hpp"
#include "cowire/detail/made_input.hpp"
#include "cowire/error.hpp"
#include "cowire/serializer.hpp"

#include <nlohmann/json.hpp>

#include <concepts>
#include <cstddef>
#include <string>
#include <utility>

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
  static nlohmann::json to_document(const T& packet) {
    nlohmann::json document;
    detail::assign_json(document, packet);
    return document;
  }
  static T from_document(nlohmann::json document) { return document.template get<T>(); }
};

/// Documents are packets as they are.
template <>
struct JsonConversion<nlohmann::json> {
  using packet = nlohmann::json;
  static const nlohmann::json& to_document(const nlohmann::json& packet) { return packet; }
  static nlohmann::json from_document(nlohmann::json document) { return document; }
};

namespace detail {

// What Json, Cbor and MessagePack have in common. A Format has `features`, `write` and `parse`.
template <class T, class Format>
class JsonSerializer {
  using Conversion = JsonConversion<T>;
  static_assert(!holds_view<typename Conversion::packet>,
                "packets that are views would look into a document that is gone: use packets that "
                "own what they hold, such as std::string");

 public:
  using sent_packet = typename Conversion::packet;
  using received_packet = typename Conversion::packet;

  static constexpr std::size_t most_depth = 500;

  JsonSerializer() : JsonSerializer(JsonOptions{}) {}

  // @throws Error invalid_argument if the depth is over 500: the stack has an end.
  explicit JsonSerializer(const JsonOptions& options) : options_(options) {
    if (options.depth > most_depth) {
      ErrorContext context;
      context.detail = "a depth must be at most " + std::to_string(most_depth);
      throw Error(errc::invalid_argument, std::move(context));
    }
  }

  void serialize(const sent_packet& packet, OutputBuffer& out) const {
    try {
      const nlohmann::json& document = Conversion::to_document(packet);
      JsonCheck(options_.depth, Format::features)(document);
      Format::write(document, out);
    } catch (const nlohmann::json::exception& error) {
      throw_json(errc::not_sendable, error);
    }
  }

  received_packet deserialize(Bytes bytes) const {
    try {
      JsonBuilder builder(options_.depth, options_.duplicate_keys == DuplicateKeys::refuse,
                          bytes.size());
      Format::parse(bytes, options_.depth, builder);
      return Conversion::from_document(builder.take());
    } catch (const nlohmann::json::exception& error) {
      throw_json(errc::malformed, error);
    }
  }

 private:
  JsonOptions options_;
};

}  // namespace detail

}  // namespace cowire
