#!/bin/sh
# printing.sh - text that the program prints: each %s (and each text given to fputs and the like) must be an expression of
# printable.txt, so that names, metadata and captions from files pass by lyc_text_printable.
#
# Only src/cli prints; words.sh sees to that. It does not follow variables: their name says what they hold.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

check() {
    # shellcheck disable=SC2046 # names without spaces
    awk -v strings=keep -v table="$lint_dir/printable.txt" -f "$lint_dir/strip.awk" -f - "$lint_dir/printable.txt" \
        $(lint_files src/cli) <<'AWK'
    BEGIN {
        # The argument that is a format, or a text.
        format["printf"] = 1
        format["fprintf"] = 2
        text["puts"] = 1
        text["fputs"] = 1
        text["fwrite"] = 1
        text["lyc_text_wrap"] = 2
    }
    FNR == 1 { strip_reset(); call = "" }
    FILENAME == table {
        if ($0 !~ /^#/ && NF) {
            place[++n_allowed] = ($1 ~ /^src\/.*:$/) ? substr($1, 1, length($1) - 1) : ""
            sub(/^src\/[^ ]*: +/, "")
            allowed[n_allowed] = "^(" $0 ")$"
        }
        next
    }
    # Cuts the arguments of a call, from behind its parenthesis on, into arg[1..n]; 0 when the call goes on.
    function arguments(source,    i, c, depth, quoted, n)
    {
        n = 1
        split("", arg)
        arg[1] = ""
        depth = 0
        quoted = 0
        for (i = 1; i <= length(source); i++) {
            c = substr(source, i, 1)
            if (quoted && c == "\\") {
                arg[n] = arg[n] c substr(source, ++i, 1)
                continue
            }
            if (c == "\"")
                quoted = !quoted
            else if (!quoted && (c == "(" || c == "[" || c == "{"))
                depth++
            else if (!quoted && (c == ")" || c == "]" || c == "}") && depth-- == 0)
                return n
            else if (!quoted && c == "," && depth == 0) {
                n++
                arg[n] = ""
                continue
            }
            arg[n] = arg[n] c
        }
        return 0
    }
    function bare(argument)
    {
        gsub(/"([^"\\]|\\.)*"/, "\"\"", argument)
        gsub(/[ \t\n]+/, " ", argument)
        gsub(/^ | $/, "", argument)
        while (gsub(/"" ""/, "\"\"", argument))
            continue
        return argument
    }
    function is_printable(argument,    i)
    {
        argument = bare(argument)
        for (i = 1; i <= n_allowed; i++)
            if (index(FILENAME, place[i]) == 1 && argument ~ allowed[i])
                return 1
        return 0
    }
    # Reports each text argument of a call that is not printable.
    function examine(name, n,    at, rest, conversion)
    {
        if (name in text) {
            if (!is_printable(arg[text[name]]))
                report(name, arg[text[name]])
            return
        }
        at = format[name]
        rest = arg[at]
        if (bare(rest) !~ /^""/) {
            if (!is_printable(rest))
                report(name, rest)
            return
        }
        gsub(/%%/, "", rest)
        while (match(rest, /%[-+ #0]*(\*|[0-9]+)?(\.(\*|[0-9]*))?(hh|h|ll|l|z|j|t|L)?[a-zA-Z"]/)) {
            conversion = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            at += 1 + gsub(/\*/, "", conversion)
            if (conversion ~ /s$/ && !is_printable(arg[at]))
                report(name, arg[at])
        }
    }
    function report(name, argument) { print FILENAME ":" line ": " name " prints " bare(argument) " as it is" }
    {
        code = strip($0)
        if (call != "") {
            source = source "\n" code
        } else if (match(code, /(^|[^A-Za-z0-9_])(printf|fprintf|puts|fputs|fwrite|lyc_text_wrap)\(/) &&
                   code !~ /^(static |void |int |const )/) {
            call = substr(code, RSTART, RLENGTH - 1)
            sub(/^[^A-Za-z_]/, "", call)
            source = substr(code, RSTART + RLENGTH)
            line = FNR
        }
        if (call != "" && (n = arguments(source))) {
            examine(call, n)
            call = ""
        }
    }
AWK
}

lint_main "$@"
