#!/usr/bin/env python3
"""Files that the reference library writes for random tensors and metadata.

    python3 make.py FOLDER COUNT SEED

Needs safetensors 0.8 (the files here: 0.8.0, `make.py . 24 1`). The test writes each file again from its tensors and
metadata and compares every byte. The library leaves the order of metadata keys to chance: a file is made again until its
keys are sorted, so they are few.

SPDX-License-Identifier: Apache-2.0
"""
import ctypes
import json
import os
import random
import struct
import sys

from safetensors import TensorSpec, serialize

WIDTHS = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
    "float16": 2, "float32": 4, "float64": 8, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e4m3fnuz": 1,
    "float8_e5m2": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1, "float4_e2m1fn_x2": 1, "complex64": 8,
}
LETTERS = ["a", "B", "z", "0", "_", ".", "/", '"', "\\", " ", "é", "ß", "漢", "😀", "\u2028", "\u200d", "\U0010ffff"]
CONTROLS = ["\n", "\t", "\r", "\b", "\f", "\x00", "\x01", "\x1f", "\x7f", "\x85"]


def text(rng, letters, longest):
    return "".join(rng.choice(letters) for _ in range(rng.randint(0, longest)))


def tensors(rng, keep):
    specs = {}
    for _ in range(rng.choice([0, 1, 2, 5, 30])):
        dtype = rng.choice(list(WIDTHS))
        shape = [rng.choice([0, 1, 1, 2, 3, 5]) for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4, 8]))]
        if dtype.endswith("_x2") and not shape:
            shape = [2]
        size = WIDTHS[dtype]
        for extent in shape:
            size *= extent
        data = ctypes.create_string_buffer(rng.randbytes(size), max(size, 1))
        keep.append(data)
        specs[text(rng, LETTERS, 12)] = TensorSpec(dtype=dtype, shape=shape, data_ptr=ctypes.addressof(data), data_len=size)
    return specs


def metadata(rng, has_tensors):
    count = rng.choice([None, 0, 1, 2, 3])
    if count is None or (count == 0 and not has_tensors):  # the library writes no JSON for nothing at all
        return None
    return {text(rng, LETTERS + CONTROLS, 6): text(rng, LETTERS + CONTROLS, 20) for _ in range(count)}


def is_sorted(file):
    (length,) = struct.unpack("<Q", file[:8])
    keys = [key.encode() for key in json.loads(file[8 : 8 + length]).get("__metadata__", {})]
    return keys == sorted(keys)


def main():
    folder, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    for i in range(count):
        keep = []
        specs = tensors(rng, keep)
        extra = metadata(rng, bool(specs))
        file = b""
        while not file or not is_sorted(file):
            file = bytes(serialize(specs, extra))
        with open(os.path.join(folder, f"reference_{i:04d}.safetensors"), "wb") as out:
            out.write(file)


main()
