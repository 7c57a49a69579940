#!/usr/bin/env python3
"""Makes adapter.safetensors, a small LoRA of the first block of Stable Diffusion 1.5's U-Net, and embedding.safetensors,
an embedding of two vectors for its text encoder. Needs the standard library.

The numbers are not trained: lora_down is noise from a fixed generator, lora_up a smooth function of the index, so that the
file has every part of a real one (names, fp16 tensors, alpha, metadata) and nobody's pictures in it.

SPDX-License-Identifier: Apache-2.0
"""
import json
import math
import struct

RANK, ALPHA = 4, 2.0


def noise(count, state=20240101):
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 40) / 2**24 * 2 - 1


def half(values):
    return b"".join(struct.pack("<e", v) for v in values)


tensors = {}
for attention in range(2):
    block = f"lora_unet_down_blocks_0_attentions_{attention}_transformer_blocks_0"
    for part, features in (("attn1", 320), ("attn2", 768)):
        for name in ("to_q", "to_k", "to_v", "to_out_0"):
            n_in = features if name in ("to_k", "to_v") else 320
            layer = f"{block}_{part}_{name}"
            tensors[layer + ".alpha"] = ([], half([ALPHA]))
            tensors[layer + ".lora_down.weight"] = ([RANK, n_in], half(v / 16 for v in noise(RANK * n_in, len(tensors))))
            tensors[layer + ".lora_up.weight"] = (
                [320, RANK], half(0.01 * math.sin(0.1 * i + attention) for i in range(320 * RANK)))

metadata = dict(sorted({
    "ss_network_module": "networks.lora", "ss_network_dim": str(RANK), "ss_network_alpha": str(ALPHA),
    "ss_base_model_version": "sd_v1", "ss_training_comment": "an example that was made, not trained",
    "modelspec.sai_model_spec": "1.0.1", "modelspec.architecture": "stable-diffusion-v1/lora",
    "modelspec.title": "example",
}.items()))


def write(name, tensors, metadata):
    header = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for key in sorted(tensors):
        shape, data = tensors[key]
        header[key] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(__file__.replace("make.py", name), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(tensors[key][1] for key in sorted(tensors)))


write("adapter.safetensors", tensors, metadata)
write("embedding.safetensors", {"emb_params": ([2, 768], half(v / 64 for v in noise(2 * 768, 7)))}, None)
