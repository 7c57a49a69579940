# strip.awk - C source without comments and without what strings hold, line by line, so that line numbers stay.
#
# With -v strings=keep the contents of strings stay. As a library for other awk programs: strip(line) -> code, to be
# called for every line of a file in order; strip_reset() before each file.
#
# SPDX-License-Identifier: Apache-2.0
function strip_reset()
{
    in_comment = 0
}

function strip(line,    out, c, quote, n, at)
{
    out = ""
    quote = ""
    n = length(line)
    for (at = 1; at <= n; at++) {
        c = substr(line, at, 1)
        if (in_comment) {
            if (c == "*" && substr(line, at + 1, 1) == "/") {
                in_comment = 0
                at++
                out = out " "
            }
        } else if (quote != "") {
            if (c == "\\") {
                if (strings == "keep")
                    out = out c substr(line, at + 1, 1)
                at++
            } else if (c == quote) {
                quote = ""
                out = out c
            } else if (strings == "keep") {
                out = out c
            }
        } else if (c == "/" && substr(line, at + 1, 1) == "*") {
            in_comment = 1
            at++
        } else if (c == "/" && substr(line, at + 1, 1) == "/") {
            break
        } else {
            if (c == "\"" || c == "'")
                quote = c
            out = out c
        }
    }
    return out
}
