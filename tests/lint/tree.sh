#!/bin/sh
# tree.sh - every source, script and build file has its SPDX line; no file names a place of somebody's machine or carries
# a conflict mark; each room has a README.md; C files are indented with blanks.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# What is in the project: everything but build folders and what git or the checks keep for themselves.
tree_files() {
    find . \( -path './.git' -o -path './build' -o -name 'build-*' -o -path './demo' -o -path ./tests/lint/seeded \) \
        -prune -o -type f -print | sed 's|^\./||' | sort
}

check() {
    tree_files | grep -E '\.(c|h|cpp|def|sh|py|awk|cmake|in)$|(^|/)(CMakeLists\.txt|Makefile|\.clang-(format|tidy))$|^\.ci/' |
        grep -vE '\.(pc|1)\.in$' | tr '\n' '\0' | xargs -0 -r grep -L 'SPDX-License-Identifier: Apache-2.0' | sed 's/$/:0: no SPDX line/'

    # The brackets keep this line from finding itself.
    tree_files | tr '\n' '\0' |
        xargs -0 -r grep -anE '(^|[^A-Za-z0-9_}$.-])[/](home/[a-z0-9]|Users/[A-Z]|work/[a-z]|root/[a-z.]|tmp/[a-z0-9]+/)' |
        cut -c 1-200 | sed 's/$/ (a place of one machine)/'
    tree_files | tr '\n' '\0' | xargs -0 -r grep -InE '^(<{7}|>{7}) ' | sed 's/$/ (conflict mark)/'
    tree_files | grep -E '\.(c|h|cpp|def)$' | tr '\n' '\0' | xargs -0 -r grep -n "$(printf '\t')" |
        sed 's/^\([^:]*:[0-9]*\):.*/\1: a tab/'

    find src -mindepth 1 -type d | while read -r room; do
        if ls "$room"/*.c >/dev/null 2>&1 && [ ! -f "$room/README.md" ] && [ ! -f "$(dirname "$room")/README.md" ]; then
            echo "$(find "$room" -name '*.c' | sort | head -n 1):0: its room has no README.md"
        fi
    done
}

lint_main "$@"
