// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/error.hpp"
#include "cowire/framing.hpp"
#include "cowire/text_encoding.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cowire::detail {

// What nlohmann-json says of an error, without its number: "[json.exception.x.403] key 'a' ...".
// It may quote what the peer sent, so it is made printable and short.
inline std::string json_message(const nlohmann::json::exception& error) {
  const std::string_view text = error.what();
  const std::size_t end = text.starts_with('[') ? text.find("] ") : npos;
  return printable(bytes_of(end == npos ? text : text.substr(end + 2)), 160);
}

// The member that nlohmann-json misses: "key 'a' not found"; else empty.
inline std::string json_missing_key(const nlohmann::json::exception& error) {
  constexpr int key_not_found = 403;
  const std::string_view text = error.what();
  const std::size_t begin = text.find("key '");
  const std::size_t end = text.rfind('\'');
  if (error.id != key_not_found || begin == npos || end < begin + 5) {
    return {};
  }
  return printable(bytes_of(text.substr(begin + 5, end - begin - 5)));
}

[[noreturn]] inline void throw_json(errc code, const nlohmann::json::exception& error) {
  ErrorContext context;
  context.detail = json_message(error);
  context.field = json_missing_key(error);
  throw Error(code, std::move(context));
}

// Not by the constructor of a document: if a to_json throws inside, that loses what it has made.
template <class T>
void assign_json(nlohmann::json& place, const T& value) {
  if constexpr (std::same_as<T, nlohmann::json>) {
    place = value;
  } else {
    nlohmann::adl_serializer<T>::to_json(place, value);
  }
}

// A place in a document, as "lines[3].price".
inline void add_key(std::string& path, std::string_view key) {
  path += path.empty() ? "" : ".";
  path += printable(bytes_of(key));
}
inline void add_index(std::string& path, std::size_t index) {
  path += '[' + std::to_string(index) + ']';
}

inline Error json_error(errc code, std::string detail, std::string path,
                        std::optional<std::uint64_t> position = {}) {
  ErrorContext context;
  context.detail = std::move(detail);
  context.field = std::move(path);
  context.position = position;
  return Error(code, std::move(context));
}

inline std::string too_deep_text(std::size_t depth) {
  return "arrays and objects are nested deeper than " + std::to_string(depth);
}

// Builds a document of what nlohmann-json's parsers find, and stops them at what is not allowed:
// too deep, a key twice in an object, or text that is not UTF-8 (which its binary formats let
// pass).
class JsonBuilder {
 public:
  using Json = nlohmann::json;

  JsonBuilder(std::size_t depth, bool refuse_duplicates, std::size_t size) noexcept
      : depth_(depth), size_(size), refuse_duplicates_(refuse_duplicates) {}

  // After the parser: what it made. @throws Error
  Json take() {
    if (error_) {
      throw *std::move(error_);
    }
    return std::move(root_);
  }

  bool null() { return add(nullptr) != nullptr; }
  bool boolean(bool value) { return add(value) != nullptr; }
  bool number_integer(Json::number_integer_t value) { return add(value) != nullptr; }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value) != nullptr; }
  bool number_float(Json::number_float_t value, const std::string& /*text*/) {
    return add(value) != nullptr;
  }
  bool string(std::string& value) { return is_text(value) && add(std::move(value)) != nullptr; }
  bool binary(Json::binary_t& value) { return add(std::move(value)) != nullptr; }

  bool start_object(std::size_t /*size*/) { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    if (!is_text(name)) {
      return false;
    }
    auto& object = open_.back().container->get_ref<Json::object_t&>();
    const auto [at, is_new] = object.try_emplace(std::move(name));
    open_.back().key = &at->first;
    member_ = &at->second;
    return is_new || !refuse_duplicates_ || fail(errc::malformed, "the key is there twice");
  }

  bool parse_error(std::size_t read, const std::string& /*token*/,
                   const nlohmann::json::exception& error) {
    // The parsers count what they have read: the last of it is what was wrong, or the end.
    const std::size_t position = read == 0 ? 0 : std::min(read - 1, size_);
    error_ = json_error(errc::malformed, json_message(error), {}, position);
    return false;
  }

 private:
  struct Level {
    Json* container;
    const std::string* key = nullptr;
  };

  Json* add(Json value) {
    Json* place = &root_;
    if (!open_.empty() && open_.back().container->is_array()) {
      auto& array = open_.back().container->get_ref<Json::array_t&>();
      array.push_back(std::move(value));
      return &array.back();
    }
    if (!open_.empty()) {
      place = member_;
    }
    *place = std::move(value);
    return place;
  }

  bool open(Json container) {
    if (open_.size() == depth_) {
      return fail(errc::too_large, too_deep_text(depth_));
    }
    open_.push_back({add(std::move(container))});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  bool is_text(std::string_view text) {
    return find_invalid(text, TextEncoding::utf8) == npos ||
           fail(errc::malformed, "a text is not UTF-8");
  }

  bool fail(errc code, std::string detail) {
    std::string path;
    for (std::size_t i = 0; i < open_.size() && path.size() < 200; ++i) {
      if (open_[i].key != nullptr) {
        add_key(path, *open_[i].key);
      } else if (open_[i].container->is_array()) {
        add_index(path, open_[i].container->size() - (i + 1 == open_.size() ? 0 : 1));
      }
    }
    error_ = json_error(code, std::move(detail), std::move(path));
    return false;
  }

  Json root_;
  std::vector<Level> open_;
  Json* member_ = nullptr;
  std::optional<Error> error_;
  std::size_t depth_;
  std::size_t size_;
  bool refuse_duplicates_;
};

