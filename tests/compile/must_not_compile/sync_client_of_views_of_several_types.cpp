// expect: a SyncClient cannot receive packets that are views
// SPDX-License-Identifier: BSL-1.0
// Nobody holds the buffer that the view in the variant points into.
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/switchable_protocol.hpp"
#include "cowire/sync_client.hpp"

#include <string>
#include <string_view>

#ifdef CONTROL
using Packet = std::string;
#else
using Packet = std::string_view;
#endif

using Phases = cowire::SwitchableProtocol<
    cowire::StreamProtocol<cowire::LineSerializer<>>,
    cowire::StreamProtocol<cowire::LengthPrefixed<cowire::Text<Packet>>>>;

void talk(cowire::SyncClient<Phases>& client) { client.switch_protocol(1); }
