#!/bin/sh
# build.sh PRESET [TARGET...] - configures build/PRESET where that was not done, and builds.
#
# Quiet when all is well. ccache is used where it is installed.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")/.."
preset=$1
shift
dir=build/$preset

if [ ! -f "$dir/build.ninja" ]; then
    launcher=
    if command -v ccache >/dev/null; then
        launcher='-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache'
    fi
    mkdir -p "$dir"
    # shellcheck disable=SC2086 # words
    if ! cmake --preset "$preset" $launcher ${CMAKE_OPTIONS:-} >"$dir/configure.log" 2>&1; then
        cat "$dir/configure.log" >&2
        exit 1
    fi
fi
cmake --build "$dir" -j "${JOBS:-$(nproc)}" ${1:+--target "$@"} -- --quiet
