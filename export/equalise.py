"""Rescale a folded backbone's channels, and not its function, so that INT8 ranges fit them.

All channels of a tensor share one range, so a channel that is smaller than the others keeps fewer
levels. Between two linear layers, and across a ReLU, each channel may be scaled by a positive
factor that the next layer divides out again (Nagel et al. 2019, "Data-free quantization through
weight equalization and bias correction"). Here one factor per channel is free in three places:

- a segment's residual stream: the strided convolution and all projections write it; the depthwise
  convolutions (a scale per channel of their own) and the outlet read it;
- the depthwise output, which only expand reads;
- the expand output after ReLU, which only project reads.

Nagel et al. make ranges equal. These factors minimise the expected embedding error instead::

    ½ Σ_tensors Σ_channels g·Δ²/12 + ½ Σ_matrices Σ_rows g·δ²/12 · Σ_columns E[x²]

Δ is the tensor's step in the channel's own units, δ the row's step in the units of its weights, and
g the squared gradient of the unit embedding in random directions, summed over positions: the error,
1 - cosine, that white noise of variance one would make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.dsanet import DsaNet
from export.int8_net import LEVELS, Int8Backbone, blocks

BATCH = 16
DRAWS = 2  # random directions per picture
STEPS, RATE = 400, 0.03
WEIGHT_LEVELS = 110.0  # between 63 (7 bits) and 127 (8 bits)


@dataclass(frozen=True)
class Channels:
    """Of one tensor's channels: largest magnitude, mean square, and what noise on them costs."""

    span: Tensor
    power: Tensor
    cost: Tensor


def equalise(net: DsaNet, images: Tensor) -> None:
    """Rescale the channels of a folded network, in place.

    Parameters
    ----------
    net : from :func:`export.to_onnx.fold`; its function stays what it is, up to float rounding.
    images : normalised calibration pictures (N, 3, 112, 112).
    """
    rescale(net, best_factors(net, statistics(net, images)))


def statistics(net: DsaNet, images: Tensor, *, seed: int = 0) -> dict[str, Channels]:
    """Return each tensor's channels, measured in float in batches of 16."""
    model = Int8Backbone(net, bits=None).requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    seen: dict[str, list[Tensor]] = {}
    for part in images.split(BATCH):
        tensors: dict[str, Tensor] = {}
        hook = model.ranges.register_forward_hook(_keeper(tensors))
        unit = F.normalize(net.head(model(part.clone())[-1]))
        hook.remove()
        squares = _squared_gradients(unit, tensors, generator)
        for name, x in tensors.items():
            span = x.detach().abs().amax((0, 2, 3))
            power = x.detach().square().mean((0, 2, 3))
            seen.setdefault(name, []).append(torch.stack([span, power, squares[name]]))
    return {name: Channels(*torch.stack(rows).mean(0)) for name, rows in seen.items()}


def _keeper(tensors: dict[str, Tensor]) -> Callable:
    def keep(_, inputs, __) -> None:
        name, x = inputs
        x.requires_grad_(True)
        x.retain_grad()
        tensors[name] = x

    return keep


def _squared_gradients(
    unit: Tensor, tensors: dict[str, Tensor], generator: torch.Generator
) -> dict[str, Tensor]:
    """Return mean over pictures of squared gradients in random directions, per channel."""
    total = dict.fromkeys(tensors, 0.0)
    for _ in range(DRAWS):
        direction = torch.randn(unit.shape, generator=generator).to(unit.device)
        gradients = torch.autograd.grad(
            (unit * direction).sum(), list(tensors.values()), retain_graph=True
        )
        for name, gradient in zip(tensors, gradients):
            total[name] += gradient.square().sum((2, 3)).mean(0) / DRAWS
    return total


