"""Synthetic inputs for a bundle's self-test: coloured discs on gradients, no photo of anybody."""

from __future__ import annotations

import cv2
import numpy as np

DISCS = 14


def picture(height: int, width: int, *, seed: int) -> np.ndarray:
    """Return a (height, width, 3) uint8 picture; the same for the same seed."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, 1, width)[None, :, None] * rng.uniform(40, 160, 3)
    image = np.ascontiguousarray(np.broadcast_to(slope, (height, width, 3)).astype(np.uint8))
    for _ in range(DISCS):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = tuple(int(v) for v in rng.integers(4, max(6, min(height, width) // 3), 2))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        cv2.ellipse(image, centre, axes, float(rng.integers(180)), 0, 360, colour, -1)
    return image


def normalised(stage: dict, pictures: list) -> np.ndarray:
    """Turn pictures into a stage's network input (N, 3, H, W) float32, as its manifest says."""
    spec = stage["input"]
    pixels = np.stack(pictures).astype(np.float32)
    values = (pixels - np.float32(spec["mean"])) / np.float32(spec["std"])
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
