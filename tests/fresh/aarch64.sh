#!/bin/sh
# aarch64.sh - cross-compiles liblycoris and its tests for aarch64 and runs the tests in an emulator.
#
# Needs root, debootstrap, the network, and the packages gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user-static; not
# part of make check. The libraries of the target are unpacked into build/aarch64-root, which is kept.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")/../.."
root=$PWD/build/aarch64-root
lib=$root/usr/lib/aarch64-linux-gnu

if [ ! -e "$lib/libcmocka.so" ]; then
    mkdir -p "$root"
    debootstrap --arch=arm64 --foreign --variant=minbase \
        --include=libc6-dev,libgomp1,libgfortran5,libjansson-dev,liblapacke-dev,libopenblas-openmp-dev,libcmocka-dev \
        bookworm "$root" "${MIRROR:-http://deb.debian.org/debian}" >build/aarch64-root.log
    # Nothing is installed: no script of a package runs, so the links that alternatives would be are made here.
    for package in "$root"/var/cache/apt/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
    for library in libopenblas.so libopenblas.so.0; do ln -sf "openblas-openmp/$library" "$lib/$library"; done
    for library in libblas.so libblas.so.3 liblapack.so liblapack.so.3; do ln -sf openblas-openmp/libopenblas.so.0 "$lib/$library"; done
fi

cmake -G Ninja -S . -B build/aarch64 -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake -DCMAKE_SYSROOT="$root" \
    -DCMAKE_CROSSCOMPILING_EMULATOR="qemu-aarch64-static;-L;$root" -DLYCORIS_DIFFUSION=OFF -DCMAKE_BUILD_TYPE=Release \
    >build/aarch64.log || { tail build/aarch64.log; exit 1; }
cmake --build build/aarch64 -j "${JOBS:-$(nproc)}" -- --quiet
ctest --test-dir build/aarch64 -j "${JOBS:-$(nproc)}" -LE 'lint|install' --timeout 1200 --output-on-failure
