"""What a pipeline finds in a photo, and what it says of two faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeface.quality import Quality


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a photo.

    Attributes
    ----------
    box
        (x, y, width, height) in photo pixels; it may reach beyond the photo's edge.
    score
        The detector's confidence, 0 to 1.
    landmarks
        (5, 2) float32 photo pixels: right eye, left eye, nose, right and left mouth corner
        ("right" is the person's right).
    quality
        What the quality gate measured, and its verdict.
    embedding
        (512,) float32 of length 1.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray
    quality: Quality
    embedding: np.ndarray


@dataclass(frozen=True)
class Verification:
    """Whether two faces are one person's; true in a condition only when they are.

    `same` is ``score >= threshold``; both are cosines, -1 to 1.
    """

    same: bool
    score: float
    threshold: float

    def __bool__(self) -> bool:
        return self.same


@dataclass(frozen=True)
class Analysis:
    """Faces, largest first, and milliseconds of "detect", "align" (with quality) and "embed"."""

    faces: tuple[Face, ...]
    milliseconds: Mapping[str, float]
