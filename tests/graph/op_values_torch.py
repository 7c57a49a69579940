#!/usr/bin/env python3
"""Makes op_values_torch.txt: results of torch in f64 that the reference kernels must agree with.

    python3 tests/graph/op_values_torch.py > tests/graph/op_values_torch.txt

Needs torch (made with 2.15). Inputs are multiples of 1/16 from a fixed recurrence, so that the text is exact and the
result does not depend on torch's random numbers. Gradients come from torch's autograd, not from our formulas.

SPDX-License-Identifier: Apache-2.0
"""
import math
import sys

import torch
import torch.nn.functional as F

state = 1


def numbers(*shape):
    """Multiples of 1/16 in [-2, 2]."""
    global state
    values = []
    for _ in range(math.prod(shape)):
        state = (state * 1103515245 + 12345) % 2**31
        values.append(((state >> 16) % 65 - 32) / 16)
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def f32(x):
    """An attribute is stored in f32."""
    return torch.tensor(x, dtype=torch.float32).double().item()


def text(tensor):
    return " ".join(repr(v).removesuffix(".0") for v in tensor.reshape(-1).tolist())


def extents(tensor):
    return "x".join(str(n) for n in tensor.shape) or "scalar"


def case(op, inputs, outputs, attr=""):
    """inputs: name to tensor (integers are indices), None where absent; outputs: name to tensor; all LYC_FLOAT."""
    inputs = {k: v for k, v in inputs.items() if v is not None}
    head = " ".join(f"{k}={extents(v)}{'' if v.is_floating_point() else ':I32'}" for k, v in inputs.items())
    print(f"{op} {head}" + (f" {attr}" if attr else ""))
    for name, v in inputs.items():
        print(f"  | {name}: {text(v)}")
    for name, v in outputs.items():
        print(f"  | {name} {extents(v)} float: {text(v)}")


def both(op, function, inputs, attr="", backward_attr=None, backward_inputs=None, gradients=None, results=None,
         saved=()):
    """A forward case, then the case of <op>_backward with the gradients that autograd gives.

    backward_inputs: names handed on (all by default); gradients: names of the inputs whose gradients come out, in order;
    saved: names of results that the backward operation takes."""
    leaves = {k: v.clone().requires_grad_(v.is_floating_point()) for k, v in inputs.items() if v is not None}
    out = function(**{k: leaves.get(k) for k in inputs})
    out = out if isinstance(out, tuple) else (out,)
    results = results or ("y",)
    named = dict(zip(results, (o.detach() for o in out)))
    case(op, inputs, named, attr)
    d_y = numbers(*out[0].shape)
    out[0].backward(d_y)
    grads = {}
    for name in gradients or [k for k, v in leaves.items() if v.requires_grad]:
        v = leaves.get(name)
        grads["d_" + name] = v.grad if v is not None and v.grad is not None else None
    handed = {k: inputs[k] for k in (backward_inputs or inputs)}
    handed |= {k: named[k] for k in saved}
    handed["d_y"] = d_y
    case(op + "_backward", handed, grads, attr if backward_attr is None else backward_attr)


def group_norm(x, weight, bias, groups, eps, silu):
    n, c = x.shape[0], x.shape[-1]
    first = x.movedim(-1, 1)
    z = F.group_norm(first, groups, weight, bias, eps).movedim(1, -1)
    parts = first.reshape(n, groups, -1)
    mean = parts.mean(-1)
    rstd = 1 / torch.sqrt(parts.var(-1, unbiased=False) + eps)
    return (F.silu(z) if silu else z), mean, rstd


def layer_norm(x, weight, bias, eps):
    return (F.layer_norm(x, x.shape[-1:], weight, bias, eps), x.mean(-1),
            1 / torch.sqrt(x.var(-1, unbiased=False) + eps))


