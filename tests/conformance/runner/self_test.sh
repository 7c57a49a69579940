#!/bin/sh
# self_test.sh CONFORMANCE - the runner finds what is wrong: a changed bit, a wrong order, a missing file, a broken
# cases.json; it recognises cases by their members in folders of any name, and skips what it does not know by name.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
runner=$1
data=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# expect STATUS PATTERN... : the runner over $work/set ends with the status and prints a line like each pattern.
expect() {
    want=$1
    shift
    status=0
    "$runner" "$work/set" >"$work/out" 2>&1 || status=$?
    for pattern in "$@"; do
        grep -qE "$pattern" "$work/out" || { echo "no line like '$pattern' in:"; cat "$work/out"; exit 1; }
    done
    [ $status -eq "$want" ] || { echo "exit status $status, expected $want:"; cat "$work/out"; exit 1; }
    rm -rf "$work/set"
}

# flip FILE : changes the last byte of a file but eight.
flip() {
    printf '\125' | dd of="$1" bs=1 seek=$(($(wc -c <"$1") - 8)) conv=notrunc 2>/dev/null
}

fresh() { mkdir -p "$work/set"; for kind in "$@"; do cp -r "$data/$kind" "$work/set/a_$kind"; done; }

fresh number_types diffusion damaged
expect 0 '^pass a_number_types/conversions: ' '^pass a_diffusion/torch_cpu_random: ' '^pass a_damaged/gap: ' '^skip not to be matched: 2$' '^[0-9]+ passed, 0 failed, 2 skipped$'

fresh number_types
flip "$work/set/a_number_types/conversions.safetensors"
expect 1 '^FAIL a_number_types/conversions: .*\[[0-9]*\] is .*, expected .* bit for bit; 1 wrong of ' '^0 passed, 1 failed, 0 skipped$'

fresh diffusion
flip "$work/set/a_diffusion/torch_cpu_random.safetensors"
expect 1 '^FAIL a_diffusion/torch_cpu_random: .* is .*, expected ' '^[0-9]+ passed, 1 failed, 2 skipped$'

fresh damaged
cp "$data/damaged/ok_scalar.safetensors" "$work/set/a_damaged/gap.safetensors"
cp "$data/damaged/gap.safetensors" "$work/set/a_damaged/ok_scalar.safetensors"
expect 1 '^FAIL a_damaged/gap: accepted, expected to be refused' '^FAIL a_damaged/ok_scalar: refused \(.*gap.*\), expected to be accepted'

fresh number_types
rm "$work/set/a_number_types/conversions.safetensors"
sed 's/"case"/"kind": "number_types", "case"/' "$data/number_types/cases.json" >"$work/set/a_number_types/cases.json"
expect 1 '^FAIL a_number_types/conversions: cannot open .*conversions.safetensors'

mkdir -p "$work/set/broken" "$work/set/none" "$work/set/later"
echo '{"cases": [' >"$work/set/broken/cases.json"
echo '{"cases": {}}' >"$work/set/none/cases.json"
echo '{"cases": [{"case": "a"}, {"case": "b", "kind": "of_tomorrow"}, {"case": "c", "upstream_error": "x"}, {"to_match": false}]}' \
    >"$work/set/later/cases.json"
expect 1 '^FAIL broken/cases.json: line ' '^FAIL none/cases.json: no array "cases"' '^skip later: 1$' '^skip of_tomorrow: 1$' \
    '^skip not to be matched: 2$' '^0 passed, 2 failed, 4 skipped$'

mkdir -p "$work/set/empty"
expect 1 '^0 passed, 0 failed, 0 skipped$'
echo "the runner finds every fault"
