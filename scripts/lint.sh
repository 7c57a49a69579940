#!/bin/sh
# lint.sh [FILE...] - clang-format and clang-tidy over the C files, or over those named, and shellcheck over the scripts; no
# finding is allowed.
#
# Assertions are on for the analysis: they tell it what holds.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")/.."
sh scripts/build.sh release
# shellcheck disable=SC2046 # words
[ $# -gt 0 ] || set -- $(find src include tests bench examples -name '*.[ch]' | grep -v '^tests/lint/seeded/' | sort)

status=0
find scripts tests .ci -name '*.sh' -o -path '.ci/*' -type f | sort | xargs shellcheck -x -P SCRIPTDIR -s sh || status=1
clang-format --dry-run -Werror "$@" || status=1

# What the build compiles; once for each file that is compiled several times.
compiled=$(printf '%s\n' "$@" | while read -r file; do
    ! grep -q "\"file\": \"$PWD/$file\"" build/release/compile_commands.json || echo "$file"
done)
if [ -n "$compiled" ]; then
    printf '%s\n' "$compiled" |
        xargs -P "${JOBS:-$(nproc)}" -n 4 clang-tidy -p build/release --quiet --extra-arg=-UNDEBUG --extra-arg=-U_FORTIFY_SOURCE 2>&1 |
        grep -vE '^[0-9]+ warnings?( generated\.| treated as errors?)|^$' >build/release/tidy.log || true
fi
if [ -s build/release/tidy.log ]; then
    cat build/release/tidy.log
    status=1
fi
[ $status -eq 0 ] && echo "lint: no findings in $# files"
exit $status
