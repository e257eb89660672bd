"""The embedding teacher: EdgeFace-XS (Idiap, BSD-3-Clause), through timm.

Needs export/requirements-importers.txt; used to train, never shipped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from export import faces
from export.importers.edgeface import build
from export.importers.state import read_state

FEATURES = ((32, 28), (64, 14), (100, 7))


def normalise(images: np.ndarray) -> Tensor:
    """Map RGB uint8 (N, 112, 112, 3) to float32 (N, 3, 112, 112), channels last, in [-1, 1]."""
    return (torch.from_numpy(images).float() - faces.MEAN).div_(faces.STD).permute(0, 3, 1, 2)


class Teacher(nn.Module):
    """Gives the three feature maps that a student imitates, and the embedding."""

    def __init__(self, weights: Path):
        super().__init__()
        self.net = build(read_state(weights), file=weights)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return ([28×28×32, 14×14×64, 7×7×100 as NCHW], unit embedding (N, 512))."""
        features, x = [], self.net.stem(image)
        for stage in self.net.stages:
            x = stage(x)
            features.append(x)
        embedding = self.net.head(self.net.norm_pre(x))
        return features[:3], nn.functional.normalize(embedding)
