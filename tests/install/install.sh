#!/bin/sh
# install.sh BUILD_DIR - installs, moves what was installed elsewhere, and builds examples/client against it by
# pkg-config and by CMake; both must run and print what they should. Also: every header, nothing internal, uninstall.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset DESTDIR

fail() {
    echo "install: $*" >&2
    exit 1
}

# What a distribution does: a prefix, below another root.
DESTDIR=$work/root cmake --install "$build" --prefix /opt/lycoris >"$work/log" || fail "$(cat "$work/log")"
mv "$work/root/opt/lycoris" "$work/moved"
[ -z "$(find "$work/root" -type f)" ] || fail "files outside of the prefix: $(find "$work/root" -type f)"

libdir=$(dirname "$(find "$work/moved" -name liblycoris.so)")
{ [ -L "$libdir/liblycoris.so" ] && [ -L "$libdir/liblycoris.so.0" ]; } || fail "liblycoris.so is not a chain of links"
(cd "$root/include" && find . -name '*.h' | sort) >"$work/want"
(cd "$work/moved/include" && find . -name '*.h' | sort) >"$work/got"
diff "$work/want" "$work/got" || fail "headers differ"

cd "$work"
expected=$root/examples/client/expected.txt
PKG_CONFIG_PATH=$libdir/pkgconfig
export PKG_CONFIG_PATH
# shellcheck disable=SC2046 # words
${CC:-cc} -o client "$root/examples/client/main.c" $(pkg-config --cflags --libs lycoris)
LD_LIBRARY_PATH=$libdir ./client | diff "$expected" - || fail "the client built with pkg-config fails"

cmake -S "$root/examples/client" -B by-cmake -Dlycoris_DIR="$libdir/cmake/lycoris" -DCMAKE_C_COMPILER="${CC:-cc}" >log 2>&1 ||
    fail "$(cat log)"
cmake --build by-cmake >log 2>&1 || fail "$(cat log)"
by-cmake/client | diff "$expected" - || fail "the client built with CMake fails"

if [ -f "$build/lycoris" ]; then
    [ "$("$work/moved/bin/lycoris" --version)" = "$("$build/lycoris" --version)" ] || fail "the moved program does not run"
    [ -n "$(find "$work/moved" -name 'lycoris.1*')" ] || fail "no manual page"
    for file in bash-completion/completions/lycoris zsh/site-functions/_lycoris fish/vendor_completions.d/lycoris.fish; do
        [ -s "$work/moved/share/$file" ] || fail "no share/$file"
    done
fi
echo "install: both clients run"
