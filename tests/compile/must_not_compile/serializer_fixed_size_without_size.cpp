// expect: no (matching|default)|packed_size
// SPDX-License-Identifier: BSL-1.0
// Only a serializer with a packed_size needs no number.
#include "cowire/serializers/fixed_size.hpp"
#include "cowire/serializers/text.hpp"

#ifdef CONTROL
cowire::FixedSize<cowire::Text<>> frames(cowire::Text<>{}, 4);
#else
cowire::FixedSize<cowire::Text<>> frames(cowire::Text<>{});
#endif
