"""A DSA-Net backbone with INT8 in the loop: what the converters will make of it, differentiable.

Convolution weights have 8 bits, symmetric, one scale per output channel; activations 8 bits,
asymmetric, one range per tensor, at every tensor that a converter quantises: the picture, the
strided convolution's output, and in each block the outputs of depthwise, expand with ReLU, project
and the sum. Rounding passes gradients straight through, clipped values none (Jacob et al. 2018).
Ranges are percentiles of calibration pictures, as the converters take them: nothing is learnt that
they would not find again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.dsanet import Block, DsaNet, Pointwise
from export.to_onnx import fold

LEVELS = 255
PERCENTILE = 99.99
Tap = Callable[[str, Tensor], Tensor]


def outer(values: Tensor, share: float) -> Tensor:
    """Return the value that the share ``share`` of ``values`` exceeds (0 to 0.5)."""
    flat = values.flatten()
    return flat.topk(max(1, round(share * flat.numel()))).values[-1]


class Ranges(nn.Module):
    """One range per named tensor: measures it, or quantises with it.

    ``mode`` is "float" (does nothing), "observe" (keeps the values until :meth:`close`) or "int8".
    ``only`` restricts "int8" to some names.
    """

    def __init__(self, *, percentile: float = PERCENTILE):
        super().__init__()
        self.percentile, self.mode = percentile, "float"
        self.limits: dict[str, tuple[float, float]] = {}
        self.only: set[str] | None = None
        self._seen: dict[str, list[Tensor]] = {}

    def forward(self, name: str, x: Tensor) -> Tensor:
        """Pass ``x`` on, measured or quantised."""
        if self.mode == "observe":
            self._seen.setdefault(name, []).append(x.detach())
        elif self.mode == "int8" and (self.only is None or name in self.only):
            low, high = self.limits[name]
            scale = (high - low) / LEVELS
            zero = min(max(round(-low / scale), 0), LEVELS)
            return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, LEVELS)
        return x

    def close(self) -> None:
        """Turn what was observed into ranges; zero is in every range."""
        share = (100 - self.percentile) / 200
        for name, parts in self._seen.items():
            values = torch.cat(parts)
            low, high = -float(outer(-values, share)), float(outer(values, share))
            self.limits[name] = (min(low, 0.0), max(high, 1e-6))
        self._seen = {}


def int8_weight(weight: Tensor, *, bits: int = 8) -> Tensor:
    """Round a weight (out, ...) to ``bits`` bits with one symmetric scale per output channel."""
    top = 2 ** (bits - 1) - 1
    scale = weight.detach().flatten(1).abs().amax(1).clamp_min(1e-12) / top
    zero = torch.zeros(len(weight), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -top, top)


class Int8Backbone(nn.Module):
    """The folded backbone of a network, quantised while it runs.

    ``bits`` is that of the weights: None leaves them in float.
    """

    def __init__(self, net: DsaNet, *, bits: int | None = 8, percentile: float = PERCENTILE):
        super().__init__()
        self.segments = copy.deepcopy(net.backbone.segments)
        self.ranges, self.bits = Ranges(percentile=percentile), bits

    def convolve(self, layer: nn.Module, x: Tensor) -> Tensor:
        """Apply a convolution with its weight rounded."""
        weight = layer.weight if self.bits is None else int8_weight(layer.weight, bits=self.bits)
        if isinstance(layer, Pointwise):
            return F.conv2d(x, weight[:, :, None, None], layer.bias, groups=layer.groups)
        return F.conv2d(
            x, weight, layer.bias, stride=layer.stride, padding=layer.padding, groups=layer.groups
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the feature map of each segment."""
        tap, x, maps = self.ranges, self.ranges("image", image), []
        for i, part in enumerate(self.segments):
            x = tap(f"{i}.reduce", self.convolve(part[0], x))
            for j, block in enumerate(blocks(part)):
                change = tap(f"{i}.{j}.depthwise", self.convolve(block.depthwise, x))
                change = tap(f"{i}.{j}.expand", F.relu(self.convolve(block.expand, change)))
                change = tap(f"{i}.{j}.project", self.convolve(block.project, change))
                x = tap(f"{i}.{j}.add", x + change)
            x = tap(f"{i}.outlet", self.convolve(part[-1], x))
            maps.append(x)
        return maps

    @torch.no_grad()
    def calibrate(self, images: Tensor, *, batch: int = 32) -> None:
        """Measure every range on normalised pictures (N, 3, 112, 112), in float; then run INT8."""
        self.ranges.mode, bits, self.bits = "observe", self.bits, None
        for part in images.split(batch):
            self(part)
        self.ranges.close()
        self.ranges.mode, self.bits = "int8", bits


def blocks(part: nn.Sequential) -> Iterator[Block]:
    """Yield the blocks of a segment."""
    return (module for module in part if isinstance(module, Block))


def unfold(folded: DsaNet, like: DsaNet) -> DsaNet:
    """Return a network with BatchNorm and residual scales again, neutral, around folded weights.

    The result loads as a checkpoint of ``like``'s configuration and folds back to ``folded``.
    """
    net = copy.deepcopy(like).eval()
    net.head.load_state_dict(folded.head.state_dict())
    for part, source in zip(net.backbone.segments, folded.backbone.segments):
        part[0].load_state_dict(source[0].state_dict())
        part[-1].load_state_dict(source[-1].state_dict())
        _neutral(part[1], torch.zeros_like(part[1].bias))
        for block, other in zip(blocks(part), blocks(source)):
            block.depthwise.weight.data.copy_(other.depthwise.weight)
            _neutral(block.norm, other.depthwise.bias)
            block.expand.load_state_dict(other.expand.state_dict())
            block.project.load_state_dict(other.project.state_dict())
            block.scale.data.fill_(1.0)
    return net


def _neutral(norm: nn.BatchNorm2d, bias: Tensor) -> None:
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0 - norm.eps)
    norm.weight.data.fill_(1.0)
    norm.bias.data.copy_(bias)


def folded(net: DsaNet) -> DsaNet:
    """Return the network as it ships, with all its weights trainable again."""
    return fold(net).requires_grad_(True)
