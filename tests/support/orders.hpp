// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/converter.hpp"
#include "cowire/serializers/json_fields.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// Packets of a program, with what nlohmann-json asks for.

struct OrderLine {
  std::string product;
  std::uint16_t amount = 0;
  friend bool operator==(const OrderLine&, const OrderLine&) = default;
};

struct Order {
  std::uint32_t id = 0;
  std::vector<OrderLine> lines;
  std::optional<std::string> note;
  friend bool operator==(const Order&, const Order&) = default;
};

/// Without cowire's helpers.
struct Plain {
  int x = 0;
};

inline void to_json(nlohmann::json& json, const OrderLine& line) {
  if (line.product.empty()) {
    throw cowire::bad_field(cowire::errc::not_sendable, "product", "it has no name");
  }
  json = {{"product", line.product}, {"amount", line.amount}};
}

inline void from_json(const nlohmann::json& json, OrderLine& line) {
  cowire::from_field(json, "product", line.product);
  cowire::from_field(json, "amount", line.amount);
}

inline void to_json(nlohmann::json& json, const Order& order) {
  cowire::to_field(json, "id", order.id);
  cowire::to_field(json, "lines", order.lines);
  cowire::to_field(json, "note", order.note);
}

inline void from_json(const nlohmann::json& json, Order& order) {
  cowire::from_field(json, "id", order.id);
  cowire::from_field(json, "lines", order.lines);
  cowire::from_field(json, "note", order.note);
}

inline void to_json(nlohmann::json& json, const Plain& plain) { json = {{"x", plain.x}}; }
inline void from_json(const nlohmann::json& json, Plain& plain) { json.at("x").get_to(plain.x); }
