// expect: the width of a length must be 1, 2, 4 or 8 bytes
// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/struct.hpp"

#include <string>

#ifdef CONTROL
constexpr cowire::Prefix prefix{.width = 2};
#else
constexpr cowire::Prefix prefix{.width = 3};
#endif

struct Named {
  std::string name;
};

cowire::StructSerializer<Named, cowire::prefixed(&Named::name, prefix)> serializer;