// What a format can carry.
struct JsonFeatures {
  bool numbers_are_finite = false;
  bool binary = false;
  bool subtypes = false;
};

// Looks at a document before it is written, because nlohmann-json writes by recursion, and changes
// silently what a format does not have.
class JsonCheck {
 public:
  using Json = nlohmann::json;

  JsonCheck(std::size_t depth, const JsonFeatures& features) noexcept
      : depth_(depth), features_(features) {}

  // @throws Error not_sendable, too_large
  void operator()(const Json& document) {
    enter(document);
    while (!open_.empty()) {
      Level& level = open_.back();
      if (level.next == level.container->cend()) {
        open_.pop_back();
        continue;
      }
      level.at = level.next;
      ++level.next;
      ++level.count;
      if (level.container->is_object()) {
        check_text(level.at.key());
      }
      enter(*level.at);
    }
  }

 private:
  static constexpr std::uint64_t most_subtype = 255;  // The extensions of MessagePack have a byte.

  struct Level {
    const Json* container;
    Json::const_iterator next;
    Json::const_iterator at{};
    std::size_t count = 0;
  };

  void enter(const Json& value) {
    switch (value.type()) {
      case Json::value_t::object:
      case Json::value_t::array:
        if (open_.size() == depth_) {
          throw error(errc::too_large, too_deep_text(depth_));
        }
        open_.push_back({&value, value.cbegin()});
        break;
      case Json::value_t::string: check_text(value.get_ref<const std::string&>()); break;
      case Json::value_t::number_float:
        if (features_.numbers_are_finite && !std::isfinite(value.get<Json::number_float_t>())) {
          throw error(errc::not_sendable, "the format has no number for infinity and NaN");
        }
        break;
      case Json::value_t::binary:
        if (!features_.binary) {
          throw error(errc::not_sendable, "the format has no binary values");
        }
        if (!features_.subtypes && value.get_binary().has_subtype()) {
          throw error(errc::not_sendable, "the format has no subtypes of binary values");
        }
        if (value.get_binary().has_subtype() && value.get_binary().subtype() > most_subtype) {
          throw error(errc::not_sendable, "a subtype of a binary value is over 255");
        }
        break;
      case Json::value_t::discarded: throw error(errc::not_sendable, "a value was discarded");
      default: break;
    }
  }

  void check_text(std::string_view text) const {
    if (const std::size_t at = find_invalid(text, TextEncoding::utf8); at != npos) {
      throw error(errc::not_sendable, "a text is not UTF-8", at);
    }
  }

  Error error(errc code, std::string detail, std::optional<std::uint64_t> position = {}) const {
    std::string path;
    for (std::size_t i = 0; i < open_.size() && path.size() < 200; ++i) {
      if (open_[i].count == 0) {
        break;
      }
      if (open_[i].container->is_object()) {
        add_key(path, open_[i].at.key());
      } else {
        add_index(path, open_[i].count - 1);
      }
    }
    return json_error(code, std::move(detail), std::move(path), position);
  }

  std::vector<Level> open_;
  std::size_t depth_;
  JsonFeatures features_;
};

}  // namespace cowire::detail
