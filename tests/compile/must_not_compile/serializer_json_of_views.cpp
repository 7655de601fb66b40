// expect: packets that are views would look into a document that is gone
// SPDX-License-Identifier: BSL-1.0
// nlohmann-json can make a view, into the document, which the serializer does not keep.
#include "cowire/serializers/json.hpp"

#include <string>
#include <string_view>

#ifdef CONTROL
cowire::Json<std::string> text;
#else
cowire::Json<std::string_view> text;
#endif
