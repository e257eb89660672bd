"""Faces without pictures, for rules that look at boxes, embeddings and measures alone."""

from __future__ import annotations

import numpy as np

from edgeface.face import Face
from edgeface.quality import Quality

GOOD = {
    "eye_distance_px": 60.0,
    "sharpness": 0.05,
    "yaw": 0.0,
    "brightness": 120.0,
    "contrast": 40.0,
    "visible": 1.0,
}


def person(number: int, *, likeness: float = 0.9, frame: int = 0) -> np.ndarray:
    """Return an embedding of a person: about `likeness` to the person's others, 0 to anybody's."""
    own = np.random.default_rng(number).normal(size=512)
    noise = np.random.default_rng(1000 + 7919 * frame + number).normal(size=512)
    mixed = np.sqrt(likeness) * own + np.sqrt(1 - likeness) * noise
    return (mixed / np.linalg.norm(mixed)).astype(np.float32)


def face(
    embedding: np.ndarray,
    *,
    x: float = 100.0,
    y: float = 100.0,
    size: float = 100.0,
    reasons: tuple[str, ...] = (),
    **measured: float,
) -> Face:
    """Return a face with a square box; quality is good but for what is given."""
    quality = Quality(ok=not reasons, reasons=reasons, **{**GOOD, **measured})
    return Face((x, y, size, size), 0.9, np.zeros((5, 2), np.float32), quality, embedding)
