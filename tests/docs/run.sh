#!/bin/sh
# run.sh [--update] BIN_DIR PAGE... - what the manual shows is what the program does.
#
# In a block that begins with ```console, a line `$ command` is run in the root of the source tree, and the lines up to
# the next command are what it prints, standard output and error together. A line `...` there stands for any lines. What
# is between `<!-- lycoris help --markdown COMMAND -->` and `<!-- end -->` is what that command prints. --update writes
# what was seen into the pages, but for commands whose output has a `...`.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
update=
[ "$1" != --update ] || { update=1; shift; }
PATH=$(cd "$1" && pwd):$PATH
shift
cd "$(dirname "$0")/../.."
LANG=C.UTF-8
TERM=dumb
export PATH LANG TERM
unset LC_ALL LC_CTYPE NO_COLOR COLUMNS TMPDIR LYCORIS_THREADS LYCORIS_ISA LYCORIS_LOG OMP_NUM_THREADS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The page with every output replaced by what was seen.
renew() {
    awk -v out="$work/output" '
        function close_command(    line, seen) {
            if (command == "")
                return
            system("{ " command "; } >" out " 2>&1")
            if (open_end)
                printf "%s", wanted
            while ((getline line < out) > 0)
                seen = seen line "\n"
            close(out)
            if (!open_end)
                printf "%s", seen
            else if (!matches(wanted, seen))
                printf "DIFFERS from what `%s` prints:\n%s", command, seen
            command = ""
        }
        # Lines with `...` for any number of lines.
        function matches(pattern, text,    p, t, n, m, i, j) {
            n = split(pattern, p, "\n") - 1
            m = split(text, t, "\n") - 1
            for (i = j = 1; i <= n; i++) {
                if (p[i] == "...") {
                    if (i == n)
                        return 1
                    while (j <= m && t[j] != p[i + 1])
                        j++
                } else if (j > m || t[j++] != p[i])
                    return 0
            }
            return j == m + 1
        }
        /^```console$/ { console = 1; print; next }
        console && /^```$/ { close_command(); console = 0; print; next }
        console && /^\$ / { close_command(); command = substr($0, 3); wanted = ""; open_end = 0; print; next }
        console && command != "" { wanted = wanted $0 "\n"; open_end = open_end || $0 == "..."; next }
        /^<!-- lycoris help .*-->$/ {
            print
            command = $0
            sub(/^<!-- /, "", command)
            sub(/ -->$/, "", command)
            print ""
            wanted = ""
            open_end = 0
            close_command()
            print ""
            table = 1
            next
        }
        table && /^<!-- end -->$/ { table = 0 }
        !table
        END { if (console || table) print "the last block has no end" }' "$1"
}

status=0
for page in "$@"; do
    renew "$page" >"$work/page"
    if ! cmp -s "$page" "$work/page"; then
        if [ -n "$update" ] && ! grep -q '^DIFFERS from' "$work/page"; then
            cp "$work/page" "$page"
        else
            diff -u "$page" "$work/page" || true
            status=1
        fi
    fi
done
exit $status
