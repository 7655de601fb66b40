#!/usr/bin/env bash
# Does what the quick start of docs/index.md says, in an empty folder: the files, then the commands.
set -euo pipefail
shopt -s inherit_errexit
cowire=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
folder=$(mktemp -d)
cleanup() {
  trap - EXIT
  kill %% 2>/dev/null && wait %% || true
  rm -rf "$folder"
}
trap cleanup EXIT

cd "$folder"
mkdir third_party
ln -s "$cowire" third_party/cowire
cp "$cowire/tests/package/quick_start/CMakeLists.txt" .
cp "$cowire/tests/docs/tutorial_1_echo.cpp" main.cpp

# The user's hands: wait until the server is up, and type a line.
nc() {
  local answer='' deadline=$((SECONDS + 20))
  until { exec {server}<>"/dev/tcp/$1/$2"; } 2>/dev/null; do
    [ $SECONDS -lt $deadline ] || { echo "nobody serves at $1 port $2" >&2; return 1; }
  done
  echo hello >&"$server"
  IFS= read -r -t 20 -u "$server" answer
  exec {server}>&-
  [ "$answer" = hello ] || { echo "the server answered '$answer', not 'hello'" >&2; return 1; }
}

# [commands]
cmake -S . -B build && cmake --build build
build/my_server &
nc 127.0.0.1 9000
# [/commands]
kill -0 %%  # It goes on serving, and it is ours that has answered.
echo "The quick start of docs/index.md works"
