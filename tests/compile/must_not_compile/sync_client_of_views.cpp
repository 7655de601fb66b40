// expect: a SyncClient cannot receive packets that are views
// SPDX-License-Identifier: BSL-1.0
// Nobody holds the buffer that the view points into.
#include "cowire/serializers/line.hpp"
#include "cowire/sync_client.hpp"

#include <string>
#include <string_view>

#ifdef CONTROL
using Packet = std::string;
#else
using Packet = std::string_view;
#endif

void talk(cowire::SyncClient<cowire::StreamProtocol<cowire::LineSerializer<Packet>>>& client) {
  client.send_packet("hello");
}
