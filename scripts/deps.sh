#!/bin/sh
# deps.sh GROUP... - installs the Debian packages of these groups of packages.txt that are missing.
#
# Says nothing when all are there. Needs root, or sudo; elsewhere than on Debian it leaves the matter to CMake, which
# names what it does not find.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
list=$(dirname "$0")/packages.txt

command -v dpkg-query >/dev/null || exit 0

wanted=$(for group in "$@"; do
    awk -v group="[$group]" '/^\[/ { here = $1 == group } here && /^[a-z0-9]/ { print $1 }' "$list"
done | sort -u)

# A package counts as there under its name or as something that another one provides (pkgconf for pkg-config).
present=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' | awk '$1 == "installed" {
    gsub(/,|\([^)]*\)/, " "); for (i = 2; i <= NF; i++) print $i }' | sort -u)
missing=$(printf '%s\n' "$wanted" | while read -r package; do
    printf '%s\n' "$present" | grep -qxF "$package" || printf ' %s' "$package"
done)
[ -n "$missing" ] || exit 0

become=
if [ "$(id -u)" -ne 0 ]; then
    become=sudo
    if ! command -v sudo >/dev/null; then
        echo "deps: these packages are missing; as root: apt-get install$missing" >&2
        exit 1
    fi
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
    # shellcheck disable=SC2086 # a list of words
    $become env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 --no-install-recommends install $missing
}
echo "deps: installing$missing"
if ! { $become apt-get -q update && install; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "deps: apt-get cannot install$missing (no network, or no rights?)" >&2
    exit 1
fi
