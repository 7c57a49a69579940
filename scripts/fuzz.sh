#!/bin/sh
# fuzz.sh [SECONDS [TARGET...]] - runs each fuzz target (or those named) for that long, 30 seconds by default.
#
# New inputs that reach new code are kept in build/fuzz/corpus/TARGET; what fails is written to build/fuzz/found, with the
# command that repeats it. Whoever mends it moves the input to tests/fuzz/corpus/TARGET.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-30}
[ $# -eq 0 ] || shift
sh scripts/build.sh fuzz fuzz_targets
# shellcheck disable=SC2046 # words
[ $# -gt 0 ] || set -- $(find tests/fuzz -name 'fuzz_*.c' | sed 's|.*/fuzz_||; s|\.c$||' | sort)

found=build/fuzz/found
mkdir -p $found
failed=0
for target in "$@"; do
    new=build/fuzz/corpus/$target
    mkdir -p "$new"
    seeds=tests/fuzz/corpus/$target
    [ ! -f "$seeds.dirs" ] || seeds="$seeds $(cat "$seeds.dirs")"
    log=$found/$target.log
    # shellcheck disable=SC2086 # words
    if build/fuzz/tests/fuzz/fuzz_"$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
        -print_final_stats=1 -artifact_prefix="$found/$target-" "$new" $seeds >"$log" 2>&1; then
        awk -v target="$target" '/number_of_executed_units/ { runs = $2 } / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
            END { printf "%s: %d runs, %d edges, nothing found\n", target, runs, edges }' "$log"
    else
        failed=$((failed + 1))
        echo "$target: FOUND"
        grep -aE 'ERROR|SUMMARY|runtime error|Test unit written' "$log" | head -n 5
        echo "  again: build/fuzz/tests/fuzz/fuzz_$target INPUT (whole log: $log)"
    fi
done
[ $failed -eq 0 ]
