// expect: each Tag needs a number of its own
// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/tagged.hpp"
#include "cowire/serializers/text.hpp"

using Text = cowire::Text<>;

#ifdef CONTROL
cowire::Tagged<cowire::Tag<1, Text>, cowire::Tag<2, Text>> tagged;
#else
cowire::Tagged<cowire::Tag<1, Text>, cowire::Tag<1, Text>> tagged;
#endif
