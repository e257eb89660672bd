"""Convolution blocks, and the ways to halve a feature map. Tensors are (N, C, H, W)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from export.dsanet import Block as DepthwiseSeparableBlock

__all__ = [
    "BLOCKS",
    "REDUCTIONS",
    "DepthwiseSeparableBlock",
    "GroupBlock",
    "PooledReduction",
    "ResidualBlock",
    "StridedReduction",
    "block",
    "reduction",
]

BRANCH = 0.5  # what a residual branch weighs at first, in all blocks as in DSA-Net's


def convolution(
    inputs: int, outputs: int, kernel: int, *, groups: int = 1, gamma: float = 1.0
) -> nn.Sequential:
    """k×k convolution that keeps height and width, then BatchNorm whose weight starts at gamma."""
    layers = nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )
    nn.init.constant_(layers[1].weight, gamma)
    return layers


class ResidualBlock(nn.Module):
    """y = ReLU(x + BN(W₂ * ReLU(BN(W₁ * x)))), both convolutions 3×3 over all channels.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, figure 2 and
    equation 1. 18·C² multiply-adds per pixel. Keeps the shape (N, C, H, W).
    """

    def __init__(self, channels: int):
        super().__init__()
        self.first = convolution(channels, channels, 3)
        self.second = convolution(channels, channels, 3, gamma=BRANCH)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return F.relu(x + self.second(F.relu(self.first(x))))


class GroupBlock(nn.Module):
    """y = ReLU(x + BN(P₂ * ReLU(BN(G * ReLU(BN(P₁ * x)))))): 1×1, grouped 3×3, 1×1.

    Source: Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017,
    figure 3c. G sees C / ``groups`` channels at a time, P₁ and P₂ mix them:
    (2 + 9 / groups)·C² multiply-adds per pixel. Keeps the shape (N, C, H, W).
    """

    def __init__(self, channels: int, *, groups: int = 4):
        super().__init__()
        if channels % groups:
            raise ValueError(f"{channels} channels in {groups} groups: expected a divisor")
        self.enter = convolution(channels, channels, 1)
        self.grouped = convolution(channels, channels, 3, groups=groups)
        self.leave = convolution(channels, channels, 1, gamma=BRANCH)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return F.relu(x + self.leave(F.relu(self.grouped(F.relu(self.enter(x))))))


class StridedReduction(nn.Module):
    """2×2 convolution of stride 2, then BatchNorm: what to keep is learnt, nothing is dropped.

    Source: Springenberg et al., "Striving for Simplicity: The All Convolutional Net", 2015. This
    is the reduction of DSA-Net. (N, C, H, W) → (N, outputs, H/2, W/2).
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.reduce = nn.Conv2d(inputs, outputs, 2, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Halve height and width."""
        return self.norm(self.reduce(x))


class PooledReduction(nn.Module):
    """2×2 pooling ("max" or "average"), then a 1×1 convolution and BatchNorm: the baseline.

    (N, C, H, W) → (N, outputs, H/2, W/2), with a quarter of the strided convolution's weights.
    """

    def __init__(self, inputs: int, outputs: int, *, kind: str):
        super().__init__()
        pools = {"max": F.max_pool2d, "average": F.avg_pool2d}
        if kind not in pools:
            raise ValueError(f"kind is {kind!r}; expected {' or '.join(pools)}")
        self.pool, self.mix = pools[kind], convolution(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Halve height and width."""
        return self.mix(self.pool(x, 2))


BLOCKS = ("residual", "group", "depthwise")
REDUCTIONS = ("stride", "max", "average")


def block(kind: str, channels: int) -> nn.Module:
    """Return the block that ``kind`` (one of `BLOCKS`) names; it keeps (N, channels, H, W)."""
    if kind == "residual":
        return ResidualBlock(channels)
    if kind == "group":
        return GroupBlock(channels)
    if kind == "depthwise":
        return DepthwiseSeparableBlock(channels, kernel=3, expansion=3, groups=1)
    raise ValueError(f"block is {kind!r}; expected one of {', '.join(BLOCKS)}")


def reduction(kind: str, inputs: int, outputs: int) -> nn.Module:
    """Return the module that halves a map as ``kind`` (one of `REDUCTIONS`) says."""
    if kind == "stride":
        return StridedReduction(inputs, outputs)
    return PooledReduction(inputs, outputs, kind=kind)
