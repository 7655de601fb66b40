#!/usr/bin/env bash
# Installs what is missing, builds the library's tests and examples with AddressSanitizer and
# UndefinedBehaviorSanitizer, and runs every test. Arguments are for CMake: -D CMAKE_CXX_COMPILER=...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

install_missing c++:g++ cmake:cmake ninja:ninja-build asio/version.hpp:libasio-dev \
  doctest/doctest.h:doctest-dev openssl/ssl.h:libssl-dev openssl:openssl telnet:telnet \
  zlib.h:zlib1g-dev protoc:protobuf-compiler google/protobuf/message.h:libprotobuf-dev \
  nc:netcat-openbsd socat:socat redis-cli:redis-tools python3:python3 "${libraries_of_examples[@]}"

say "Configuring build/asan"
cmake --preset asan "$@"

say "Building with $CMAKE_BUILD_PARALLEL_LEVEL jobs"
cmake --build --preset asan

say "Running the tests"
ctest --preset asan
