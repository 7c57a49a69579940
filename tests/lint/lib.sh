# shellcheck shell=sh
# lib.sh - what the checks of the source tree share.
#
# A check defines `check`, which runs in the root of a tree and prints its findings, one a line, as `file:line: text`
# (line 0 where the whole file is meant), and ends with `lint_main "$@"`:
#   check.sh              the project; exit status 1 when there is a finding
#   check.sh --self-test  the tree tests/lint/seeded/<check>, in which each line with the word SEEDED is a fault: these
#                         lines and no others must be found. A file named *seeded* is itself the fault (line 0).
#
# SPDX-License-Identifier: Apache-2.0
set -eu
LC_ALL=C
export LC_ALL
lint_dir=$(cd "$(dirname "$0")" && pwd)
lint_name=$(basename "$0" .sh)
lint_root=$(cd "$lint_dir/../.." && pwd)

# lint_files DIR... : the C sources of these folders, those that exist.
lint_files() {
    for dir in "$@"; do
        [ ! -d "$dir" ] || find "$dir" -name '*.[ch]' -o -name '*.def' -o -name '*.cpp'
    done | grep -v '^tests/lint/seeded/' | sort
}

lint_self_test() {
    cd "$lint_dir/seeded/$lint_name"
    want=$({ grep -rnE '(^|[^_])SEEDED' . || true; find . -type f -name '*seeded*' | sed 's/$/:0:/'; } |
        sed 's|^\./||; s/^\([^:]*:[0-9]*\):.*/\1/' | sort)
    got=$( (check || true) | sed 's/^\([^:]*:[0-9]*\):.*/\1/' | sort -u)
    if [ -z "$want" ] || [ "$want" != "$got" ]; then
        printf '%s: seeded faults:\n%s\nfound:\n%s\n' "$lint_name" "$want" "$got"
        exit 1
    fi
    echo "$lint_name: $(printf '%s\n' "$want" | grep -c .) seeded faults found, and nothing else"
}

lint_main() {
    if [ "${1:-}" = --self-test ]; then
        lint_self_test
        return
    fi
    cd "$lint_root"
    findings=$(check)
    if [ -n "$findings" ]; then
        printf '%s\n' "$findings"
        exit 1
    fi
}
