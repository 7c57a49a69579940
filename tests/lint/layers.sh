#!/bin/sh
# layers.sh - includes against the order of rooms (tests/layers.txt), system headers in rooms that must not have them,
# includes of files that do not exist, and circles of files.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Prints the findings; with -v edges=FILE writes the edges of the include graph there.
check_order() {
    # shellcheck disable=SC2046 # names without spaces
    awk -v strings=keep -v edges="$1" -f "$lint_dir/strip.awk" -f - tests/layers.txt $(lint_files include src) <<'AWK'
    function room_of(path,    name, best)
    {
        best = ""
        for (name in rank)
            if (index(path, name) == 1 && length(name) > length(best))
                best = name
        return best
    }
    function exists(path,    line, status)
    {
        status = (getline line < path)
        close(path)
        return status >= 0
    }
    # Does the header match the pattern, in which * stands for any text?
    function matches(header, pattern,    star)
    {
        star = index(pattern, "*")
        if (!star)
            return header == pattern
        return index(header, substr(pattern, 1, star - 1)) == 1 &&
               substr(header, length(header) - length(pattern) + star + 1) == substr(pattern, star + 1)
    }
    function report(text) { print FILENAME ":" FNR ": " text }
    FNR == 1 { strip_reset() }
    FILENAME == "tests/layers.txt" {
        sub(/#.*/, "")
        if ($1 ~ /^</) {
            patterns[++n_patterns] = $1
            allowed[n_patterns] = $0
        } else if (NF) {
            name = $1
            narrow = sub(/:$/, "", name)
            rank[name] = ++n_rooms
            if (narrow) {
                $1 = ""
                only[name] = $0 " "
            }
        }
        next
    }
    FNR == 1 {
        room = room_of(FILENAME)
        if (room == "")
            report("in no room of tests/layers.txt")
    }
    {
        code = strip($0)
        if (room == "" || code !~ /^[ \t]*#[ \t]*include[ \t]/)
            next
        header = code
        sub(/^[ \t]*#[ \t]*include[ \t]+/, "", header)
        sub(/[ \t]+$/, "", header)
        if (header ~ /^</) {
            for (i = 1; i <= n_patterns; i++)
                if (matches(header, patterns[i]) && index(allowed[i] " ", " " room " ") == 0)
                    report(header " is for" substr(allowed[i], length(patterns[i]) + 1) " alone")
            next
        }
        gsub(/"/, "", header)
        target = (header ~ /^lycoris\//) ? "include/" header : "src/" header
        target_room = room_of(target)
        if (!exists(target)) {
            report("no file " target)
            next
        }
        print FILENAME, target > edges
        if (target_room == room || (target_room == "include/lycoris" && room != "include/lycoris"))
            next
        if (room in only ? index(only[room], " " target_room " ") == 0 : rank[target_room] > rank[room])
            report(room " must not include " target_room " (" target ")")
    }
AWK
}

check() {
    edges=$(mktemp)
    check_order "$edges"
    # tsort names the members of each circle after a line that says so.
    tsort "$edges" 2>&1 >/dev/null | sed -n 's/^tsort: \(.*\.[ch]\)$/\1:0: in a circle of includes/p'
    rm -f "$edges"
}

lint_main "$@"
