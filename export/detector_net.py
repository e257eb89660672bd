"""The detector network: score, box and five landmarks for every cell of three grids.

A depthwise-separable body (Howard et al. 2017, MobileNet) with strided convolutions instead of
pooling, a light feature pyramid (Lin et al. 2017) and RetinaFace-style multi-task heads (Deng et
al. 2020), one prior per cell and no anchors. ReLU only and BatchNorm that folds: every operator is
one that INT8 runtimes run fast.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

STRIDES = (8, 16, 32)
HEADS = (("score", 1), ("box", 4), ("landmark", 10))
OUTPUT_NAMES = tuple(f"{head}_{stride}" for stride in STRIDES for head, _ in HEADS)


@dataclass(frozen=True)
class DetectorConfig:
    """Widths and depths of the network; the defaults are what the default bundle holds.

    Attributes
    ----------
    stem, early : channels at stride 2 and at stride 4.
    widths : channels at strides 8, 16 and 32.
    depths : separable blocks at strides 8, 16 and 32, the strided one included.
    pyramid : channels of the feature pyramid and of the heads.
    """

    stem: int = 8
    early: int = 24
    widths: tuple = (64, 96, 128)
    depths: tuple = (3, 4, 2)
    pyramid: int = 48


def convolution(inputs: int, outputs: int, *, size: int = 1, stride: int = 1, groups: int = 1):
    """Convolution, BatchNorm and ReLU; zero padding keeps the size at stride 1."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def separable(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """Depthwise 3x3 then pointwise 1x1, each with BatchNorm and ReLU."""
    return nn.Sequential(
        convolution(inputs, inputs, size=3, stride=stride, groups=inputs),
        convolution(inputs, outputs),
    )


def stage(inputs: int, outputs: int, *, depth: int) -> nn.Sequential:
    """A strided separable block followed by ``depth - 1`` blocks of stride 1."""
    blocks = [separable(inputs, outputs, stride=2)]
    blocks += [separable(outputs, outputs) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


class DetectorNet(nn.Module):
    """(N, 3, H, W) float32, H and W multiples of 32, to nine raw maps.

    For every stride s in 8, 16, 32, in the order of ``OUTPUT_NAMES``: score (N, 1, H/s, W/s)
    logits; box (N, 4, H/s, W/s): centre offset from the cell centre in strides, then the natural
    logarithm of width and height in strides; landmark (N, 10, H/s, W/s): x, y of the five points
    as offsets from the cell centre in strides.
    """

    def __init__(self, config: DetectorConfig = DetectorConfig()):
        super().__init__()
        self.config = config
        chain = (config.early, *config.widths)
        self.stem = nn.Sequential(
            convolution(3, config.stem, size=3, stride=2),
            separable(config.stem, config.early, stride=2),
        )
        self.stages = nn.ModuleList(
            stage(chain[i], chain[i + 1], depth=config.depths[i]) for i in range(3)
        )
        self.laterals = nn.ModuleList(convolution(w, config.pyramid) for w in config.widths)
        self.merges = nn.ModuleList(separable(config.pyramid, config.pyramid) for _ in STRIDES)
        self.towers = nn.ModuleList(separable(config.pyramid, config.pyramid) for _ in STRIDES)
        self.heads = nn.ModuleList(
            nn.ModuleDict({name: nn.Conv2d(config.pyramid, count, 1) for name, count in HEADS})
            for _ in STRIDES
        )
        self._initialise_heads()

    def _initialise_heads(self) -> None:
        """Start at a score of 0.01 (Lin et al. 2017, RetinaNet) and at boxes of four strides."""
        for head in self.heads:
            for layer in head.values():
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)
            nn.init.constant_(head["score"].bias, -4.6)
            with torch.no_grad():
                head["box"].bias[2:] = 1.4

    def forward(self, image: torch.Tensor) -> tuple:
        features = self.stem(image)
        laterals = []
        for block, lateral in zip(self.stages, self.laterals):
            features = block(features)
            laterals.append(lateral(features))
        outputs = []
        above = None
        for level in reversed(range(len(STRIDES))):
            above = self._merge(level, laterals[level], above)
            tower = self.towers[level](above)
            outputs = [self.heads[level][name](tower) for name, _ in HEADS] + outputs
        return tuple(outputs)

    def _merge(self, level: int, lateral: torch.Tensor, above) -> torch.Tensor:
        if above is not None:
            lateral = lateral + functional.interpolate(above, scale_factor=2, mode="nearest")
        return self.merges[level](lateral)


def parameter_count(net: nn.Module) -> int:
    """Trainable parameters, BatchNorm's included."""
    return sum(parameter.numel() for parameter in net.parameters())
