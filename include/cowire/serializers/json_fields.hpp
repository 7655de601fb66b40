// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/converter.hpp"
#include "cowire/detail/holds_view.hpp"
#include "cowire/detail/json_document.hpp"
#include "cowire/error.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cowire {

namespace detail {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t N>
inline constexpr bool is_array<std::array<T, N>> = true;

template <class T>
inline constexpr bool is_text_map = false;
template <class T, class... Rest>
inline constexpr bool is_text_map<std::map<std::string, T, Rest...>> = true;
template <class T, class... Rest>
inline constexpr bool is_text_map<std::unordered_map<std::string, T, Rest...>> = true;

[[noreturn]] inline void throw_json_type(const nlohmann::json& value, const char* wanted) {
  throw json_error(errc::malformed,
                   std::string("it is ") + value.type_name() + " instead of " + wanted, {});
}

// A number into an integer that has room for it: nlohmann-json would cut it.
template <class T>
void integer_from(const nlohmann::json& value, T& integer) {
  if (!value.is_number_integer()) {
    throw_json_type(value, "an integer");
  }
  const bool fits = value.is_number_unsigned()
                        ? std::in_range<T>(value.get<nlohmann::json::number_unsigned_t>())
                        : std::in_range<T>(value.get<nlohmann::json::number_integer_t>());
  if (!fits) {
    throw json_error(errc::malformed, "the number " + value.dump() + " does not fit", {});
  }
  integer = value.get<T>();
}

template <class T>
concept CheckedInteger = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> &&
                         !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
                         !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

// A number into a floating point number: nlohmann-json would take true for 1.
template <class T>
void float_from(const nlohmann::json& value, T& number) {
  if (!value.is_number()) {
    throw_json_type(value, "a number");
  }
  const auto wide = value.get<nlohmann::json::number_float_t>();
  if (std::isfinite(wide) && !(std::abs(wide) <= std::numeric_limits<T>::max())) {
    throw json_error(errc::malformed, "the number " + value.dump() + " does not fit", {});
  }
  number = static_cast<T>(wide);
}

template <class T>
void value_from(const nlohmann::json& value, T& result) {
  if constexpr (is_optional<T>) {
    if (value.is_null()) {
      result.reset();
    } else {
      value_from(value, result.emplace());
    }
  } else if constexpr (is_vector<T>) {
    if (!value.is_array()) {
      throw_json_type(value, "an array");
    }
    result.clear();
    for (std::size_t i = 0; i < value.size(); ++i) {
      typename T::value_type element{};
      in_field("[" + std::to_string(i) + "]", [&] { value_from(value[i], element); });
      result.push_back(std::move(element));
    }
  } else if constexpr (is_array<T>) {
    if (!value.is_array() || value.size() != result.size()) {
      throw_json_type(value, ("an array of " + std::to_string(result.size())).c_str());
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      in_field("[" + std::to_string(i) + "]", [&] { value_from(value[i], result[i]); });
    }
  } else if constexpr (is_text_map<T>) {
    if (!value.is_object()) {
      throw_json_type(value, "an object");
    }
    result.clear();
    for (auto member = value.begin(); member != value.end(); ++member) {
      typename T::mapped_type element{};
      in_field(printable(bytes_of(member.key())), [&] { value_from(*member, element); });
      result.emplace(member.key(), std::move(element));
    }
  } else if constexpr (CheckedInteger<T>) {
    integer_from(value, result);
  } else if constexpr (std::floating_point<T>) {
    float_from(value, result);
  } else {
    try {
      value.get_to(result);
    } catch (const nlohmann::json::exception& error) {
      throw_json(errc::malformed, error);
    }
  }
}

template <class T>
void value_to(nlohmann::json& place, const T& value) {
  if constexpr (is_optional<T>) {
    place = nullptr;
    if (value) {
      value_to(place, *value);
    }
  } else if constexpr (is_vector<T>) {
    place = nlohmann::json::array();
    for (std::size_t i = 0; i < value.size(); ++i) {
      in_field("[" + std::to_string(i) + "]", [&] {
        nlohmann::json element;
        value_to<typename T::value_type>(element, value[i]);
        place.push_back(std::move(element));
      });
    }
  } else {
    assign_json(place, value);
  }
}

}  // namespace detail

/// Reads a member of an object, in a `from_json`: an error says which, and fields nest.
///
///     void from_json(const nlohmann::json& json, Order& order) {
///       cowire::from_field(json, "id", order.id);
///       cowire::from_field(json, "lines", order.lines);
///     }
///         // it is string instead of an integer (field lines[2].amount): ...
///
/// Stricter than nlohmann-json: a number must fit into its integer or floating point type, and an
/// array has the size of its `std::array`; also inside of `std::vector`, `std::array` and maps of
/// texts. What an enum may be is not looked at. A `std::optional` is empty if the member is missing
/// or null.
/// @throws Error malformed: the member is missing, or of another type.
template <class T>
void from_field(const nlohmann::json& object, const char* name, T& value) {
  static_assert(!detail::holds_view<T>,
                "a view would look into a document that is soon gone: use a member that owns what "
                "it holds, such as std::string");
  if (!object.is_object()) {
    detail::throw_json_type(object, "an object");
  }
  const auto member = object.find(name);
  if (member != object.end()) {
    in_field(name, [&] { detail::value_from(*member, value); });
  } else if constexpr (detail::is_optional<T>) {
    value.reset();
  } else {
    throw bad_field(errc::malformed, name, "it is missing");
  }
}

/// Writes a member of an object, in a `to_json`: an error says which. An empty `std::optional` is
/// left out.
/// @throws Error not_sendable: the value cannot be JSON.
template <class T>
void to_field(nlohmann::json& object, const char* name, const T& value) {
  in_field(name, [&] {
    // nlohmann-json would leave a broken document if it made the object itself and memory ran out.
    const auto place = [&]() -> nlohmann::json& {
      if (object.is_null()) {
        object = nlohmann::json::object();
      }
      return object[name];
    };
    try {
      if constexpr (!detail::is_optional<T>) {
        detail::value_to(place(), value);
      } else if (value) {
        detail::value_to(place(), *value);
      }
    } catch (const nlohmann::json::exception& error) {
      detail::throw_json(errc::not_sendable, error);
    }
  });
}

}  // namespace cowire
