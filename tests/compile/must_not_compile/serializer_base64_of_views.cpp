// expect: the packets of this serializer are views
// SPDX-License-Identifier: BSL-1.0
// The decoded bytes are gone when the packet is used.
#include "cowire/serializers/base64.hpp"
#include "cowire/serializers/text.hpp"

#ifdef CONTROL
cowire::Base64<cowire::Text<std::string>> text;
#else
cowire::Base64<cowire::Text<std::string_view>> text;
#endif
