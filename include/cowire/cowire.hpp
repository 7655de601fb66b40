// SPDX-License-Identifier: BSL-1.0
#pragma once

// Everything that needs nothing but Asio and the standard library, on any platform. (Unix sockets:
// cowire/transports/unix.hpp.)

#include "cowire/client.hpp"
#include "cowire/connection.hpp"
#include "cowire/connector.hpp"
#include "cowire/converter.hpp"
#include "cowire/error.hpp"
#include "cowire/generator.hpp"
#include "cowire/handler.hpp"
#include "cowire/limits.hpp"
#include "cowire/logger.hpp"
#include "cowire/peer.hpp"
#include "cowire/protocol.hpp"
#include "cowire/serializers/fixed_size.hpp"
#include "cowire/serializers/length_prefixed.hpp"
#include "cowire/serializers/line.hpp"
#include "cowire/serializers/raw.hpp"
#include "cowire/serializers/separated.hpp"
#include "cowire/serializers/stapled.hpp"
#include "cowire/serializers/struct.hpp"
#include "cowire/serializers/text.hpp"
#include "cowire/serve.hpp"
#include "cowire/server.hpp"
#include "cowire/service.hpp"
#include "cowire/task.hpp"
#include "cowire/task_group.hpp"
#include "cowire/transport.hpp"
#include "cowire/transports/memory.hpp"
#include "cowire/transports/tcp.hpp"
#include "cowire/transports/tcp_connector.hpp"
