// expect: StreamSerializer
// SPDX-License-Identifier: BSL-1.0
// A one-shot serializer does not know where a packet ends: it needs a wrapper.
#include "cowire/protocol.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/text.hpp"

#ifdef CONTROL
cowire::StreamProtocol<cowire::LengthPrefixed<cowire::Text<>>> protocol;
#else
cowire::StreamProtocol<cowire::Text<>> protocol;
#endif
