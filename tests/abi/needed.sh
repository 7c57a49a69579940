#!/bin/sh
# needed.sh BUILD_DIR [--self-test] - the libraries that ours need are those of needed.txt; liblycoris has no C++.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
list=$(cd "$(dirname "$0")" && pwd)/needed.txt

# findings FILE NAME : what FILE needs beyond the lines of NAME.
findings() {
    allowed=$(awk -v name="$2" '$1 == name { $1 = ""; print }' "$list")
    readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r needed; do
        set -f
        for pattern in $allowed; do
            # shellcheck disable=SC2254 # a pattern is meant
            case $needed in $pattern) continue 2 ;; esac
        done
        echo "$2 needs $needed"
    done
    [ "$2" != liblycoris.so ] || nm -D "$1" | sed -n 's/.* \(_Z.*\)/liblycoris.so has the C++ symbol \1/p'
}

if [ "${2:-}" = --self-test ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    printf 'namespace a { int b() { return 1; } }\n' >"$work/x.cpp"
    ${CXX:-c++} -shared -fPIC -o "$work/x.so" "$work/x.cpp" -Wl,--no-as-needed -lstdc++
    got=$(findings "$work/x.so" liblycoris.so | sort)
    for want in 'needs libstdc++' 'C++ symbol _ZN1a1bEv'; do
        case $got in *"$want"*) ;; *) printf 'not found: %s\ngot:\n%s\n' "$want" "$got"; exit 1 ;; esac
    done
    exit 0
fi

found=$(for file in "$1"/liblycoris*.so "$1"/lycoris; do
    [ ! -f "$file" ] || findings "$file" "$(basename "$file")"
done)
[ -z "$found" ] || { printf '%s\n' "$found"; exit 1; }
