// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/bytes.hpp"
#include "cowire/converter.hpp"
#include "cowire/detail/json_document.hpp"
#include "cowire/detail/json_serializer.hpp"
#include "cowire/error.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace cowire {

/// A text as a template argument.
template <std::size_t N>
struct FixedText {
  char characters[N]{};

  consteval FixedText(const char (&text)[N]) {
    for (std::size_t i = 0; i < N; ++i) {
      characters[i] = text[i];
    }
  }

  constexpr std::string_view view() const noexcept { return {characters, N - 1}; }
};

/// One of the types of a JsonChoice, and what its objects have in the deciding field.
template <FixedText Name, class T>
struct JsonCase {
  using type = T;
  /// The value of the field.
  static constexpr std::string_view name = Name.view();
};

/// Packets of several types: a field of the JSON object says which. For Json, Cbor and MessagePack.
///
///     using Packet = JsonChoice<"type", JsonCase<"login", Login>, JsonCase<"chat", Chat>>;
///     Separated<Json<Packet>>      {"name":"ann","type":"login"}\n {"text":"hi","type":"chat"}\n
///
/// The packets are `std::variant<Login, Chat>`; the handler visits them. The field is added to what
/// `to_json` makes, which must be an object, and is still there when `from_json` is called.
///
/// Malformed: no object, no such field, or a name that is none of the cases'.
template <FixedText Field, class... Cases>
struct JsonChoice {
  using packet = std::variant<typename Cases::type...>;
  /// The name of the field.
  static constexpr std::string_view field = Field.view();
};

/// Documents of a JsonChoice.
template <FixedText Field, class... Cases>
struct JsonConversion<JsonChoice<Field, Cases...>> {
  using packet = std::variant<typename Cases::type...>;

  /// The document of the alternative, with its name.
  static nlohmann::json to_document(const packet& chosen) {
    return to_document(chosen, std::index_sequence_for<Cases...>{});
  }

  /// The alternative that the document names.
  static packet from_document(nlohmann::json document) {
    if (!document.is_object()) {
      throw detail::json_error(errc::malformed, "it is no object", {});
    }
    const auto at = document.find(name_of_field());
    if (at == document.end()) {
      throw bad_field(errc::malformed, Field.view(), "it is missing");
    }
    if (!at->is_string()) {
      throw bad_field(errc::malformed, Field.view(), "it is no text");
    }
    return from_document(at->get_ref<const std::string&>(), document,
                         std::index_sequence_for<Cases...>{});
  }

 private:
  static std::string name_of_field() { return std::string(Field.view()); }

  template <std::size_t... I>
  static nlohmann::json to_document(const packet& chosen, std::index_sequence<I...> /*cases*/) {
    if (chosen.valueless_by_exception()) {
      throw detail::json_error(errc::not_sendable, "the variant is valueless by exception", {});
    }
    nlohmann::json document;
    const auto try_case = [&]<std::size_t Index, class Case>() {
      if (chosen.index() == Index) {
        detail::assign_json(document, *std::get_if<Index>(&chosen));
        add_name(document, Case::name);
      }
    };
    (try_case.template operator()<I, Cases>(), ...);
    return document;
  }

  static void add_name(nlohmann::json& document, std::string_view name) {
    if (!document.is_object()) {
      throw detail::json_error(errc::not_sendable, "it is no object: it cannot say its type", {});
    }
    const auto [at, is_new] = document.emplace(name_of_field(), name);
    if (!is_new && *at != name) {
      throw bad_field(errc::not_sendable, Field.view(),
                      "it has another value than the name of the type");
    }
  }

  template <std::size_t... I>
  static packet from_document(const std::string& name, const nlohmann::json& document,
                              std::index_sequence<I...> /*cases*/) {
    std::optional<packet> chosen;
    const auto try_case = [&]<std::size_t Index, class Case>() {
      if (!chosen && name == Case::name) {
        chosen.emplace(std::in_place_index<Index>, document.template get<typename Case::type>());
      }
    };
    (try_case.template operator()<I, Cases>(), ...);
    if (!chosen) {
      std::string known;
      ((known += (known.empty() ? "" : ", "), known += Cases::name), ...);
      throw bad_field(errc::malformed, Field.view(),
                      '"' + printable(bytes_of(name)) + "\" is none of " + known);
    }
    return *std::move(chosen);
  }
};

}  // namespace cowire
