"""The table of `lycoris formats` against the libraries that can be run: LyCORIS, diffusers, PEFT.

    formats.py LYCORIS LIBLYCORIS

The program writes a sample of each row, and what `convert` makes of it for diffusers and PEFT; the library says what each
means; each peer loads its files into a U-Net whose first layers are those of SD 1.x. What a peer makes of it must be what
the table says: the same weight ("loads", "limited"), another one ("differs"), an error or the plain weight ("dropped").

SPDX-License-Identifier: Apache-2.0
"""
import ctypes
import json
import shutil
import subprocess
import sys
import tempfile
import warnings

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

warnings.filterwarnings("ignore")
CONFIG = dict(
    sample_size=8, in_channels=4, out_channels=4, block_out_channels=(320,), layers_per_block=1, norm_num_groups=32,
    down_block_types=("CrossAttnDownBlock2D",), up_block_types=("CrossAttnUpBlock2D",), cross_attention_dim=768,
    attention_head_dim=8,
)
OTHER_FAMILIES = {"FinalLayer", "Block", "PatchEmbed", "TimestepEmbedding"}
F32 = 17


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 512)]


class Shape(ctypes.Structure):
    _fields_ = [("rank", ctypes.c_int), ("dims", ctypes.c_int64 * 8)]


class BaseLayer(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_int), ("shape", Shape), ("weight", ctypes.c_void_p), ("bias", ctypes.c_void_p),
                ("groups", ctypes.c_int), ("stride", ctypes.c_int * 2), ("padding", ctypes.c_int * 2),
                ("dilation", ctypes.c_int * 2)]


class Layer(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("scheme", ctypes.c_char_p), ("component", ctypes.c_char_p),
                ("module", ctypes.c_char_p), ("original", ctypes.c_char_p), ("algorithm", ctypes.c_char_p),
                ("rank", ctypes.c_int64), ("alpha", ctypes.c_double), ("dora", ctypes.c_bool), ("weight", Shape),
                ("tensors", ctypes.c_void_p), ("tensor_count", ctypes.c_size_t)]


def merged(library, path, unet):
    """The name of the sample's module and its changed weight."""
    err, file = Error(), ctypes.c_void_p()
    if library.lyc_network_file_open(ctypes.byref(file), path.encode(), None, ctypes.byref(err)) != 0:
        raise RuntimeError(err.message.decode())
    library.lyc_network_file_layer.restype = Layer
    module = library.lyc_network_file_layer(file, ctypes.c_size_t(0)).module.decode()
    weight = unet.get_submodule(module).weight.detach().contiguous()
    out = torch.empty_like(weight)
    base = BaseLayer(dtype=F32, shape=Shape(weight.dim(), (ctypes.c_int64 * 8)(*weight.shape)), weight=weight.data_ptr())
    status = library.lyc_network_file_merge(
        ctypes.c_void_p(out.data_ptr()), None, file, ctypes.c_size_t(0), ctypes.byref(base), ctypes.c_double(1.0),
        ctypes.byref(err))
    library.lyc_network_file_close(file)
    if status != 0:
        raise RuntimeError(err.message.decode())
    return module, out


def by_lycoris(unet, path):
    from lycoris.kohya import LycorisNetworkKohya, create_network_from_weights

    targets = LycorisNetworkKohya.UNET_TARGET_REPLACE_MODULE
    LycorisNetworkKohya.UNET_TARGET_REPLACE_MODULE = [name for name in targets if name not in OTHER_FAMILIES]
    network, _ = create_network_from_weights(1.0, path, None, [], unet)
    if isinstance(network.unet_loras[0].org_module[0], torch.nn.GroupNorm):
        network.unet_loras[0].merge_to(1.0)
    else:
        network.apply_to(None, unet, apply_text_encoder=False, apply_unet=True)
        network.eval()
    return unet


def effective_weight(layer, weight):
    """What a layer does, with whatever was put in front of its forward pass: its answers to unit inputs."""
    if weight.dim() == 1:
        return layer.weight.detach().float()
    n = weight.shape[1]
    with torch.no_grad():
        if weight.dim() == 2:
            return (layer(torch.eye(n)) - layer(torch.zeros(n, n))).T
        image = torch.zeros(n, n, 3, 3)
        zero = layer(image)
        image[:, :, 1, 1] = torch.eye(n)
        return (layer(image) - zero).flip(2, 3).transpose(0, 1)


def by_diffusers(unet, path):
    from diffusers.loaders import StableDiffusionLoraLoaderMixin as Loader

    state, alphas = Loader.lora_state_dict(path, unet_config=unet.config)
    Loader.load_lora_into_unet(state, network_alphas=alphas, unet=unet)
    unet.fuse_lora()
    return unet


def by_peft(unet, path):
    from peft import PeftModel

    return PeftModel.from_pretrained(unet, path).merge_and_unload()


LOADERS = {"lycoris": by_lycoris, "diffusers": by_diffusers, "peft": by_peft}


def outcome(loader, base, path, module, want):
    torch.manual_seed(0)
    unet = UNet2DConditionModel(**CONFIG).eval()
    unet.load_state_dict(base)
    plain = unet.get_submodule(module).weight.detach().clone()
    try:
        unet = loader(unet, path)
    except Exception as e:  # what a library throws is the result
        return "dropped", f"{type(e).__name__}: {str(e)[-160:]!r}"
    got = effective_weight(unet.get_submodule(module), plain)
    change = (want - plain).abs().max().item()
    error = (got - want).abs().max().item()
    if error <= 2e-6 + 1e-3 * change:
        return "loads", f"error {error:.1e} of {change:.1e}"
    return ("dropped" if (got - plain).abs().max().item() < 1e-6 else "differs"), f"error {error:.1e} of {change:.1e}"


def files_of(program, folder, sample):
    """Each peer and a file for it: the sample, and what it becomes under the names of diffusers and of PEFT."""
    yield "lycoris", sample
    yield "diffusers", sample
    for scheme, peer in (("diffusers", "diffusers"), ("peft", "peft")):
        path = f"{folder}/{scheme}" + ("" if scheme == "peft" else ".safetensors")
        shutil.rmtree(path, ignore_errors=True)
        if subprocess.run([program, "convert", "-f", "--to", scheme, sample, "-o", path], capture_output=True).returncode == 0:
            yield peer, path


def main():
    program, library = sys.argv[1], ctypes.CDLL(sys.argv[2])
    rows = json.loads(subprocess.run([program, "formats", "--json"], check=True, capture_output=True).stdout)
    torch.manual_seed(0)
    base = UNet2DConditionModel(**CONFIG).state_dict()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        paths = subprocess.run([program, "formats", "--samples", folder], check=True, capture_output=True,
                               text=True).stdout.split("\n")
        for row, path in zip(rows, paths):
            unet = UNet2DConditionModel(**CONFIG)
            unet.load_state_dict(base)
            module, want = merged(library, path, unet)
            for peer, file in files_of(program, folder, path):
                told = json.loads(subprocess.run([program, "verify", "--json", "--component", "unet", "--for", peer, file],
                                                 capture_output=True).stdout)[0]["consumers"][peer]["verdict"]
                told = {"limited": "loads", "refused": "dropped"}.get(told, told)
                got, why = outcome(LOADERS[peer], base, file, module, want)
                failed += got != told
                print(f"{'pass' if got == told else 'FAIL'} {row['format']}: {peer} {got} ({why}), told {told}")
    sys.exit(failed > 0)


main()
