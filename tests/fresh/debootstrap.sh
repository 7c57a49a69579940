#!/bin/sh
# debootstrap.sh [TARGET...] - make TARGET (demo and check by default) from a fresh clone on a bare Debian 12.
#
# Makes a minimal root of bookworm with `make` and nothing else, puts a clone of the committed tree into it, and runs the
# targets inside as root. Needs root, debootstrap and the network; not part of make check. ROOT keeps the root for
# another run, MIRROR names another mirror.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")/../.."
mirror=${MIRROR:-http://deb.debian.org/debian}
root=${ROOT:-$(mktemp -d)}
mounted=
finish() {
    for at in $mounted; do umount "$root/$at"; done
    [ -n "${ROOT:-}" ] || rm -rf --one-file-system "$root" "$root.log"
}
trap finish EXIT
[ $# -gt 0 ] || set -- demo check

start=$(date +%s)
passed() { echo "== $1: $(($(date +%s) - start)) s"; start=$(date +%s); }

if [ ! -f "$root/etc/debian_version" ]; then
    debootstrap --variant=minbase --include=make bookworm "$root" "$mirror" >"$root.log" || { tail "$root.log"; exit 1; }
    passed "bare Debian $(cat "$root/etc/debian_version") with $(grep -c ^Package: "$root/var/lib/dpkg/status") packages"
fi
for at in proc dev; do
    mount --bind "/$at" "$root/$at"
    mounted="$at $mounted"
done
cp /etc/resolv.conf /etc/hosts "$root/etc/"

rm -rf "$root/src"
git clone -q --no-hardlinks . "$root/src"
for target in "$@"; do
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ make -C /src "$target"
    passed "make $target"
done
