// expect: a view would look into a document that is soon gone
// SPDX-License-Identifier: BSL-1.0
// The document does not live as long as the struct that is made of it.
#include "cowire/serializers/json_fields.hpp"

#include <string>
#include <string_view>

struct Person {
#ifdef CONTROL
  std::string name;
#else
  std::string_view name;
#endif
};

void from_json(const nlohmann::json& json, Person& person) {
  cowire::from_field(json, "name", person.name);
}
