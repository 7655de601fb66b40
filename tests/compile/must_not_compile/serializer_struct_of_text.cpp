// expect: Pack<.*basic_string
// SPDX-License-Identifier: BSL-1.0
// A std::string has no fixed size: it cannot be packed.
#include "cowire/serializers/struct.hpp"

#include <array>
#include <string>

struct Named {
#ifdef CONTROL
  std::array<char, 8> name{};
#else
  std::string name;
#endif
};

constexpr auto size = cowire::StructSerializer<Named, &Named::name>::packed_size;
