#!/bin/sh
# state.sh BUILD_DIR [--self-test] - the libraries have no mutable globals but those of state.txt.
#
# Looks at the sections .data, .bss, .tdata and .tbss of the objects, so that static variables in functions count too.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
LC_ALL=C
export LC_ALL
list=$(cd "$(dirname "$0")" && pwd)/state.txt

# variables ARCHIVE... : `file: name` of each mutable object.
variables() {
    objdump -t "$@" | awk '
        / file format / { file = $1; sub(/:$/, "", file); sub(/\.(cpp|c)\.o$/, "", file) }
        / \.(data|bss|tdata|tbss)(\.rel(\.local)?)?\t/ && $0 !~ / d / {
            name = $NF
            sub(/\.[0-9]+$/, "", name)
            if (name !~ /^\./)
                print file ": " name
        }' | grep -v ': __' | sort -u
}

if [ "${2:-}" = --self-test ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cat >"$work/x.c" <<'C'
static const int table[] = { 1, 2 };
const char *const names[] = { "a", "b" };
static int calls;
__thread int depth;
const char *greeting = "hello";
int f(int i) { static int last = 3; last += i; return calls++ + last + table[i] + depth; }
C
    ${CC:-cc} -c -fPIC -o "$work/x.c.o" "$work/x.c"
    ar rc "$work/libx.a" "$work/x.c.o"
    want='x: calls
x: depth
x: greeting
x: last'
    got=$(variables "$work/libx.a")
    [ "$got" = "$want" ] || { printf 'expected:\n%s\ngot:\n%s\n' "$want" "$got"; exit 1; }
    exit 0
fi

found=$(for archive in "$1"/liblycoris*_static.a; do variables "$archive"; done | sort -u |
    { grep -vxF "$(sed '/^#/d; s/ *|.*//' "$list")" || true; })
[ -z "$found" ] || { printf '%s\n(mutable state; tests/abi/state.txt has the exceptions)\n' "$found"; exit 1; }
