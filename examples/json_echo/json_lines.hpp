// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/protocol.hpp"
#include "cowire/serializer.hpp"
#include "cowire/serializers/separated.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <utility>

namespace examples {

/// JSON, one value a packet. It does not know where a packet ends: see JsonLines.
struct JsonSerializer {
  using sent_packet = nlohmann::json;
  using received_packet = nlohmann::json;
  using Event = nlohmann::json::parse_event_t;

  void serialize(const nlohmann::json& value, cowire::OutputBuffer& out) const {
    try {
      out.append(value.dump());
    } catch (const nlohmann::json::exception& error) {  // A string that is no UTF-8.
      throw failure(cowire::errc::not_sendable, error.what());
    }
  }

  nlohmann::json deserialize(cowire::Bytes bytes) const {
    // Whoever writes such values again recurses: a line of brackets must not end the program.
    const auto limit_depth = [](int depth, Event, const nlohmann::json&) {
      return depth <= most_depth ? true : throw failure(cowire::errc::malformed, "too deep");
    };
    nlohmann::json value = nlohmann::json::parse(cowire::text_of(bytes), limit_depth, false);
    if (value.is_discarded()) {
      throw failure(cowire::errc::malformed, "not JSON");
    }
    return value;
  }

 private:
  static constexpr int most_depth = 100;

  static cowire::Error failure(cowire::errc code, std::string detail) {
    cowire::ErrorContext context;
    context.detail = std::move(detail);
    return cowire::Error(code, std::move(context));
  }
};

/// Each value on a line of its own: JSON written without spaces holds no line feed.
using JsonLines = cowire::StreamProtocol<cowire::Separated<JsonSerializer>>;

}  // namespace examples
