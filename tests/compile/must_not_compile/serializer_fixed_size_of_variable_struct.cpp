// expect: the packets of this serializer differ in size: use LengthPrefixed
// SPDX-License-Identifier: BSL-1.0
// A struct with a string has no fixed size.
#include "cowire/serializers/fixed_size.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/struct.hpp"

#include <string>

struct Named {
  std::string name;
};

using Names = cowire::StructSerializer<Named, cowire::prefixed(&Named::name)>;

#ifdef CONTROL
cowire::LengthPrefixed<Names> names;
#else
cowire::FixedSize<Names> names;
#endif
