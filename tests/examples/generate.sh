#!/bin/sh
# generate.sh PROGRAM - runs examples/generate with a small model: what it prints, and the picture that it writes.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" tests/conformance/models/tiny_sd15 "$work/fox.png" "a red fox in the snow" | diff examples/generate/expected.txt -
[ "$(head -c 8 "$work/fox.png" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]
if "$1" tests/conformance/models/none "$work/none.png" fox 2>"$work/error"; then
    echo "a model that is not there was opened"
    exit 1
fi
grep -q "tests/conformance/models/none" "$work/error"
[ ! -e "$work/none.png" ]
