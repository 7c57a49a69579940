#!/bin/sh
# run.sh [--update] BIN_DIR CASE... - runs command-line cases and compares what they print.
#
# A case is a file tests/cli/<command>/<case>.cmd, a shell script, and beside it what is expected:
#   .stdout.exact   standard output, byte for byte; or .stdout.glob: line by line, as patterns of the shell
#   .stderr.exact   standard error, or .stderr.glob
#   .status         the exit status
# Nothing is expected to be empty, and status 0, where a file is missing. The script runs in an empty folder with `lycoris`
# and `pty` (see pty.c) in PATH, the source tree in $src, LANG=C.UTF-8, TERM=xterm and no other setting that the program
# looks at. --update writes what was seen over the .exact and .status files (git shows the difference); where there is a
# .glob it only says whether that still matches. BIN_DIR is the folder with the programs. Where there are no pseudo
# terminals (a container without /dev/pts), cases that need one are skipped: exit status 77.
#
# SPDX-License-Identifier: Apache-2.0
set -u
update=
[ "$1" != --update ] || { update=1; shift; }
bin=$(cd "$1" && pwd)
shift
src=$(cd "$(dirname "$0")/../.." && pwd)
export src
PATH=$bin:$PATH
LANG=C.UTF-8
TERM=xterm
export PATH LANG TERM
unset LC_ALL LC_CTYPE NO_COLOR COLUMNS TMPDIR LYCORIS_THREADS LYCORIS_ISA LYCORIS_LOG OMP_NUM_THREADS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# same_lines PATTERNS FILE: each line of FILE matches the pattern on the same line. A pattern `...` stands for any number
# of lines.
same_lines() {
    awk -v patterns="$1" '
        # Shell pattern to regular expression: * and ? are special, the rest stands for itself.
        function regex(pattern,    i, c, out) {
            out = "^"
            for (i = 1; i <= length(pattern); i++) {
                c = substr(pattern, i, 1)
                out = out (c == "*" ? ".*" : c == "?" ? "." : c ~ /[][\\.^$+(){}|\/]/ ? "\\" c : c)
            }
            return out "$"
        }
        BEGIN { while ((getline line < patterns) > 0) want[++n] = line; at = 1 }
        {
            if (want[at] == "...") {
                if (at == n || $0 !~ regex(want[at + 1])) next
                at++
            }
            if (at > n || $0 !~ regex(want[at])) { bad = 1; exit }
            at++
        }
        END { if (at <= n && want[at] == "...") at++; exit bad || at <= n }' "$2"
}

# compare BASE STREAM FILE: says what differs; status 1 when something does.
compare() {
    exact=$1.$2.exact glob=$1.$2.glob
    if [ -f "$glob" ]; then
        same_lines "$glob" "$3" && return 0
        echo "$1: $2 does not match $(basename "$glob"); it was:"
        cat "$3"
        return 1
    fi
    if [ -n "$update" ]; then
        if [ -s "$3" ]; then cp "$3" "$exact"; else rm -f "$exact"; fi
        return 0
    fi
    [ -f "$exact" ] || exact=/dev/null
    diff -u "$exact" "$3"
}

failed=0
skipped=0
for case in "$@"; do
    base=${case%.cmd}
    script=$(cd "$(dirname "$case")" && pwd)/$(basename "$case")
    base=${script%.cmd}
    if grep -qE '(^|[ |(])pty ' "$script" && ! pty true >/dev/null 2>&1; then
        echo "SKIP $case: no pseudo terminal here"
        skipped=$((skipped + 1))
        continue
    fi
    mkdir "$work/cwd"
    (cd "$work/cwd" && sh "$script" >"$work/stdout" 2>"$work/stderr" </dev/null)
    status=$?
    rm -rf "$work/cwd"
    ok=1
    compare "$base" stdout "$work/stdout" || ok=
    compare "$base" stderr "$work/stderr" || ok=
    want=0
    [ ! -f "$base.status" ] || want=$(cat "$base.status")
    if [ -n "$update" ]; then
        if [ $status -ne 0 ]; then echo $status >"$base.status"; else rm -f "$base.status"; fi
    elif [ "$status" -ne "$want" ]; then
        echo "$base: exit status $status, expected $want; standard error was:"
        cat "$work/stderr"
        ok=
    fi
    if [ -z "$ok" ]; then
        echo "FAIL $case"
        failed=$((failed + 1))
    fi
done
[ $failed -eq 0 ] || exit 1
[ $skipped -eq 0 ] || exit 77
