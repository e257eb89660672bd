"""The pipeline's stages one by one, on a generated picture: no photo is needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

from edgeface.align import TEMPLATE, align
from edgeface.artefact import Artefact
from edgeface.bench.figures import percentiles
from edgeface.bench.models import open_models, rounds
from edgeface.bundle import Bundle
from edgeface.detect import Detector
from edgeface.embed import Embedder
from edgeface.quality import assess

WARMUP = 10
MIN_RUNS = 1
_WIDTH, _HEIGHT = 640, 480
_LANDMARKS = TEMPLATE * 1.5 + np.float32((236, 140))  # a face of 170 pixels in the middle


def time_stages(
    bundle: Bundle, artefact: Artefact, *, runs: int, seconds: float, threads: int = 1
) -> dict[str, Any]:
    """Time detect, align (with the quality gate) and embed for one face of a 640x480 picture.

    The detector searches the picture, and finds what it finds; alignment and embedding then take
    five landmarks in its middle.

    Returns
    -------
    dict
        Plain JSON values: a row of percentiles per stage, and for the three together.
    """
    picture = scene()
    with open_models(bundle, [artefact], threads=threads) as (detector, (embedder,)):
        steps = _steps(bundle, Detector(bundle.stage("detector"), detector),
                       Embedder(artefact, embedder))  # fmt: skip
        for _ in range(WARMUP):
            dict(_timed(steps, picture))
        spent = [
            dict(_timed(steps, picture)) for _ in rounds(runs, seconds=seconds, least=MIN_RUNS)
        ]
    times = {stage: [one[stage] for one in spent] for stage in spent[0]}
    times["together"] = [sum(one.values()) for one in spent]
    return {
        "batch": 1,
        "warmup": WARMUP,
        "runs": len(spent),
        "rows": {stage: percentiles(series) for stage, series in times.items()},
    }


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


def _steps(
    bundle: Bundle, detector: Detector, embedder: Embedder
) -> dict[str, Callable[[np.ndarray], Any]]:
    limits = bundle.manifest["quality"]
    crop = align(scene(), _LANDMARKS)

    def align_and_judge(picture: np.ndarray) -> None:
        cut = align(picture, _LANDMARKS)
        assess(picture, landmarks=_LANDMARKS, crop=cut, limits=limits)

    return {
        "detect": detector.detect,
        "align": align_and_judge,
        "embed": lambda _: embedder.embed(crop),
    }


def _timed(
    steps: dict[str, Callable[[np.ndarray], Any]], picture: np.ndarray
) -> Iterator[tuple[str, float]]:
    for stage, step in steps.items():
        start = time.perf_counter()
        step(picture)
        yield stage, time.perf_counter() - start
