#!/usr/bin/env bash
# Shows mojifinder, the Unicode character finder of examples/mojifinder, over TCP.
#   scripts/demo.sh               a dialogue with it through netcat, then it is shut down
#   scripts/demo.sh serve [port]  leaves it running, for your own telnet (default port: 2323)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

case "${1:-dialogue}" in
  dialogue | serve) ;;
  *) die "usage: scripts/demo.sh [serve [port]]" ;;
esac

install_missing c++:g++ cmake:cmake ninja:ninja-build asio/version.hpp:libasio-dev \
  nc:netcat-openbsd

say "Building mojifinder in build/demo"
cmake --preset release -B build/demo -D COWIRE_TESTS=OFF -D COWIRE_BENCHMARKS=OFF -D COWIRE_TLS=OFF \
  -D COWIRE_WERROR=OFF
cmake --build build/demo --target mojifinder
mojifinder=build/demo/examples/mojifinder

if [ "${1:-}" = serve ]; then
  port="${2:-2323}"
  say "Talk to it from another terminal: telnet 127.0.0.1 $port"
  echo "Ask for words of a character's name: fire, cat face, chess black"
  exec "$mojifinder" 127.0.0.1 "$port"
fi

folder=$(mktemp -d)
server='' client=''
cleanup() {
  trap - EXIT
  [ -z "$client" ] || kill "$client" 2>/dev/null || true
  [ -z "$server" ] || { kill -KILL "$server" && wait "$server"; } 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- the server, on a free port ----------------------------------------------
say "Starting $mojifinder 127.0.0.1 0 (any free port)"
mkfifo "$folder/console"
"$mojifinder" 127.0.0.1 0 >"$folder/console" 2>&1 &
server=$!
exec {console}<"$folder/console"
port=''
while [ -z "$port" ]; do
  IFS= read -r -t 20 -u "$console" line || die "the server did not say that it serves"
  echo "server: $line"
  if [[ $line =~ ^Serving\ on\ 127\.0\.0\.1:([0-9]+)\. ]]; then port=${BASH_REMATCH[1]}; fi
done

# --- a dialogue, each query after the prompt ---------------------------------
say "nc 127.0.0.1 $port"
coproc CLIENT { exec nc 127.0.0.1 "$port" 2>&1; }
client=$CLIENT_PID
exec {from_server}<&"${CLIENT[0]}" {to_server}>&"${CLIENT[1]}"
eval "exec ${CLIENT[0]}<&- ${CLIENT[1]}>&-"

# Prints what comes until the next prompt, and keeps it in `answer`.
read_answer() {
  local blank=''
  if ! IFS= read -r -t 20 -d '>' -u "$from_server" answer ||
    ! IFS= read -r -t 20 -N 1 -u "$from_server" blank; then
    die "no prompt from the server; it sent: ${answer:-nothing}"
  fi
  printf '%s>%s' "$answer" "$blank"
  [[ $answer == *'?' && $blank == ' ' ]] || die "this is not the prompt '?> '"
}

read_answer
for query in 'fire:U+1F525' 'cat face:U+1F431' 'chess black:U+265A'; do
  words=${query%%:*} expected=${query#*:}
  echo "$words"
  printf '%s\r\n' "$words" >&"$to_server"
  read_answer
  [[ $answer == *"$expected"$'\t'* ]] || die "$expected is not among the answers to '$words'"
  [[ $answer =~ ' '([0-9]+)' found'$'\r' ]] || die "the answer to '$words' does not end with a count"
  count=$(grep -c '^U+' <<<"$answer")
  [ "$count" = "${BASH_REMATCH[1]}" ] || die "the server says ${BASH_REMATCH[1]} found, and sent $count"
done

# A control character ends the session, as Ctrl-C does in telnet.
printf '\003\r\n' >&"$to_server"
exec {to_server}>&-
rest=''
IFS= read -r -t 20 -d '' -u "$from_server" rest || [ $? -le 128 ] || die "the server did not hang up"
echo "$rest(the server hung up)"
client=''

# --- shutdown ----------------------------------------------------------------
say "Stopping the server with SIGINT"
kill -INT "$server"
last=''
while IFS= read -r -t 20 -u "$console" line || { [ $? -le 128 ] || die "the server did not stop"; false; }; do
  echo "server: $line"
  last=$line
done
status=0
wait "$server" || status=$?
server=''
[ "$status" = 0 ] || die "the server ended with status $status"
[ "$last" = 'Server shut down.' ] || die "the server's last words were '$last', not 'Server shut down.'"

say "Demo OK: 3 queries answered, the server shut down cleanly"
