"""Fine-tune a trained DSA-Net with its INT8 rounding in the loop (``export train quantised``).

BatchNorm is folded, weights and activations of the INT8 segments go through fake quantisation with
straight-through gradients (Jacob et al. 2018), and the distillation goes on at a low rate. The
result is an ordinary checkpoint, which ``pack`` then quantises as any other.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from export import faces
from export.checkpoint import load_checkpoint, save_checkpoint
from export.distil import Distiller
from export.distil_data import Batches
from export.dsanet import Block, DsaNet, Pointwise
from export.to_onnx import fold

WEIGHT_STEPS = 63  # seven bits, as docs/decisions/0002 says
TAIL = 5e-5  # share of the calibration values beyond each end of a range
RANGE_FACES = 64
SEED = 9
PHASE = {"name": "joint", "batch": 48, "bank": 4096}


class FakeWeight(nn.Module):
    """Round a weight to seven bits with one scale per output channel."""

    def forward(self, weight: Tensor) -> Tensor:
        """Return the rounded weight; gradients pass straight through."""
        scale = weight.detach().flatten(1).abs().amax(1).clamp_min(1e-8) / WEIGHT_STEPS
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(
            weight, scale, zero, 0, -WEIGHT_STEPS, WEIGHT_STEPS
        )


def quantised_modules(net: DsaNet) -> list[nn.Module]:
    """Return what is INT8 at run time: convolutions and block outputs after the first segment."""
    parts = list(net.backbone.segments)[1:]
    kinds = (nn.Conv2d, Pointwise, Block)
    return [m for part in parts for m in part.modules() if isinstance(m, kinds)]


def observed_ranges(net: DsaNet, images: Tensor) -> dict[nn.Module, tuple[float, float]]:
    """Return each INT8 module's output range on normalised images, tails cut off."""
    found: dict[nn.Module, tuple[float, float]] = {}

    def note(module: nn.Module, _: tuple, output: Tensor) -> None:
        values = np.sort(output.flatten().numpy())
        cut = int(TAIL * len(values))
        found[module] = (min(float(values[cut]), 0.0), max(float(values[-1 - cut]), 1e-6))

    hooks = [m.register_forward_hook(note) for m in quantised_modules(net)]
    with torch.inference_mode():
        net(images)
    for hook in hooks:
        hook.remove()
    return found


def rounding(low: float, high: float) -> Callable:
    """Return a forward hook that rounds an output to 8 bits between two ends."""
    scale = (high - low) / 255
    zero = round(-low / scale)

    def hook(_: nn.Module, __: tuple, output: Tensor) -> Tensor:
        return torch.fake_quantize_per_tensor_affine(output, scale, zero, 0, 255)

    return hook


def insert_rounding(net: DsaNet, images: Tensor) -> None:
    """Give a folded network the rounding of its INT8 artefact."""
    ranges = observed_ranges(net, images)
    rectified = {m.expand for m in net.modules() if isinstance(m, Block)}
    for module, (low, high) in ranges.items():
        module.register_forward_hook(rounding(0.0 if module in rectified else low, high))
        if not isinstance(module, Block):
            parametrize.register_parametrization(module, "weight", FakeWeight())


def unfold(folded: DsaNet) -> DsaNet:
    """Return an ordinary network that computes the same: neutral BatchNorm, unit scales."""
    net = DsaNet(folded.config).eval()
    weights = {k.replace("parametrizations.weight.original", "weight"): v
               for k, v in folded.state_dict().items()}  # fmt: skip
    for part in net.backbone.segments:
        part[1].running_var.fill_(1 - part[1].eps)
        for block in (m for m in part if isinstance(m, Block)):
            block.norm.running_var.fill_(1 - block.norm.eps)
            block.scale.data.fill_(1)
    neutral = net.state_dict()
    for name in list(weights):
        if name.endswith("depthwise.bias"):
            neutral[name.replace("depthwise", "norm")] = weights.pop(name)
    net.load_state_dict({**neutral, **weights})
    return net


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export train quantised``."""
    parser.add_argument("--init", type=Path, required=True, help="checkpoint of train embedder")
    parser.add_argument("--data", type=Path, required=True, help="folder with fairface112")
    parser.add_argument("--cache", type=Path, required=True, help="views of train embedder")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--rate", type=float, default=3e-4)


def run(args: argparse.Namespace) -> int:
    """Fine-tune and write the checkpoint; returns the exit code."""
    net = fold(load_checkpoint(args.init))
    crops = faces.calibration_faces(args.data, RANGE_FACES)
    insert_rounding(net, torch.from_numpy(faces.normalised(crops)))
    net.to(memory_format=torch.channels_last)
    fine_tune(net, Batches(args.cache, torch.device("cpu")), args)
    save_checkpoint(unfold(net), args.out)
    return 0


def fine_tune(net: DsaNet, batches: Batches, args: argparse.Namespace) -> None:
    """Go on with the joint distillation for ``args.minutes``, the rate falling on a cosine."""
    module = Distiller(net, "joint").train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, betas=(0.9, 0.98))
    begun, step = time.monotonic(), 0
    while (done := (time.monotonic() - begun) / (60 * args.minutes)) < 1:
        fall = min(1, (step + 1) / 20) * (0.51 + 0.49 * math.cos(math.pi * done))
        optimiser.param_groups[0]["lr"] = args.rate * fall
        terms = module(batches.draw(PHASE, (SEED, step)), 0.0)
        terms["loss"].backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1
        if step % 20 == 0:
            values = " ".join(f"{k} {float(v):.4f}" for k, v in terms.items())
            print(f"step {step} done {done:.2f} {values}", flush=True)
