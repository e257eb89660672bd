"""What the RKNN tests stand on: a board with the fake NPU, and a model small enough to reckon."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.backends.rknn import RknnBackend
from tests.fakes.make import Fakes
from tests.fakes.network_layout import clipping
from tests.fakes.rknn_fake import rknn_file

SIDE, HIGH = 8, 200
WORDS = "EDGEFACE_FAKE_RKNN"
STAGE: Mapping[str, Any] = {
    "format": "rknn",
    "input": {
        "name": "image",
        "layout": "NHWC",
        "dtype": "uint8",
        "colour": "RGB",
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "height": SIDE,
        "width": SIDE,
    },
    "outputs": ["feature"],
    "needs": {"rknpu": "0.9.6", "librknnrt": "2.3.0"},
    "chip": None,
}
MODEL = rknn_file(clipping(SIDE, high=HIGH))


class FakeNpu:
    """The loaded fake library: what it holds, to see that nothing is left."""

    def __init__(self, fakes: Fakes) -> None:
        self.library: Path = fakes.library("librknnrt.so")
        self.root: Path = fakes.root("rknn")
        self._calls = ctypes.CDLL(str(self.library))

    @property
    def contexts(self) -> int:
        """Contexts that were made and not destroyed."""
        return self._calls.fake_rknn_live_contexts()

    @property
    def outputs(self) -> int:
        """Outputs that were got and not released."""
        return self._calls.fake_rknn_live_outputs()

    @property
    def mask(self) -> int:
        """The core mask of the context made last; 0 where none was set."""
        return self._calls.fake_rknn_last_mask()


def opened(**stage: object) -> RknnBackend:
    """The small model, with parts of its stage replaced."""
    return RknnBackend(MODEL, stage={**STAGE, **stage}, name="embedder")


def pictures(count: int, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Random rows."""
    rng = np.random.default_rng(seed)
    return {"image": rng.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)}


def reckoned(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """What the small model must give for `inputs`."""
    pixels = np.moveaxis(inputs["image"], 3, 1).astype(np.float32)
    return np.minimum(pixels, np.float32(HIGH))
