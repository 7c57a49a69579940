#!/bin/sh
# check.sh - builds and runs every test twice: as users get it, and under the address and undefined-behaviour sanitizers.
#
# Each run ends with the summary of ctest; the last line of all is `N passed, N failed`. Exit status 1 when one failed.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for preset in release debug; do
    echo "== $preset"
    sh scripts/build.sh $preset
    ctest --preset $preset -j "$jobs" 2>&1 | tee -a "$log" || true
done

awk '/tests passed, .* tests? failed out of/ { failed += $4; passed += $NF - $4; runs++ }
     END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || runs != 2 }' "$log"
