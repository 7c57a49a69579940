#!/bin/sh
# environment.sh - each variable of the environment whose name begins with LYCORIS_ and that the code mentions is explained
# in the table of src/cli/manual.c, which `lycoris help` and the manual pages show; and what that explains is mentioned.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"
page=src/cli/manual.c

check() {
    lint_files src | while read -r file; do
        awk -v strings=keep -f "$lint_dir/strip.awk" -f - "$file" <<'AWK'
        { code = strip($0) }
        match(code, /"LYCORIS_[A-Z_]+"/) { print FILENAME ":" FNR ":" substr(code, RSTART + 1, RLENGTH - 2) }
AWK
    done | awk -F : -v page="$page" '
        { place[$3] = $1 ":" $2 }
        $1 == page { explained[$3] = 1 }
        $1 != page { mentioned[$3] = 1 }
        END {
            for (name in place) {
                if (!explained[name])
                    print place[name] ": " name " is not explained in " page
                if (!mentioned[name])
                    print place[name] ": nothing reads " name
            }
        }'
}

lint_main "$@"
