// expect: say how the length of a string or vector is written
// SPDX-License-Identifier: BSL-1.0
// A string has no end of its own: its length must be declared.
#include "cowire/serializers/struct.hpp"

#include <string>
#include <tuple>

struct Named {
  std::string name;
#ifdef CONTROL
  static constexpr auto fields = std::tuple{cowire::prefixed(&Named::name)};
#else
  static constexpr auto fields = std::tuple{&Named::name};
#endif
};

cowire::StructSerializer<Named> serializer;
