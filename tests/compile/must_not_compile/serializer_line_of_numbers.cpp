// expect: constructible_from
// SPDX-License-Identifier: BSL-1.0
// Lines are text; numbers need a converter, or Separated around a serializer of numbers.
#include "cowire/serializers/line.hpp"

#ifdef CONTROL
cowire::LineSerializer<std::string> lines;
#else
cowire::LineSerializer<int> lines;
#endif
