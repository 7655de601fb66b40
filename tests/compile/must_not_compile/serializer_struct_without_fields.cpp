// expect: say which members to pack
// SPDX-License-Identifier: BSL-1.0
// StructSerializer cannot guess the members.
#include "cowire/serializers/struct.hpp"

struct Point {
  int x = 0;
#ifdef CONTROL
  static constexpr auto fields = std::tuple{&Point::x};
#endif
};

cowire::StructSerializer<Point> serializer;