def normalisation():
    print("\n# --- normalisation")
    for shape, groups, eps, silu in (((2, 2, 3, 4), 2, 1e-5, False), ((2, 3, 6), 3, 1e-6, True), ((2, 4), 1, 0.5, True)):
        c = shape[-1]
        both("group_norm", lambda x, weight, bias: group_norm(x, weight, bias, groups, f32(eps), silu),
             {"x": numbers(*shape), "weight": numbers(c), "bias": numbers(c)},
             f"groups={groups} eps={eps!r} silu={int(silu)}", f"groups={groups} silu={int(silu)}",
             ("x", "weight", "bias"), ("x", "weight", "bias"), ("y", "mean", "rstd"), ("mean", "rstd"))
    x = numbers(1, 2, 2, 4)
    y, mean, rstd = group_norm(x, None, None, 2, f32(1e-5), False)
    case("group_norm", {"x": x}, {"y": y, "mean": mean, "rstd": rstd}, "groups=2 eps=1e-05")
    # An absent weight counts as ones: the gradients of ones and zeros are expected.
    d_y = numbers(1, 2, 2, 4)
    leaves = [x.clone().requires_grad_(), torch.ones(4).double().requires_grad_(), torch.zeros(4).double().requires_grad_()]
    group_norm(*leaves, 2, f32(1e-5), False)[0].backward(d_y)
    case("group_norm_backward", {"x": x, "mean": mean, "rstd": rstd, "d_y": d_y},
         dict(zip(("d_x", "d_weight", "d_bias"), (v.grad for v in leaves))), "groups=2")
    for shape, eps in (((2, 2, 5), 1e-5), ((3, 4), 0.25)):
        c = shape[-1]
        both("layer_norm", lambda x, weight, bias: layer_norm(x, weight, bias, f32(eps)),
             {"x": numbers(*shape), "weight": numbers(c), "bias": numbers(c)}, f"eps={eps!r}", "",
             ("x", "weight"), ("x", "weight", "bias"), ("y", "mean", "rstd"), ("mean", "rstd"))
    x = numbers(4)
    y, mean, rstd = layer_norm(x, None, None, f32(1e-5))
    case("layer_norm", {"x": x}, {"y": y, "mean": mean, "rstd": rstd})
    leaves = [x.clone().requires_grad_(), torch.ones(4).double().requires_grad_(), torch.zeros(4).double().requires_grad_()]
    d_y = numbers(4)
    layer_norm(*leaves, f32(1e-5))[0].backward(d_y)
    case("layer_norm_backward", {"x": x, "mean": mean, "rstd": rstd, "d_y": d_y},
         dict(zip(("d_x", "d_weight", "d_bias"), (v.grad for v in leaves))))


def conv2d_case(x_shape, weight_shape, stride=(1, 1), pad=(0, 0, 0, 0), dilation=(1, 1), groups=1, bias=True,
                residual=False, activation=None):
    geometry = (f"stride={stride[0]}x{stride[1]} pad={pad[0]}x{pad[1]}x{pad[2]}x{pad[3]} "
                f"dilation={dilation[0]}x{dilation[1]} groups={groups}")
    x, weight = (numbers(*s).requires_grad_() for s in (x_shape, weight_shape))
    top, left, bottom, right = pad

    def conv(bias):
        padded = F.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom))
        return F.conv2d(padded, weight, bias, stride, 0, dilation, groups).permute(0, 2, 3, 1)

    b = numbers(weight_shape[0]) if bias else None
    y = conv(b)
    r = numbers(*y.shape) if residual else None
    z = {None: lambda v: v, "silu": F.silu, "gelu": F.gelu, "relu": F.relu}[activation](y)
    case("conv2d", {"x": x.detach(), "weight": weight.detach(), "bias": b, "residual": r},
         {"y": (z if r is None else z + r).detach()}, geometry + (f" activation={activation}" if activation else ""))
    d_y = numbers(*y.shape)
    conv(None).backward(d_y)
    d_r = numbers(*x_shape) if residual else None
    case("conv2d_backward_data", {"weight": weight.detach(), "d_y": d_y, "residual": d_r},
         {"d_x": x.grad if d_r is None else x.grad + d_r}, f"size={x_shape[1]}x{x_shape[2]} {geometry}")
    case("conv2d_backward_weights", {"x": x.detach(), "d_y": d_y}, {"d_weight": weight.grad},
         f"kernel={weight_shape[2]}x{weight_shape[3]} {geometry}")


