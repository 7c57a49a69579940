"""Adapter files of this program in the libraries that others use: LyCORIS, PEFT, diffusers.

    adapter_files.py WRITE_ADAPTERS

A small U-Net with random weights is made, WRITE_ADAPTERS writes adapters for it in every scheme and the weights that they
stand for, and each file is loaded by the library whose scheme it is, merged there, and compared.

SPDX-License-Identifier: Apache-2.0
"""
import subprocess
import sys
import tempfile
import warnings

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

warnings.filterwarnings("ignore")
CONFIG = dict(
    sample_size=8, in_channels=4, out_channels=4, block_out_channels=(32, 64), layers_per_block=1,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    cross_attention_dim=32, attention_head_dim=4, norm_num_groups=8,
)


def make_unet(state=None):
    torch.manual_seed(0)
    unet = UNet2DConditionModel(**CONFIG)
    if state is not None:
        unet.load_state_dict(state)
    return unet.eval()


def weights_of(unet, names):
    modules = {name.replace(".base_layer", ""): module for name, module in unet.named_modules() if hasattr(module, "weight")}
    return {name: modules[name].weight.detach() for name in names}


# LyCORIS 4.1.3 refuses any U-Net of SD 1.5: these classes of other families also match its time embedding.
OTHER_FAMILIES = {"FinalLayer", "Block", "PatchEmbed", "TimestepEmbedding"}


def by_lycoris_kohya(unet, path):
    from lycoris.kohya import LycorisNetworkKohya, create_network_from_weights

    targets = LycorisNetworkKohya.UNET_TARGET_REPLACE_MODULE
    LycorisNetworkKohya.UNET_TARGET_REPLACE_MODULE = [name for name in targets if name not in OTHER_FAMILIES]

    network, _ = create_network_from_weights(1.0, path, None, [], unet)
    for lora in network.unet_loras:
        lora.merge_to(1.0)
    return unet


def by_lycoris_wrapper(unet, path):
    from lycoris import create_lycoris_from_weights

    network, _ = create_lycoris_from_weights(1.0, path, unet)
    network.merge_to(1.0)
    return unet


def by_diffusers(unet, path):
    unet.load_lora_adapter(load_file(path), prefix="unet")
    unet.fuse_lora()
    return unet


def by_peft(unet, path):
    from peft import PeftModel

    return PeftModel.from_pretrained(unet, path).merge_and_unload()


LOADERS = {"kohya": by_lycoris_kohya, "wrapper": by_lycoris_wrapper, "diffusers": by_diffusers, "peft": by_peft}
# LyCORIS' merging departs from its own forward pass here (its axis of DoRA is right, its scale of GLoRA too).
TOLERANCE = 2e-5


def compare(name, folder, base):
    scheme = name.split("_")[0]
    path = f"{folder}/{name}" + ("" if scheme == "peft" else ".safetensors")
    want = load_file(f"{folder}/{name}.merged.safetensors")
    got = weights_of(LOADERS[scheme](make_unet(base), path), want)
    plain = weights_of(make_unet(base), want)
    error = max((got[k].float() - want[k]).abs().max().item() for k in want)
    change = min((plain[k] - want[k]).abs().max().item() for k in want)
    return len(want), error, change


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        unet = make_unet()
        base = unet.state_dict()
        unet.save_pretrained(f"{folder}/unet")
        subprocess.run([sys.argv[1], f"{folder}/unet", folder], check=True)
        import glob
        import os

        names = sorted(os.path.basename(p)[: -len(".merged.safetensors")] for p in glob.glob(f"{folder}/*.merged.safetensors"))
        for name in names:
            try:
                layers, error, change = compare(name, folder, base)
                good = error < TOLERANCE and change > 1e-4
                print(f"{'pass' if good else 'FAIL'} {name}: {layers} layers, largest difference {error:.2g}, "
                      f"smallest change {change:.2g}")
            except Exception as e:  # what a library throws is the result
                good = False
                print(f"FAIL {name}: {type(e).__name__}: {str(e)[:300]}")
            failed += not good
    sys.exit(failed > 0)


main()
