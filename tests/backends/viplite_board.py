"""A fake T527 for tests: its library's counters, and small networks that it runs."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from edgeface.backends.viplite import VipliteBackend
from tests.fakes.network_layout import clipping
from tests.fakes.viplite_fake import nb_file, tensor

WORDS = "EDGEFACE_FAKE_VIP"
SIDE, HIGH = 8, 200
STAGE = {
    "format": "nbg",
    "input": {
        **{"name": "image", "layout": "NHWC", "dtype": "uint8", "colour": "RGB"},
        **{"mean": [0, 0, 0], "std": [1, 1, 1], "height": SIDE, "width": SIDE},
    },
    "outputs": ["feature"],
    "needs": {"viplite": "1.13"},
    "chip": "0x10000016",
}
PIXELS = tensor((1, SIDE, SIDE, 3), "uint8")
FEATURE = tensor((1, 3, SIDE, SIDE), "float32")


class FakeVip:
    """The library that the backend uses, seen from its other side."""

    def __init__(self, library: str) -> None:
        self.library = ctypes.CDLL(library)

    @property
    def alive(self) -> int:
        """Networks, buffers and initialisations that nobody freed."""
        return self.library.fake_vip_alive(0)


def model(given: Any = PIXELS, found: Any = FEATURE, **header: int) -> bytes:
    """Return an .nb file whose network gives the pixels, none above `HIGH`."""
    return nb_file(clipping(SIDE, high=HIGH), given, found, **header)


def opened(data: bytes | None = None, **stage: Any) -> VipliteBackend:
    """Open it as a bundle's backbone whose manifest says `stage` too."""
    data = model() if data is None else data
    return VipliteBackend(data, stage={**STAGE, **stage}, name="embedder")


def pictures(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return random pixels as the backend takes them."""
    shape = (rows, SIDE, SIDE, 3)
    return {"image": np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)}


def reckoned(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Return what the network makes of them."""
    return np.moveaxis(np.minimum(rows["image"], HIGH), 3, 1).astype(np.float32)
