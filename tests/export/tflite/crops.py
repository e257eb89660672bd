"""What the tests of the TFLite writer start from: the real checkpoint, crops of a portrait."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeface.align import align
from edgeface.pipeline import Pipeline

CHECKPOINT = Path(__file__).parents[3] / "export" / "checkpoints" / "dsanet_s.pt"
VIEWS = 12


def views(pipeline: Pipeline, portrait: np.ndarray) -> np.ndarray:
    """Return RGB crops (12, 112, 112, 3) of a portrait's face, moved by a few pixels, mirrored."""
    rng = np.random.default_rng(0)
    landmarks = pipeline.largest_face(portrait).landmarks
    moved = landmarks + rng.normal(0, 2, (VIEWS, *landmarks.shape)).astype(np.float32)
    return np.stack([align(portrait, m)[:, :: (-1) ** i, ::-1] for i, m in enumerate(moved)])
