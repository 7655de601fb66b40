// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/buffer.hpp"
#include "cowire/bytes.hpp"
#include "cowire/detail/holds_view.hpp"
#include "cowire/detail/json_document.hpp"
#include "cowire/error.hpp"
#include "cowire/serializer.hpp"
#include "cowire/serializers/json_options.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace cowire::detail {

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
      throw Error(errc::invalid_argument, "a depth must be at most " + std::to_string(most_depth));
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

}  // namespace cowire::detail
