#!/usr/bin/env python3
"""torch_train.py - training steps of a U-Net in torch with LyCORIS and in lycoris, alternating in one run

    python3 torch_train.py BENCH_TRAIN FOLDER [--algo lora] [--rank 8] [--size 512] [--batch 1] [--precision bf16|f32]
                           [--native] [--rounds 3] [--threads N]

FOLDER is a checkpoint as diffusers has it (make_checkpoint sd15 FOLDER --folder). torch: the U-Net frozen in its type,
adapters of the preset attn-mlp in f32, autocast with bf16, AdamW, clipping at 1; --native trains all weights in f32. Each
round is one step in torch and one median of BENCH_TRAIN (the program of this project); printed are medians of seconds,
their ratio (below 1: lycoris is faster) and the peaks of memory. Needs torch, diffusers and lycoris-lora
(bench/peers/setup.sh makes a virtual environment).

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch


def adapters(unet, options):
    from lycoris import LycorisNetwork, create_lycoris

    LycorisNetwork.apply_preset({"target_module": ["Transformer2DModel"],
                                 "enable_conv": True})
    network = create_lycoris(unet, 1.0, linear_dim=options.rank, linear_alpha=options.rank, algo=options.algo)
    network.apply_to()
    network.train()
    return [p for p in network.parameters() if p.requires_grad]


def peer(options):
    from diffusers import UNet2DConditionModel

    bf16 = options.precision == "bf16"
    dtype = torch.bfloat16 if bf16 and not options.native else torch.float32
    unet = UNet2DConditionModel.from_pretrained(options.folder, subfolder="unet", torch_dtype=dtype)
    unet = unet.to(memory_format=torch.channels_last).train()
    unet.requires_grad_(options.native)
    params = list(unet.parameters()) if options.native else adapters(unet, options)
    optimizer = torch.optim.AdamW(params, lr=1e-4)
    n, side = options.batch, options.size // 8
    latents = torch.randn(n, 4, side, side).to(memory_format=torch.channels_last)
    noise, states, times = torch.randn(n, 4, side, side), torch.randn(n, 77, unet.config.cross_attention_dim), torch.full((n,), 500)

    def step():
        context = torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext()
        with context:
            prediction = unet(latents.to(dtype), times, encoder_hidden_states=states.to(dtype)).sample
        torch.nn.functional.mse_loss(prediction.float(), noise).backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step, sum(p.numel() for p in params)


def ours(options):
    command = [options.program, options.folder, "--algo", options.algo, "--rank", str(options.rank), "--size",
               str(options.size), "--batch", str(options.batch), "--precision", options.precision, "--runs", "1", "--tsv"]
    command += ["--native"] if options.native else []
    fields = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1].split("\t")
    return float(fields[1]), float(fields[2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--algo", default="lora")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--precision", default="bf16", choices=["f32", "bf16"])
    parser.add_argument("--native", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    step, count = peer(options)
    step()
    theirs, own, memory = [], [], 0.0
    for _ in range(options.rounds):
        start = time.perf_counter()
        step()
        theirs.append(time.perf_counter() - start)
        seconds, mib = ours(options)
        own.append(seconds)
        memory = max(memory, mib)
    a, b = statistics.median(theirs), statistics.median(own)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'native' if options.native else options.algo}: {count} numbers in torch; torch {a:.2f} s {peak:.0f} MiB, "
          f"lycoris {b:.2f} s {memory:.0f} MiB, ratio {b / a:.2f}")


if __name__ == "__main__":
    main()
