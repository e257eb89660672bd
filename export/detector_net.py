"""The detector network: score, box and five landmarks for every cell of three grids.

A depthwise-separable body (Howard et al. 2017, MobileNet) with strided convolutions instead of
pooling, a light feature pyramid (Lin et al. 2017) and RetinaFace-style multi-task heads (Deng et
al. 2020), one prior per cell and no anchors. ReLU only and BatchNorm that folds: every operator is
one that INT8 runtimes run fast.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

STRIDES = (8, 16, 32)
OUTPUT_NAMES = (
    *(f"{head}_{stride}" for stride in STRIDES for head in ("score", "box", "landmark")),
    "shape",
)
SHAPE_STRIDE, SHAPE_CELLS = 16, 6
MEAN_FACE = ((-0.19, -0.19), (0.19, -0.19), (0.0, 0.05), (-0.16, 0.24), (0.16, 0.24))
MEAN_SIDE = 4.2


@dataclass(frozen=True)
class DetectorConfig:
    """Widths and depths of the network; the defaults are what the default bundle holds.

    Attributes
    ----------
    stem, early : channels at stride 2 and at stride 4.
    widths : channels at strides 8, 16 and 32.
    depths : separable blocks at strides 8, 16 and 32, the strided one included.
    pyramid : channels of the feature pyramid and of the score and box heads.
    landmark_width, shape_width : channels of the cells' landmark head and of the close-up's branch.
    """

    stem: int = 8
    early: int = 24
    widths: tuple = (64, 96, 128)
    depths: tuple = (3, 4, 2)
    pyramid: int = 48
    landmark_width: int = 64
    shape_width: int = 64


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


class Heads(nn.Module):
    """Score, box and landmarks of one grid; one tower for the first two, one for the landmarks.

    All strides share one instance (as in FCOS, Tian et al. 2019): targets are in strides, so
    every face, whatever its size, teaches the same weights.
    """

    def __init__(self, config: DetectorConfig):
        super().__init__()
        self.face = separable(config.pyramid, config.pyramid)
        self.points = separable(config.pyramid, config.landmark_width)
        self.score = nn.Conv2d(config.pyramid, 1, 1)
        self.box = nn.Conv2d(config.pyramid, 4, 1)
        self.landmark = nn.Conv2d(config.landmark_width, 10, 1)
        self._initialise()

    def _initialise(self) -> None:
        """Start at a score of 0.01 (Lin et al. 2017, RetinaNet) and a mean face of four strides."""
        for layer in (self.score, self.box, self.landmark):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.score.bias, -4.6)
        with torch.no_grad():
            self.box.bias[2:] = math.log(MEAN_SIDE)
            self.landmark.bias.copy_(torch.tensor(MEAN_FACE).flatten() * MEAN_SIDE)

    def forward(self, features: torch.Tensor) -> tuple:
        face = self.face(features)
        return self.score(face), self.box(face), self.landmark(self.points(features))


class ShapeBranch(nn.Module):
    """Five landmarks of the one face in a 96x96 close-up, read off all its 6x6 cells at once.

    A cell's own landmark head must work wherever the face is; this branch knows where it is. It
    has nothing but the stem in common with the rest, so that it trains on its own, on close-ups
    alone, at several times the speed. All is convolution: larger inputs give a map of windows.
    """

    def __init__(self, config: DetectorConfig):
        super().__init__()
        width = config.shape_width
        self.body = nn.Sequential(
            separable(config.early, width, stride=2),
            separable(width, width),
            separable(width, width, stride=2),
            separable(width, width),
            convolution(width, width // 2),
        )
        self.read = nn.Conv2d(width // 2, 10, SHAPE_CELLS)
        nn.init.normal_(self.read.weight, std=0.005)
        with torch.no_grad():
            self.read.bias.copy_(torch.tensor(MEAN_FACE).flatten() * MEAN_SIDE)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.read(self.body(features))


class DetectorNet(nn.Module):
    """(N, 3, H, W) float32, H and W multiples of 32 and at least 96, to ten raw maps.

    For every stride s in 8, 16, 32, in the order of ``OUTPUT_NAMES``: score (N, 1, H/s, W/s)
    logits; box (N, 4, H/s, W/s): centre offset from the cell centre in strides, then the natural
    logarithm of width and height in strides; landmark (N, 10, H/s, W/s): x, y of the five points
    as offsets from the cell centre in strides. Last, shape (N, 10, H/16 - 5, W/16 - 5): the
    landmarks of a close-up of 96x96 pixels as offsets from its middle, in 16 pixels.
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
        self.heads = nn.ModuleList([Heads(config)] * len(STRIDES))
        self.shape = ShapeBranch(config)

    def forward(self, image: torch.Tensor) -> tuple:
        features = self.stem(image)
        return (*self.cells(features), self.shape(features))

    def cells(self, features: torch.Tensor) -> list:
        """The nine maps of the three grids from the stem's features."""
        laterals = []
        for block, lateral in zip(self.stages, self.laterals):
            features = block(features)
            laterals.append(lateral(features))
        outputs = []
        above = None
        for level in reversed(range(len(STRIDES))):
            above = self._merge(level, laterals[level], above)
            outputs = [*self.heads[level](above), *outputs]
        return outputs

    def unshared(self) -> DetectorNet:
        """A copy whose three strides have heads of their own, for export.

        The values are the same; a quantiser needs a bias of its own for every input scale.
        """
        copied = copy.deepcopy(self)
        copied.heads = nn.ModuleList(copy.deepcopy(self.heads[0]) for _ in STRIDES)
        return copied

    def _merge(self, level: int, lateral: torch.Tensor, above) -> torch.Tensor:
        if above is not None:
            lateral = lateral + functional.interpolate(above, scale_factor=2, mode="nearest")
        return self.merges[level](lateral)


def parameter_count(net: nn.Module) -> int:
    """Trainable parameters, BatchNorm's included."""
    return sum(parameter.numel() for parameter in net.parameters())
