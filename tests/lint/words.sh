#!/bin/sh
# words.sh - calls that a room must not make, by the table words.txt.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

check() {
    # shellcheck disable=SC2046 # names without spaces
    awk -F '|' -v table="$lint_dir/words.txt" -f "$lint_dir/strip.awk" -f - "$lint_dir/words.txt" $(lint_files src) <<'AWK'
    FNR == 1 { strip_reset() }
    FILENAME == table {
        if ($0 ~ /^[a-zA-Z_]/) {
            gsub(/^ +| +$/, "", $1)
            gsub(/ +/, "|", $1)
            gsub(/\*/, "[A-Za-z0-9_]*", $1)
            gsub(/^ +| +$/, "", $2)
            gsub(/^ +| +$/, "", $3)
            pattern[++n] = "(^|[^A-Za-z0-9_.>])(" $1 ")($|[^A-Za-z0-9_])"
            n_places[n] = split($2, places, / +/)
            for (i = 1; i <= n_places[n]; i++)
                place[n, i] = places[i]
            advice[n] = $3
        }
        next
    }
    function may(rule,    i)
    {
        for (i = 1; i <= n_places[rule]; i++)
            if (index(FILENAME, place[rule, i]) == 1)
                return 1
        return 0
    }
    # A name counts as a call, or as one of the streams; a member or variable of that name does not.
    function look(rule, code,    word, rest)
    {
        while (match(code, pattern[rule])) {
            word = substr(code, RSTART, RLENGTH)
            rest = substr(code, RSTART + RLENGTH - 1)
            gsub(/[^A-Za-z0-9_]/, "", word)
            if (rest ~ /^[ \t]*\(/ || word ~ /^std(out|err)$/)
                print FILENAME ":" FNR ": " word ": " advice[rule]
            code = substr(code, RSTART + RLENGTH)
        }
    }
    {
        code = strip($0)
        if (code ~ /^[ \t]*#[ \t]*include/)
            next
        for (rule = 1; rule <= n; rule++)
            if (!may(rule))
                look(rule, code)
    }
AWK
}

lint_main "$@"
