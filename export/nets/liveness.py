"""The liveness network: a tight view, its texture and a wide view, fused by attention.

Three branches give a vector of `width` numbers each. A learned score per branch, softmax over the
three, and a weighted sum make one vector (attentional feature fusion; Dai et al. 2021 weigh maps,
here whole branches are weighed); a residual layer and a
linear one make the logit. Texture is read by a frozen block cosine transform (Ahmed et al. 1974),
whose coefficients show halftone and pixel grids as single large numbers.

Only convolution, depthwise convolution, ReLU and addition are on the pixels' way; softmax and the
weighted sum are on vectors. BatchNorm folds away at export.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

BRANCHES = ("tight", "texture", "wide")
LUMA = (0.114, 0.587, 0.299)  # of BGR


@dataclass(frozen=True)
class LivenessConfig:
    """Sizes of the network; the defaults are what the default bundle holds.

    Attributes
    ----------
    tight_size, wide_size : sides of the two views, pixels; multiples of 16.
    stem : channels at stride 2.
    widths : channels at strides 4, 8 and 16, the last is a branch's vector.
    coefficients : cosine-transform coefficients that the texture branch sees.
    """

    tight_size: int = 112
    wide_size: int = 80
    stem: int = 8
    widths: tuple = (24, 48, 96)
    coefficients: int = 14

    def to_dict(self) -> dict:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> LivenessConfig:
        """From `to_dict`'s."""
        return cls(**{**values, "widths": tuple(values["widths"])})


