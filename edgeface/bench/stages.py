"""The pipeline's stages one by one, on a generated picture: no photo is needed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache

import cv2
import numpy as np

from edgeface.align import TEMPLATE, align
from edgeface.artefact import Artefact
from edgeface.backends import Backend
from edgeface.bundle import Bundle
from edgeface.detect import Detector
from edgeface.embed import Embedder
from edgeface.quality import assess
from edgeface.split import SplitBackend

TOGETHER = "together"
BACKBONE, HEAD = "embed: backbone", "embed: head"
_WIDTH, _HEIGHT = 640, 480
_LANDMARKS = TEMPLATE * 1.5 + np.float32((236, 140))  # a face of 170 pixels in the middle


class Stages:
    """Detect, align (with the quality gate) and embed for one face of a 640x480 picture.

    The detector searches the picture, and finds what it finds; alignment and embedding then take
    five landmarks in its middle. It is given, as `scene` made it: to make it takes far longer than
    a first face, and more memory than a model.
    """

    def __init__(
        self,
        bundle: Bundle,
        picture: np.ndarray,
        *,
        detector: Backend,
        embedder: Backend,
        artefact: Artefact,
    ) -> None:
        self._split = (
            _TimedSplit(embedder, artefact) if isinstance(embedder, SplitBackend) else None
        )
        self._detector = Detector(bundle.stage("detector"), detector)
        self._embedder = Embedder(artefact, self._split or embedder)
        self._limits = bundle.manifest["quality"]
        self._picture = picture

    def timed(self) -> dict[str, float]:
        """Run every stage once; seconds per stage, per part of a split embedder, and together."""
        start = time.perf_counter()
        self._detector.detect(self._picture)
        detected = time.perf_counter()
        crop = align(self._picture, _LANDMARKS)
        assess(self._picture, landmarks=_LANDMARKS, crop=crop, limits=self._limits)
        aligned = time.perf_counter()
        self._embedder.embed(crop)
        end = time.perf_counter()
        spent = {"detect": detected - start, "align": aligned - detected, "embed": end - aligned}
        return {**spent, **(self._split.spent if self._split else {}), TOGETHER: end - start}


class _TimedSplit:
    """A split embedder that remembers how long its last backbone and head took."""

    def __init__(self, model: SplitBackend, artefact: Artefact) -> None:
        self._model = model
        self._embedding = artefact.embedding
        self.spent: dict[str, float] = {}

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows, backbone, head = run_split(self._model, inputs)
        self.spent = {BACKBONE: backbone, HEAD: head}
        return {self._embedding: rows}

    def close(self) -> None:
        self._model.close()


def run_split(
    model: SplitBackend, inputs: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, float, float]:
    """Return a split embedder's embeddings, and its backbone's and its head's seconds."""
    start = time.perf_counter()
    feature = model.feature(inputs)
    middle = time.perf_counter()
    rows = model.embed(feature)
    return rows, middle - start, time.perf_counter() - middle


@lru_cache(maxsize=1)
def scene() -> np.ndarray:
    """Return (480, 640, 3) uint8 BGR: a gradient with ellipses and grain, the same every time."""
    generator = np.random.default_rng(0)
    picture = np.linspace(40, 180, _WIDTH)[None, :, None] * np.ones((_HEIGHT, 1, 3))
    for _ in range(30):
        centre = generator.integers((_WIDTH, _HEIGHT)).tolist()
        axes = generator.integers(8, 120, 2).tolist()
        colour = generator.integers(0, 256, 3).tolist()
        cv2.ellipse(picture, centre, axes, float(generator.integers(180)), 0, 360, colour, -1)
    picture += generator.normal(0, 6, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)
