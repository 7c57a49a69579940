#!/usr/bin/env python3
"""torch_models.py - the networks of a checkpoint in diffusers and in lycoris, alternating in one run

    python3 torch_models.py BENCH_MODELS FOLDER [--only NETWORK] [--precision f32|bf16|both] [--size 512] [--batch 2]
                            [--rounds 3] [--threads N]

FOLDER is a checkpoint as diffusers has it (make_checkpoint sd15 FOLDER --folder). For each network and precision: `rounds`
times the median of 3 runs in torch and in BENCH_MODELS (the program of this project), one after the other; the medians of
the rounds and their ratio (below 1: lycoris is faster). torch computes in inference mode and channels last, the U-Net with
keys and values of the text inside, since diffusers has no other way. Needs torch, diffusers and transformers
(bench/peers/setup.sh makes a virtual environment).

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import os
import statistics
import subprocess
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch


def load(folder, name, dtype):
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    if name == "unet":
        model = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=dtype)
    elif name.startswith("vae"):
        model = AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=dtype)
    elif name == "clip":
        model = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", torch_dtype=dtype)
    else:
        model = CLIPTextModelWithProjection.from_pretrained(folder, subfolder="text_encoder_2", torch_dtype=dtype)
    model = model.eval()
    return model if name.startswith("clip") else model.to(memory_format=torch.channels_last)


def work(name, model, dtype, options):
    side = options.size // 8
    if name == "unet":
        n, config = options.batch, model.config
        latents = torch.randn(n, config.in_channels, side, side, dtype=dtype).to(memory_format=torch.channels_last)
        states = torch.randn(n, options.tokens, config.cross_attention_dim, dtype=dtype)
        times = torch.full((n,), 500)
        added = None
        if config.addition_embed_type == "text_time":
            pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
            added = {"text_embeds": torch.randn(n, pooled, dtype=dtype), "time_ids": torch.full((n, 6), 512.0)}
        return lambda: model(latents, times, encoder_hidden_states=states, added_cond_kwargs=added).sample
    if name == "vae-encode":
        image = torch.randn(1, 3, options.size, options.size, dtype=dtype).to(memory_format=torch.channels_last)
        return lambda: model.encode(image).latent_dist.parameters
    if name == "vae-decode":
        latents = torch.randn(1, model.config.latent_channels, side, side, dtype=dtype)
        latents = latents.to(memory_format=torch.channels_last)
        return lambda: model.decode(latents).sample
    ids = torch.randint(0, 256, (1, 77))
    return lambda: model(ids).last_hidden_state


def seconds(call):
    with torch.inference_mode():
        call()
        times = []
        for _ in range(3):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def ours(options, name, precision):
    command = [options.program, options.folder, "--only", name, "--precision", precision, "--size", str(options.size),
               "--batch", str(options.batch), "--tokens", str(options.tokens), "--tsv"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return float(lines[-1].split("\t")[2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--only")
    parser.add_argument("--precision", default="both", choices=["f32", "bf16", "both"])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=77)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    names = ["unet", "vae-encode", "vae-decode", "clip"]
    if os.path.isdir(os.path.join(options.folder, "text_encoder_2")):
        names.append("clip-2")
    print(f"{'network':<12}{'precision':<10}{'torch ms':>10}{'lycoris ms':>12}{'ratio':>8}")
    for name in names:
        for precision, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
            if options.only not in (None, name) or options.precision not in (precision, "both"):
                continue
            model = load(options.folder, name, dtype)
            call = work(name, model, dtype, options)
            peer, own = [], []
            for _ in range(options.rounds):
                peer.append(seconds(call))
                own.append(ours(options, name, precision))
            a, b = statistics.median(peer), statistics.median(own)
            print(f"{name:<12}{precision:<10}{1e3 * a:>10.1f}{1e3 * b:>12.1f}{b / a:>8.2f}", flush=True)
            del model, call


if __name__ == "__main__":
    main()
