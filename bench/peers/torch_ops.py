#!/usr/bin/env python3
"""torch_ops.py - the operations of bench/sd15.txt in torch and in lycoris, alternating in one run

    python3 torch_ops.py BENCH_OPS [--file bench/sd15.txt] [--only TEXT] [--precision f32|bf16|both] [--rounds 3] [--threads N]

For each line and precision: `rounds` times the median of at least 5 runs in torch and in BENCH_OPS (the program of this
project), one after the other; the medians of the rounds and their ratio (below 1: lycoris is faster). torch computes in
channels last where it has images, with inference mode for forward work, and as autograd does it for backward work.
Needs torch in the Python that runs it (bench/peers/setup.sh makes a virtual environment).

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import statistics
import subprocess
import tempfile
import time

import torch
import torch.nn.functional as F


def parse(line):
    words = line.split()
    tensors, attrs = {}, {}
    for word in words[1:]:
        name, value = word.split("=", 1)
        text = value.rstrip("*")
        extents, _, dtype = text.partition(":")
        try:
            shape = [int(e) for e in extents.split("x")]
        except ValueError:
            shape = None
        first_attr = name in ("stride", "pad", "size", "kernel", "heads", "groups", "eps", "silu", "causal", "axis", "axes",
                              "first", "count", "oh", "ow", "trans_a", "trans_b", "alpha", "wide", "activation", "scale")
        if first_attr:
            attrs[name] = extents
        else:
            tensors[name] = (shape, dtype)
    return words[0], tensors, attrs


def number(attrs, name, fallback):
    return float(attrs.get(name, fallback))


def pair(attrs, name, fallback):
    values = [int(v) for v in attrs.get(name, fallback).split("x")]
    return values


class Problem:
    def __init__(self, line, dtype):
        self.op, self.tensors, self.attrs = parse(line)
        self.dtype = dtype

    def tensor(self, name, image=False):
        shape, dtype = self.tensors[name]
        if dtype == "I32":
            return torch.randint(0, 1000, shape)
        t = torch.randn(shape, dtype=self.dtype)
        if image:  # [n,h,w,c] seen by torch as channels-last [n,c,h,w]
            return t.permute(0, 3, 1, 2)
        return t

    def weight(self):
        return self.tensor("weight").contiguous(memory_format=torch.channels_last)

    def vector(self, name):
        return self.tensor(name) if name in self.tensors else None

    def conv_options(self):
        stride = pair(self.attrs, "stride", "1x1")
        pad = pair(self.attrs, "pad", "0x0x0x0")
        return stride, pad[:2]

    def heads(self, name):
        heads = int(self.attrs["heads"])
        n, t, c = self.tensors[name][0]
        return torch.randn(n, t, heads, c // heads, dtype=self.dtype).transpose(1, 2)

    def make(self):
        """A function of no arguments that does the work once."""
        maker = getattr(self, "make_" + self.op, None)
        return None if maker is None else maker()

    def make_conv2d(self):
        x, w, b = self.tensor("x", True), self.weight(), self.vector("bias")
        stride, pad = self.conv_options()
        return lambda: F.conv2d(x, w, b, stride, pad)

    def make_conv2d_backward_data(self):
        w, dy = self.weight(), self.tensor("d_y", True)
        stride, pad = self.conv_options()
        h, wd = pair(self.attrs, "size", "0x0")
        x = torch.empty(dy.shape[0], w.shape[1], h, wd, dtype=self.dtype).contiguous(memory_format=torch.channels_last)
        return lambda: torch.ops.aten.convolution_backward(dy, x, w, None, stride, pad, [1, 1], False, [0, 0], 1,
                                                           [True, False, False])

    def make_conv2d_backward_weights(self):
        x, dy = self.tensor("x", True), self.tensor("d_y", True)
        stride, pad = self.conv_options()
        kh, kw = pair(self.attrs, "kernel", "1x1")
        w = torch.empty(dy.shape[1], x.shape[1], kh, kw, dtype=self.dtype).contiguous(memory_format=torch.channels_last)
        return lambda: torch.ops.aten.convolution_backward(dy, x, w, None, stride, pad, [1, 1], False, [0, 0], 1,
                                                           [False, True, False])

    def make_matmul(self):
        a, b = self.tensor("a"), self.tensor("b")
        if self.attrs.get("trans_a") == "1":
            a = a.transpose(-1, -2)
        if self.attrs.get("trans_b") == "1":
            b = b.transpose(-1, -2)
        return lambda: a @ b

    def make_attention(self):
        q, k, v = self.heads("q"), self.heads("k"), self.heads("v")
        causal = self.attrs.get("causal") == "1"
        return lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal)

    def make_attention_backward(self):
        q, k, v = (self.heads(n).requires_grad_() for n in "qkv")
        with torch.enable_grad():
            y = F.scaled_dot_product_attention(q, k, v)
        dy = torch.randn_like(y)

        def work():
            with torch.enable_grad():
                torch.autograd.grad(y, (q, k, v), dy, retain_graph=True)
        return work

    def make_group_norm(self):
        x, w, b = self.tensor("x", True), self.vector("weight"), self.vector("bias")
        groups, eps = int(self.attrs["groups"]), number(self.attrs, "eps", 1e-5)
        if self.attrs.get("silu") == "1":
            return lambda: F.silu(F.group_norm(x, groups, w, b, eps))
        return lambda: F.group_norm(x, groups, w, b, eps)

    def make_group_norm_backward(self):
        x = self.tensor("x", True).requires_grad_()
        w, b = self.vector("weight"), self.vector("bias")
        groups = int(self.attrs["groups"])
        with torch.enable_grad():
            y = F.group_norm(x, groups, w, b)
            y = F.silu(y) if self.attrs.get("silu") == "1" else y
        dy = torch.randn_like(y)
        return lambda: torch.autograd.grad(y, x, dy, retain_graph=True)

    def make_layer_norm(self):
        x, w, b = self.tensor("x"), self.vector("weight"), self.vector("bias")
        return lambda: F.layer_norm(x, x.shape[-1:], w, b)

    def make_layer_norm_backward(self):
        x, w = self.tensor("x").requires_grad_(), self.vector("weight")
        with torch.enable_grad():
            y = F.layer_norm(x, x.shape[-1:], w, None)
        dy = torch.randn_like(y)
        return lambda: torch.autograd.grad(y, x, dy, retain_graph=True)

    def unary(self, f):
        x = self.tensor("x")
        return lambda: f(x)

    def make_silu(self):
        return self.unary(F.silu)

    def make_gelu(self):
        return self.unary(F.gelu)

    def make_quick_gelu(self):
        return self.unary(lambda x: x * torch.sigmoid(1.702 * x))

    def make_geglu(self):
        def geglu(x):
            value, gate = x.chunk(2, -1)
            return value * F.gelu(gate)
        return self.unary(geglu)

    def make_softmax(self):
        return self.unary(lambda x: torch.softmax(x, -1))

    def make_add(self):
        x, y = self.tensor("x"), self.tensor("y")
        return lambda: x + y

    def make_mul(self):
        x, y = self.tensor("x"), self.tensor("y")
        return lambda: x * y

    def make_concat(self):
        x, y = self.tensor("x0"), self.tensor("x1")
        return lambda: torch.cat((x, y), int(self.attrs["axis"]))

    def make_upsample_nearest(self):
        x = self.tensor("x", True)
        return lambda: F.interpolate(x, scale_factor=2, mode="nearest")

    def make_transpose(self):
        axes = [int(a) for a in self.attrs["axes"].split("x")]
        return self.unary(lambda x: x.permute(axes).contiguous())

    def make_embedding(self):
        table, ids = self.tensor("table"), self.tensor("ids")
        return lambda: F.embedding(ids, table)

    def make_kron_matmul(self):
        x, c, d = self.tensor("x"), self.tensor("c"), self.tensor("d")
        return lambda: x @ torch.kron(c, d).T

    def make_hadamard_lowrank(self):
        b1, a1, b2, a2 = (self.tensor(n) for n in ("b1", "a1", "b2", "a2"))
        return lambda: (b1 @ a1) * (b2 @ a2)


def torch_seconds(work):
    work()
    times = []
    begin = time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begin < 0.2:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def own_seconds(program, line, precision):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.write(line + "\n")
        f.flush()
        out = subprocess.run([program, "--tsv", "--precision", precision, "--file", f.name], capture_output=True, text=True)
    if out.returncode != 0:
        raise RuntimeError(out.stderr.strip())
    return float(out.stdout.split("\t")[2])


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--file", default="bench/sd15.txt")
    arguments.add_argument("--only", default="")
    arguments.add_argument("--precision", default="both")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=0)
    a = arguments.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    print(f"# torch {torch.__version__}, {torch.get_num_threads()} threads; milliseconds, lycoris / torch")
    with open(a.file) as f:
        lines = [l.strip() for l in f if l.strip() and not l.startswith("#") and a.only in l]
    for precision in ("f32", "bf16"):
        if a.precision not in (precision, "both"):
            continue
        for line in lines:
            with torch.inference_mode("backward" not in line):
                work = Problem(line, torch.float32 if precision == "f32" else torch.bfloat16).make()
                if work is None:
                    continue
                theirs, ours = [], []
                for _ in range(a.rounds):
                    theirs.append(torch_seconds(work))
                    ours.append(own_seconds(a.program, line, precision))
            t, o = statistics.median(theirs), statistics.median(ours)
            print(f"{precision:4} {1e3 * o:10.3f} {1e3 * t:10.3f} ms {o / t:6.2f}  {line}", flush=True)


if __name__ == "__main__":
    main()
