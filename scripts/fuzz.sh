#!/usr/bin/env bash
# Runs the fuzzer of each decoder for some seconds, from the corpus in tests/fuzz.
#   scripts/fuzz.sh PROGRAM [SECONDS [TARGET...]]    PROGRAM is the built fuzz_decoders
# New inputs are kept in build/fuzz/TARGET, and a failing one in build/fuzz/TARGET-*: run PROGRAM
# --target=TARGET FILE to see it again, and add it to the corpus.
set -euo pipefail
shopt -s inherit_errexit
program=$(realpath "$1") seconds=${2:-60}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

# Freed memory is kept from reuse for a while, but not 256 MB of it: growth would not be seen.
export ASAN_OPTIONS="quarantine_size_mb=16:${ASAN_OPTIONS:-}"

targets=("${@:3}")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <("$program")
[ ${#targets[@]} -gt 0 ] || die "$program has no targets"
if [ $# -le 2 ]; then  # A folder without a fuzzer: its library was not found.
  left_out=$(comm -13 <(printf '%s\n' "${targets[@]}" | sort) <(ls tests/fuzz/corpus | sort) | xargs)
  [ -z "$left_out" ] || [ -z "${CI:-}" ] || die "$program cannot fuzz: $left_out"
  [ -z "$left_out" ] || echo "left out, for want of a library: $left_out"
fi

fuzz() {
  local target=$1 log=build/fuzz/$1.log
  mkdir -p "build/fuzz/$target"
  "$program" "--target=$target" -max_total_time="$seconds" -seed=1 -max_len=512 -timeout=10 \
    -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="build/fuzz/$target-" \
    "build/fuzz/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 ||
    { tail -n 60 "$log"; echo "the fuzzer of $target failed: see build/fuzz" >&2; return 255; }
  awk -v target="$target" '
    /stat::number_of_executed_units/ { runs = $2 }
    /stat::peak_rss_mb/ { memory = $2 }
    $1 ~ /^#/ && / cov: / { for (i = 1; i < NF; ++i) if ($i == "cov:") covered = $(i + 1) }
    END { printf "%-22s %9d runs, %5d edges, %4d MB, no failure\n", target, runs, covered, memory }' "$log"
}
export -f fuzz
export program seconds
# As many at once as there are processors; xargs begins no more after the first failure.
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I '{}' bash -c 'fuzz {}'