def best_factors(net: DsaNet, channels: dict[str, Channels]) -> dict[str, Tensor]:
    """Return the factor per channel of each group by which its tensors are to be divided."""
    group_of = groups(net)
    logs = {
        group: torch.zeros_like(channels[name].span, requires_grad=True)
        for name, group in group_of.items()
    }
    optimiser = torch.optim.Adam(logs.values(), lr=RATE)
    for step in range(STEPS):
        factors = {group: log.exp() for group, log in logs.items()}
        optimiser.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        optimiser.zero_grad()
        expected_error(net, channels, factors).backward()
        optimiser.step()
    return {group: log.detach().exp() for group, log in logs.items()}


def expected_error(
    net: DsaNet, channels: dict[str, Channels], factors: dict[str, Tensor]
) -> Tensor:
    """Return the expected 1 - cosine of INT8 with these factors: the formula above."""
    group_of, total = groups(net), torch.zeros(())
    for name, of in channels.items():
        factor = factors[group_of[name]] if name in group_of else torch.ones_like(of.span)
        width = 1.0 if name.endswith(".expand") else 2.0  # ReLU leaves one side
        step = factor * (width * (of.span / factor).max() / LEVELS)
        total = total + 0.5 * (of.cost * step.square()).sum() / 12
    for weight, read, made in matrices(net):
        factor = factors[group_of[read]]
        step = (weight.abs() * factor).amax(1) / WEIGHT_LEVELS
        power = (channels[read].power / factor.square()).sum()
        total = total + 0.5 * (channels[made].cost * step.square()).sum() / 12 * power
    return total


def groups(net: DsaNet) -> dict[str, str]:
    """Return, for each tensor that may be rescaled, the name of the factors that it shares."""
    found = {}
    for i, part in enumerate(net.backbone.segments):
        found[f"{i}.reduce"] = f"{i}.stream"
        for j, _ in enumerate(blocks(part)):
            found.update({f"{i}.{j}.{k}": f"{i}.stream" for k in ("project", "add")})
            found.update({f"{i}.{j}.{k}": f"{i}.{j}.{k}" for k in ("depthwise", "expand")})
    return found


def matrices(net: DsaNet) -> Iterator[tuple[Tensor, str, str]]:
    """Yield (weight, tensor read, tensor made) of the layers that pay for their input's factors."""
    for i, part in enumerate(net.backbone.segments):
        last = f"{i}.reduce"
        for j, block in enumerate(blocks(part)):
            last = f"{i}.{j}.add"
            for layer, read, made in (
                (block.expand, "depthwise", "expand"),
                (block.project, "expand", "project"),
            ):
                if layer.groups == 1:
                    yield layer.weight.detach(), f"{i}.{j}.{read}", f"{i}.{j}.{made}"
        yield part[-1].weight.detach(), last, f"{i}.outlet"


@torch.no_grad()
def rescale(net: DsaNet, factors: dict[str, Tensor]) -> None:
    """Divide each group's tensors by its factors, in place, and multiply what reads them."""
    for i, part in enumerate(net.backbone.segments):
        stream = factors[f"{i}.stream"]
        _divide_rows(part[0], stream)
        for j, block in enumerate(blocks(part)):
            block.depthwise.weight.mul_(stream.reshape(-1, 1, 1, 1))
            _divide_rows(block.project, stream)
            _divide_rows(block.depthwise, factors[f"{i}.{j}.depthwise"])
            _multiply_columns(block.expand, factors[f"{i}.{j}.depthwise"])
            _divide_rows(block.expand, factors[f"{i}.{j}.expand"])
            _multiply_columns(block.project, factors[f"{i}.{j}.expand"])
        _multiply_columns(part[-1], stream)


def _divide_rows(layer: nn.Module, factor: Tensor) -> None:
    layer.weight.div_(factor.reshape(-1, *[1] * (layer.weight.dim() - 1)))
    layer.bias.div_(factor)


def _multiply_columns(layer: nn.Module, factor: Tensor) -> None:
    """Scale the inputs of a 1×1 convolution, each group's rows reading their own."""
    rows = len(layer.weight) // layer.groups
    layer.weight.mul_(factor.reshape(layer.groups, 1, -1).expand(-1, rows, -1).flatten(0, 1))
