"""The two portraits in the public domain that Python packages come with."""

from __future__ import annotations

import cv2
import numpy as np
import pytest


def astronaut() -> np.ndarray:
    """Eileen Collins, from scikit-image: (512, 512, 3) uint8 BGR; skips without it."""
    data = pytest.importorskip("skimage.data", reason="pip install 'edgeface[demo]'")
    return cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)


def grace_hopper() -> np.ndarray:
    """Grace Hopper, from matplotlib: (600, 512, 3) uint8 BGR; skips without it."""
    cbook = pytest.importorskip("matplotlib.cbook", reason="pip install 'edgeface[demo]'")
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        encoded = np.frombuffer(file.read(), dtype=np.uint8)
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)