def convolution(inputs: int, outputs: int, *, size: int = 1, stride: int = 1, groups: int = 1):
    """Convolution and BatchNorm; zero padding keeps the size at stride 1."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Halve(nn.Module):
    """Depthwise 3x3 of stride 2, then 1x1 and ReLU: (N, C, H, W) to (N, C', H/2, W/2)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.depthwise = convolution(inputs, inputs, size=3, stride=2, groups=inputs)
        self.pointwise = convolution(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H/2, W/2)."""
        return torch.relu(self.pointwise(self.depthwise(x)))


class Block(nn.Module):
    """y = ReLU(x + P2(ReLU(P1(D(x))))): depthwise 3x3, 1x1 to twice the channels, 1x1 back."""

    def __init__(self, channels: int, *, expansion: int = 2):
        super().__init__()
        self.depthwise = convolution(channels, channels, size=3, groups=channels)
        self.expand = convolution(channels, expansion * channels)
        self.project = convolution(expansion * channels, channels)
        nn.init.constant_(self.project[1].weight, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        inner = torch.relu(self.expand(self.depthwise(x)))
        return torch.relu(x + self.project(inner))


def whole_map(channels: int, side: int) -> nn.Sequential:
    """(N, C, side, side) to (N, C, 1, 1) by a depthwise convolution as large as the map."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, side, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class ViewBranch(nn.Module):
    """(N, 3, S, S) pixels to (N, C, 1, 1): what the view shows."""

    def __init__(self, config: LivenessConfig, size: int):
        super().__init__()
        a, b, c = config.widths
        self.body = nn.Sequential(
            convolution(3, config.stem, size=3, stride=2),
            nn.ReLU(),
            Halve(config.stem, a),
            Block(a),
            Halve(a, b),
            Block(b),
            Halve(b, c),
            Block(c),
        )
        self.read = whole_map(c, size // 16)

    def forward(self, view: Tensor) -> Tensor:
        """Map (N, 3, S, S) to (N, C, 1, 1)."""
        return self.read(self.body(view))


def cosine_filters(count: int) -> np.ndarray:
    """(2·count, 1, 8, 8) float32: the ``count`` highest rows of an 8x8 cosine transform, +, -.

    The constant and the six lowest are left out: they are the face, not its texture. Both signs,
    so that a ReLU after them keeps how large a coefficient is.
    """
    n = np.arange(8)
    rows = np.cos(np.pi * (2 * n[None] + 1) * n[:, None] / 16) / 2
    rows[0] /= np.sqrt(2)
    order = sorted(((u, v) for u in range(8) for v in range(8)), key=lambda p: (p[0] + p[1], p))
    picked = np.linspace(6, 63, count).round().astype(int)
    filters = np.stack([np.outer(rows[u], rows[v]) for u, v in (order[i] for i in picked)])
    return np.concatenate([filters, -filters])[:, None].astype(np.float32)


class TextureBranch(nn.Module):
    """(N, 3, S, S) pixels to (N, C, 1, 1): how large which frequencies are where.

    The first two convolutions are frozen: luma, then the cosine transform of 8x8 blocks four pixels
    apart. BatchNorm after it whitens: natural pictures have little in high frequencies.
    """

    def __init__(self, config: LivenessConfig, size: int):
        super().__init__()
        a, b, c = config.widths
        filters = torch.from_numpy(cosine_filters(config.coefficients))
        channels = len(filters)
        self.luma = nn.Conv2d(3, 1, 1, bias=False)
        self.luma.weight = nn.Parameter(torch.tensor(LUMA).view(1, 3, 1, 1), requires_grad=False)
        self.transform = nn.Conv2d(1, channels, 8, 4, 2, bias=False)
        self.transform.weight = nn.Parameter(filters, requires_grad=False)
        self.whiten = nn.BatchNorm2d(channels)
        self.body = nn.Sequential(
            convolution(channels, a),
            nn.ReLU(),
            Halve(a, b),
            Block(b, expansion=1),
            Halve(b, c),
            Block(c, expansion=1),
        )
        self.read = whole_map(c, size // 16)

    def forward(self, view: Tensor) -> Tensor:
        """Map (N, 3, S, S) to (N, C, 1, 1)."""
        return self.read(self.body(torch.relu(self.whiten(self.transform(self.luma(view))))))


class AttentionFusion(nn.Module):
    """K vectors (N, C, 1, 1) to one: sum of softmax(scores)·vectors, and a residual layer on it."""

    def __init__(self, channels: int, count: int):
        super().__init__()
        self.scores = nn.ModuleList(nn.Conv2d(channels, 1, 1) for _ in range(count))
        self.mix = nn.Conv2d(channels, channels, 1)

    def weights(self, vectors: list) -> Tensor:
        """(N, K, 1, 1), each row summing to 1: how much each branch counts for this face."""
        scores = [score(vector) for score, vector in zip(self.scores, vectors)]
        return torch.softmax(torch.cat(scores, 1), 1)

    def forward(self, vectors: list) -> Tensor:
        """Map K times (N, C, 1, 1) to (N, C, 1, 1)."""
        weights = self.weights(vectors)
        fused = sum(weights[:, i : i + 1] * vector for i, vector in enumerate(vectors))
        return fused + torch.relu(self.mix(fused))


class LivenessNet(nn.Module):
    """Tight (N, 3, T, T) and wide (N, 3, W, W) float32 views, -1 to 1, BGR, to logits (N, 1).

    Over 0: live. `all_logits` gives each branch's own logit beside the fused one, for training.
    """

    def __init__(self, config: LivenessConfig = LivenessConfig()):
        super().__init__()
        self.config = config
        self.tight = ViewBranch(config, config.tight_size)
        self.texture = TextureBranch(config, config.tight_size)
        self.wide = ViewBranch(config, config.wide_size)
        channels = config.widths[-1]
        self.fusion = AttentionFusion(channels, len(BRANCHES))
        self.logit = nn.Conv2d(channels, 1, 1)
        self.own = nn.ModuleList(nn.Conv2d(channels, 1, 1) for _ in BRANCHES)

    def vectors(self, tight: Tensor, wide: Tensor) -> list:
        """A vector (N, C, 1, 1) of each branch, in the order of BRANCHES."""
        return [self.tight(tight), self.texture(tight), self.wide(wide)]

    def forward(self, tight: Tensor, wide: Tensor) -> Tensor:
        """Return the logits (N, 1)."""
        return self.logit(self.fusion(self.vectors(tight, wide))).flatten(1)

    def all_logits(self, tight: Tensor, wide: Tensor) -> Tensor:
        """Return (N, 4): the fused logit, then each branch's own."""
        vectors = self.vectors(tight, wide)
        fused = self.logit(self.fusion(vectors))
        own = [read(vector) for read, vector in zip(self.own, vectors)]
        return torch.cat([fused, *own], 1).flatten(1)


def multiply_adds(net: LivenessNet) -> int:
    """Multiply-adds of one face, convolutions counted, each branch's own logit left out."""
    total = 0

    def count(layer: nn.Conv2d, _: tuple, output: Tensor) -> None:
        nonlocal total
        total += output[0, 0].numel() * layer.weight.numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    config = net.config
    with torch.no_grad():
        net.eval()(
            torch.zeros(1, 3, config.tight_size, config.tight_size),
            torch.zeros(1, 3, config.wide_size, config.wide_size),
        )
    for hook in hooks:
        hook.remove()
    return total