def attention(q, k, v, heads, scale, causal):
    n, tq, c = q.shape
    q, k, v = (t.reshape(n, -1, heads, c // heads).transpose(1, 2) for t in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale)
    scores = q @ k.transpose(-1, -2) * (scale or 1 / math.sqrt(c // heads))
    if causal:
        scores = scores.masked_fill(torch.ones(tq, tq).triu(1).bool(), -math.inf)
    return y.transpose(1, 2).reshape(n, tq, c), scores.logsumexp(-1)


def products():
    print("\n# --- products")
    conv2d_case((1, 3, 4, 2), (3, 2, 3, 3), pad=(1, 1, 1, 1), activation="silu")
    conv2d_case((1, 4, 3, 2), (2, 2, 3, 3), stride=(2, 2), pad=(0, 0, 1, 1), residual=True)
    conv2d_case((1, 4, 5, 4), (2, 2, 2, 3), stride=(2, 1), pad=(1, 0, 2, 3), dilation=(2, 3), groups=2, bias=False)
    conv2d_case((2, 2, 2, 3), (3, 1, 1, 1), groups=3, activation="gelu")
    for heads, tq, tk, c, scale, causal in ((2, 2, 3, 4, None, False), (1, 3, 3, 2, 0.75, True), (2, 1, 2, 6, -0.5, False)):
        attr = f"heads={heads} scale={scale or 0} causal={int(causal)}"
        both("attention", lambda q, k, v: attention(q, k, v, heads, scale, causal),
             {"q": numbers(2, tq, c), "k": numbers(2, tk, c), "v": numbers(2, tk, c)}, attr, None, ("q", "k", "v"),
             ("q", "k", "v"), ("y", "lse"), ("y", "lse"))
    for trans in (False, True):
        c, d = numbers(2, 3), numbers(4, 2)
        x = numbers(2, 2, 8 if trans else 6)
        r = numbers(2, 2, 6 if trans else 8)
        w = torch.kron(c, d)
        case("kron_matmul", {"x": x, "c": c, "d": d, "residual": r},
             {"y": r - 0.5 * x @ (w if trans else w.T)}, f"alpha=-0.5 trans={int(trans)}")
        h, c = numbers(2, 3, 2), numbers(*((3, 4) if trans else (4, 3)))
        case("mix", {"h": h, "c": c}, {"y": torch.einsum("ba,nbs->nas" if trans else "ab,nbs->nas", c, h)},
             f"trans={int(trans)}")
        x, r, d_y = numbers(3, 4), numbers(2, 2, 2).requires_grad_(), numbers(3, 4)
        y = x @ (torch.block_diag(*r).T if trans else torch.block_diag(*r))
        case("block_diag_matmul", {"x": x, "r": r.detach()}, {"y": y.detach()}, f"trans={int(trans)}")
        y.backward(d_y)
        case("block_diag_backward_weights", {"x": x, "d_y": d_y}, {"d_r": r.grad}, f"blocks=2 trans={int(trans)}")
        a, b = numbers(2, 3, 3), numbers(2, 3, 2)
        case("solve", {"a": a, "b": b}, {"x": torch.linalg.solve(a.mT if trans else a, b)}, f"trans={int(trans)}")
    h, d_y = numbers(2, 3, 2), numbers(2, 4, 2)
    case("mix_backward_weights", {"h": h, "d_y": d_y}, {"d_c": torch.einsum("nas,nbs->ab", d_y, h)})
    names = ("b1", "a1", "b2", "a2")
    factors = dict(zip(names, (numbers(3, 2), numbers(2, 4), numbers(3, 1), numbers(1, 4))))
    both("hadamard_lowrank", lambda b1, a1, b2, a2: 0.125 * (b1 @ a1) * (b2 @ a2), factors, "alpha=0.125")


def losses():
    print("\n# --- losses")

    def element_loss(kind, d, c):
        if c is not None:
            c = c.reshape(-1, *[1] * (d.dim() - 1))
        root = None if c is None else torch.sqrt(d * d + c * c) - c
        return {"l2": lambda: d * d, "l1": lambda: d.abs(), "huber": lambda: 2 * c * root,
                "smooth_l1": lambda: 2 * root,
                "smooth_l1_beta": lambda: torch.where(d.abs() < c, d * d / (2 * c), d.abs() - c / 2)}[kind]()

    for kind, mask in (("l2", None), ("l1", (3, 1)), ("huber", (2, 2, 3, 1)), ("smooth_l1", None), ("smooth_l1_beta", (4,))):
        c = torch.tensor([0.1, 0.75]).double() if kind in ("huber", "smooth_l1", "smooth_l1_beta") else None
        m = numbers(*mask).abs() if mask else None
        both("sample_loss",
             lambda x, target, mask, c: (element_loss(kind, x - target, c) * (1 if mask is None else mask)).flatten(1).mean(1),
             {"x": numbers(2, 2, 3, 4), "target": numbers(2, 2, 3, 4), "mask": m, "c": c}, f"kind={kind}",
             gradients=("x",))
    x, labels = numbers(3, 4), torch.tensor([2, 0, 3])
    both("cross_entropy", lambda x, labels: F.cross_entropy(x, labels, reduction="none"), {"x": x, "labels": labels})


print("# Literal results of the reference kernels: made by op_values_torch.py with torch in f64, in the form that\n"
      "# test_op_values.c describes.")
normalisation()
products()
losses()
sys.stdout.flush()
