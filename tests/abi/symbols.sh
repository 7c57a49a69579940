#!/bin/sh
# symbols.sh BUILD_DIR [--update | --self-test] - the public symbols of the shared libraries against the lists here.
#
# A list <library>.symbols has the functions under LYCORIS_0, sorted. Whoever adds or removes one runs this with --update
# and says so in CHANGELOG.md. Everything else that is visible must be under LYCORIS_PRIVATE.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
build=$1
mode=${2:-}

# symbols LIBRARY VERSION : its defined symbols of this version.
symbols() {
    nm -D --defined-only --with-symbol-versions "$1" | awk -v at="@@$2" '$2 != "A" && index($3, at) { sub(/@.*/, "", $3); print $3 }' | sort
}

# compare LIBRARY LIST : the difference; nothing when they agree.
compare() {
    symbols "$1" LYCORIS_0 | diff "$2" - | sed -n "s/^</missing: /p; s/^>/not in the list: /p"
    nm -D --defined-only --with-symbol-versions "$1" | awk '$2 != "A" && $3 !~ /@@LYCORIS_(0|PRIVATE)$/ { print "no version: " $3 }'
}

if [ "$mode" = --self-test ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    printf 'int lyc_a(void) { return 1; }\nint lyc_b(void) { return 2; }\nint stray(void) { return 3; }\n' >"$work/x.c"
    printf 'LYCORIS_0 { global: lyc_a; lyc_b; };\n' >"$work/x.map"
    ${CC:-cc} -shared -fPIC -o "$work/libx.so" "$work/x.c" -Wl,--version-script="$work/x.map"
    printf 'lyc_b\nlyc_c\n' >"$work/x.symbols"
    want='not in the list:  lyc_a
missing:  lyc_c
no version: stray'
    got=$(compare "$work/libx.so" "$work/x.symbols")
    [ "$got" = "$want" ] || { printf 'expected:\n%s\ngot:\n%s\n' "$want" "$got"; exit 1; }
    exit 0
fi

status=0
for library in "$build"/liblycoris*.so; do
    list=$here/$(basename "$library" .so).symbols
    if [ "$mode" = --update ]; then
        symbols "$library" LYCORIS_0 >"$list"
        continue
    fi
    findings=$(compare "$library" "$list")
    if [ -n "$findings" ]; then
        printf '%s:\n%s\n(tests/abi/symbols.sh %s --update writes the list)\n' "$library" "$findings" "$build"
        status=1
    fi
done
exit $status
