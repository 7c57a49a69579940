"""Adapters that this program trains, used by diffusers: the same pictures as this program makes with them.

    trained.py LYCORIS MODEL

LYCORIS: the program; MODEL: a small diffusers folder of SD 1.5. For each algorithm a few steps are trained at a rate that
changes pictures a lot (the U-Net alone: LyCORIS 4.1.3 finds no layer in the text encoders of transformers 5); the file is then used by `lycoris generate` and by diffusers, where LyCORIS (for LoRA diffusers
itself, too) merges it into the model, with the same noise and sampler.

SPDX-License-Identifier: Apache-2.0
"""
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

warnings.filterwarnings("ignore")
PROMPT, SEED, STEPS, SIDE = "a red square", 7, 5, 64
FARTHEST = 3  # of 255: sums in another order
# LyCORIS 4.1.3 refuses any U-Net of SD 1.5: these classes of other families also match its time embedding.
OTHER_FAMILIES = {"FinalLayer", "Block", "PatchEmbed", "TimestepEmbedding"}
# LyCORIS 4.1.3 raises a TypeError when it reads such files, its own among them.
UNREADABLE = {"ia3"}
CASES = [
    ("lora", 0.01, []), ("lora", 0.01, ["dora_wd=True"]), ("lora", 0.01, ["use_tucker=True", "conv_dim=2"]),
    ("loha", 0.03, []), ("lokr", 0.01, ["factor=4"]), ("ia3", 0.03, []), ("full", 0.002, []),
    ("diag-oft", 0.01, []), ("boft", 0.01, []), ("glora", 0.01, []), ("dylora", 0.01, ["block_size=1"]),
]


def make_pictures(folder):
    for number, colour in enumerate([(250, 30, 20), (30, 90, 240), (20, 200, 60), (240, 220, 40)]):
        image = np.full((SIDE, SIDE, 3), 40 * number, np.uint8)
        image[16:48, 16:48] = colour
        Image.fromarray(image).save(f"{folder}/{number}.png")


def train(program, model, folder, algorithm, rate, arguments):
    name = "-".join([algorithm] + arguments).replace("=", "")
    subprocess.run(
        [program, "train", "-q", "--network_train_unet_only", "-m", model, "--image_dir", folder, "--class_tokens", PROMPT, "--resolution", str(SIDE),
         "--network_args", f"algo={algorithm}", "preset=full", *arguments, "--network_dim", "4", "--network_alpha", "4",
         "--learning_rate", str(rate), "--max_train_steps", "6", "--train_batch_size", "2", "--seed", "1",
         "--output_dir", folder, "--output_name", name],
        check=True, stdout=subprocess.DEVNULL)
    return f"{folder}/{name}.safetensors"


def ours(program, model, folder, adapter):
    out = f"{folder}/ours.png"
    adapters = ["--adapter", adapter] if adapter else []
    subprocess.run(
        [program, "generate", "-q", "-m", model, "-p", PROMPT, "-s", str(SEED), "--steps", str(STEPS), "-W", str(SIDE), "-H",
         str(SIDE), "--precision", "f32", "--sampler", "ddim", "--prompt-style", "plain", "-o", out, "--force", *adapters],
        check=True, stdout=subprocess.DEVNULL)
    return np.asarray(Image.open(out).convert("RGB")).astype(int)


def open_pipeline(model):
    pipeline = StableDiffusionPipeline.from_pretrained(model, torch_dtype=torch.float32, safety_checker=None)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def picture(pipeline):
    made = pipeline(PROMPT, width=SIDE, height=SIDE, num_inference_steps=STEPS, guidance_scale=7.5, output_type="np",
                    generator=torch.Generator().manual_seed(SEED))
    return np.rint(made.images[0] * 255).astype(int)


def with_lycoris(model, adapter):
    from lycoris.kohya import LycorisNetworkKohya, create_network_from_weights

    targets = LycorisNetworkKohya.UNET_TARGET_REPLACE_MODULE
    LycorisNetworkKohya.UNET_TARGET_REPLACE_MODULE = [name for name in targets if name not in OTHER_FAMILIES]
    pipeline = open_pipeline(model)
    network, _ = create_network_from_weights(1.0, adapter, None, [pipeline.text_encoder], pipeline.unet)
    for layer in network.unet_loras:
        layer.merge_to(1.0)
    return picture(pipeline)


def with_diffusers(model, adapter):
    pipeline = open_pipeline(model)
    pipeline.load_lora_weights(adapter)
    return picture(pipeline)


def main():
    program, model = sys.argv[1:3]
    failed = 0
    with tempfile.TemporaryDirectory() as top:
        folder = f"{top}/pictures"  # its name is what order and noise depend on
        os.mkdir(folder)
        make_pictures(folder)
        plain = ours(program, model, folder, None)
        difference = np.abs(plain - picture(open_pipeline(model))).max()
        print(f"without adapter: {difference} of 255")
        failed += difference > FARTHEST
        for algorithm, rate, arguments in CASES:
            adapter = train(program, model, folder, algorithm, rate, arguments)
            mine = ours(program, model, folder, adapter)
            moved = np.abs(mine - plain).max()
            loaders = [("LyCORIS", with_lycoris)]
            if algorithm == "lora" and not arguments:
                loaders.append(("diffusers", with_diffusers))
            for name, load in loaders:
                try:
                    difference = np.abs(mine - load(model, adapter)).max()
                    text = f"{difference} of 255 from {name}'s picture"
                    failed += difference > FARTHEST
                except Exception as error:  # a fault of the peer is told as it is
                    text = f"{name} fails: {type(error).__name__}: {error}"
                    failed += algorithm not in UNREADABLE
                print(f"{' '.join([algorithm] + arguments)}: {text}, {moved} from the picture without it")
    print("all agree" if failed == 0 else f"{failed} do not agree")
    return failed > 0


sys.exit(main())
