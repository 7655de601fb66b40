# shellcheck shell=bash
# What the scripts share; sourced by bash with `set -euo pipefail`, from the top folder.

say() { printf '\n== %s\n' "$*"; }
die() { printf '\nFAILED: %s\n' "$*" >&2; exit 1; }

export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
export CTEST_PARALLEL_LEVEL="${CTEST_PARALLEL_LEVEL:-$(nproc)}"
if command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER="${CMAKE_CXX_COMPILER_LAUNCHER:-ccache}"
fi

# Libraries without which some examples are left out: for install_missing.
libraries_of_examples=(nlohmann/json.hpp:nlohmann-json3-dev spdlog/spdlog.h:libspdlog-dev)

# has_header NAME: whether the compiler finds it.
has_header() {
  echo "#include <$1>" | c++ -std=c++20 -DASIO_STANDALONE -E -x c++ - >/dev/null 2>&1
}

# install_missing CHECK:PACKAGE...: a check is a command (c++) or a header (asio/version.hpp).
# Installs the packages whose check fails; with nothing to install, it does not touch the system.
install_missing() {
  local item missing=()
  for item in "$@"; do
    case $item in
      *.h:* | *.hpp:*) has_header "${item%%:*}" || missing+=("${item#*:}") ;;
      *) command -v "${item%%:*}" >/dev/null || missing+=("${item#*:}") ;;
    esac
  done
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# install_packages PACKAGE...: as root, by sudo if need be.
install_packages() {
  say "Installing $*"
  command -v apt-get >/dev/null ||
    die "missing: $* (names of Debian's packages). Please install them: only apt-get is known here."
  local run=(env DEBIAN_FRONTEND=noninteractive)
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      die "missing: $*. Install them as root: apt-get install $*"
    run=(sudo "${run[@]}")
  fi
  # One broken source of many is no reason to stop: the installation tells whether it mattered.
  "${run[@]}" apt-get -o DPkg::Lock::Timeout=120 -qq update </dev/null ||
    echo "apt-get update did not get everything; going on"
  "${run[@]}" apt-get -o DPkg::Lock::Timeout=120 -qq install -y --no-install-recommends \
    "$@" </dev/null || die "could not install $*"
}
