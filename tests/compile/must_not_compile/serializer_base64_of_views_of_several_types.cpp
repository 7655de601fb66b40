// expect: the packets of this serializer are views
// SPDX-License-Identifier: BSL-1.0
// One of the types is a view: the decoded bytes are gone when the packet is used.
#include "cowire/serializers/base64.hpp"
#include "cowire/serializers/tagged.hpp"
#include "cowire/serializers/text.hpp"

#ifdef CONTROL
using Name = cowire::Text<std::string>;
#else
using Name = cowire::Text<std::string_view>;
#endif

cowire::Base64<cowire::Tagged<cowire::Tag<1, cowire::Text<>>, cowire::Tag<2, Name>>> packets;
