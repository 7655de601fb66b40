// expect: this type cannot be packed
// SPDX-License-Identifier: BSL-1.0
// What a pointer points to is not packed.
#include "cowire/serializers/struct.hpp"

struct Named {
#ifdef CONTROL
  char initial = ' ';
  using Field = char Named::*;
  static constexpr Field field = &Named::initial;
#else
  const char* name = nullptr;
  using Field = const char* Named::*;
  static constexpr Field field = &Named::name;
#endif
};

cowire::StructSerializer<Named, Named::field> serializer;
