// SPDX-License-Identifier: BSL-1.0
#include "cowire/transport.hpp"

#include <doctest/doctest.h>

using cowire::Endpoint;

TEST_CASE("an endpoint as text: v4, v6, paths, and nothing") {
  CHECK(to_string(Endpoint{"127.0.0.1", 9000}) == "127.0.0.1:9000");
  CHECK(to_string(Endpoint{"/run/a\n[error] b\x7f", 0}) == "/run/a\\x0a[error] b\\x7f");
  CHECK(to_string(Endpoint{"::1", 9000}) == "[::1]:9000");
  CHECK(to_string(Endpoint{"fe80::1%eth0", 65535}) == "[fe80::1%eth0]:65535");
  CHECK(to_string(Endpoint{"/run/my.sock", 0}) == "/run/my.sock");
  CHECK(to_string(Endpoint{"memory", 0}) == "memory");
  CHECK(to_string(Endpoint{}) == "(unknown)");
  CHECK(to_string(Endpoint{"", 9000}) == "(unknown)");
}

TEST_CASE("endpoints are equal if address and port are") {
  const Endpoint endpoint{"127.0.0.1", 9000};
  CHECK(endpoint == Endpoint{"127.0.0.1", 9000});
  CHECK(endpoint != Endpoint{"127.0.0.1", 9001});
  CHECK(endpoint != Endpoint{"127.0.0.2", 9000});
}
