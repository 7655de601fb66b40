// expect: nobody could switch a SwitchableProtocol inside of another
// SPDX-License-Identifier: BSL-1.0
#include "cowire/serializers/line.hpp"
#include "cowire/switchable_protocol.hpp"

using Lines = cowire::StreamProtocol<cowire::LineSerializer<>>;
using Inner = cowire::SwitchableProtocol<Lines>;

#ifdef CONTROL
cowire::SwitchableProtocol<Lines, Lines> protocol;
#else
cowire::SwitchableProtocol<Lines, Inner> protocol;
#endif
