#!/bin/sh
# coverage.sh - runs the tests in the coverage build and prints the share of lines and branches of each room they reach.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")/.."
sh scripts/build.sh coverage
find build/coverage -name '*.gcda' -delete
ctest --preset coverage -LE 'lint|install' -j "${JOBS:-$(nproc)}" >build/coverage/ctest.log 2>&1 || { tail -n 20 build/coverage/ctest.log; exit 1; }

# gcov prints for each object and each source in it: File 'path', Lines executed:P% of N, Branches executed, Taken at
# least once:P% of N. Kernels are compiled several times; each counts.
find build/coverage -name '*.gcda' -path '*lycoris_*' -exec gcov -n -b -r -s "$PWD" {} + 2>/dev/null | awk -F "[':% ]+" '
    /^File / { room = $2; sub(/\/[^\/]*$/, "", room) }
    /^Lines executed/ { lines[room] += $5; reached[room] += $3 * $5 / 100 }
    /^Taken at least once/ { branches[room] += $7; taken[room] += $5 * $7 / 100 }
    END {
        for (room in lines)
            if (room ~ /^src/) {
                printf "%-32s %7d lines %6.1f %%  %7d branches %6.1f %%\n", room, lines[room], 100 * reached[room] / lines[room],
                    branches[room], branches[room] ? 100 * taken[room] / branches[room] : 100
                all += lines[room]; all_reached += reached[room]; all_branches += branches[room]; all_taken += taken[room]
            }
        printf "%-32s %7d lines %6.1f %%  %7d branches %6.1f %%\n", "~all", all, 100 * all_reached / all, all_branches, 100 * all_taken / all_branches
    }' | sort | sed 's/^~all/all /'
