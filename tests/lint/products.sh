#!/bin/sh
# products.sh - products of sizes that pass by base/size.h, in the files of parsers.txt.
#
# A finding is a multiplication of which not both sides are constants: `a * b`, `a *= b`. Where the sizes were bounded
# before, a comment on the line or the one above says how: /* fits: at most 8 dimensions of 2 digits */
# It relies on clang-format, which puts blanks round the operator and none behind the star of a pointer.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

check() {
    files=$(lint_files src | while read -r file; do
        grep -v '^#' "$lint_dir/parsers.txt" | while read -r prefix; do
            case $prefix$file in "$prefix$prefix"*) echo "$file" ;; esac
        done
    done)
    [ -n "$files" ] || return 0
    # shellcheck disable=SC2086 # names without spaces
    awk -f "$lint_dir/strip.awk" -f - $files <<'AWK'
    FNR == 1 { strip_reset(); before = "" }
    function constant(word) { return word ~ /^([0-9][0-9A-Fa-fxXuUlL]*|[A-Z][A-Z0-9_]*|sizeof\([^()]*\))$/ }
    {
        code = strip($0)
        excused = ($0 ~ /\/\* fits: [^ *]/ || before ~ /\/\* fits: [^ *]/)
        before = $0
        while (!excused && match(code, / \*=? /)) {
            left = substr(code, 1, RSTART - 1)
            right = substr(code, RSTART + RLENGTH)
            assigned = (RLENGTH == 4)
            code = right
            # The operand next to the operator: a word, with a pair of parentheses behind or round it.
            match(left, /[A-Za-z0-9_]*(\([^()]*\))?$/)
            left = substr(left, RSTART, RLENGTH)
            match(right, /^[A-Za-z0-9_]*(\([^()]*\))?/)
            right = substr(right, 1, RLENGTH)
            if (assigned || !constant(left) || !constant(right))
                print FILENAME ":" FNR ": product of sizes; use base/size.h, or say why it fits"
        }
    }
AWK
}

lint_main "$@"
