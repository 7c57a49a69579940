#!/bin/sh
# headers.sh - each header compiles alone as C, and public ones as C++ too; guards have the name of the file.
#
# src/tensor/dtype.h has the guard LYC_TENSOR_DTYPE_H, include/lycoris/error.h the guard LYCORIS_ERROR_H. Headers that
# say "included several times" near their top have no guard and are left out. CC and CXX name the compilers.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

compile() { # COMPILER LANGUAGE HEADER FLAG...
    compiler=$1 language=$2 header=$3
    shift 3
    printf '#include "%s"\n' "${header#*/}" |
        $compiler -x "$language" -fsyntax-only -Wall -Wextra -Werror -Iinclude -Isrc "$@" - 2>"$log" ||
        echo "$header:0: does not compile alone as $language: $(grep -m 1 error "$log")"
}

check() {
    lint_files include src | grep '\.h$' | while read -r header; do
        head -n 15 "$header" | grep -q 'included several times' && continue
        guard=$(printf '%s' "${header#*/}" | sed 's|^lycoris/|LYCORIS/|; t; s|^|LYC/|' | tr 'a-z/.' 'A-Z__')
        grep -q "^#ifndef $guard\$" "$header" || echo "$header:0: no guard $guard"
        case $header in
        include/*)
            compile "${CC:-cc}" c "$header" -std=c11 -pedantic
            compile "${CXX:-c++}" c++ "$header" -std=c++11 -pedantic
            ;;
        src/image/vips.h)
            # shellcheck disable=SC2046 # flags
            compile "${CC:-cc}" c "$header" -std=gnu17 $(pkg-config --cflags vips | sed 's/-I/-isystem /g')
            ;;
        *) compile "${CC:-cc}" c "$header" -std=gnu17 ;;
        esac
    done
}

lint_main "$@"
