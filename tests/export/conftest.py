"""Real faces without the data folder: the two public portraits, in many views."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface.align import align
from export import faces


@pytest.fixture(scope="session")
def portrait_views(pipeline, astronaut_bgr, grace_hopper_bgr) -> np.ndarray:
    """Augmented views of two aligned faces: (64, 112, 112, 3) RGB uint8."""
    rng = np.random.default_rng(7)
    crops = [
        align(photo, pipeline.largest_face(photo).landmarks)[:, :, ::-1]
        for photo in (astronaut_bgr, grace_hopper_bgr)
    ]
    return np.stack([faces.view(crops[i % 2], rng) for i in range(64)])
