"""The toolkit's environment, a real checkpoint as a Source, and faces to calibrate on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeface.align import align
from edgeface.pipeline import Pipeline
from export import faces
from export.checkpoint import load_checkpoint
from export.errors import ExportError
from export.preprocessing import Preprocessing
from export.rknn import toolkit
from export.source import Source
from export.to_onnx import export_float

CHECKPOINT = Path(__file__).parents[3] / "export" / "checkpoints" / "dsanet_s.pt"


@pytest.fixture(scope="session")
def environment() -> Path:
    """Folder of rknn-toolkit2's environment; skips without one."""
    try:
        return toolkit.python().parents[1]
    except ExportError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The shipped embedder in float."""
    net = load_checkpoint(CHECKPOINT)
    path = tmp_path_factory.mktemp("float") / "whole.onnx"
    export_float(net, path)
    return Source(name="dsanet_s", onnx=path, preprocessing=Preprocessing(), dim=512, net=net)


@pytest.fixture(scope="session")
def face_crops(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> Callable[[int], np.ndarray]:
    """Views of the two public portraits, RGB uint8 (N, 112, 112, 3): as many as asked for."""
    cut = [
        align(photo, pipeline.largest_face(photo).landmarks)[:, :, ::-1]
        for photo in (astronaut_bgr, grace_hopper_bgr)
    ]

    def views(count: int) -> np.ndarray:
        rng = np.random.default_rng(0)
        return np.stack([faces.view(cut[index % 2], rng) for index in range(count)])

    return views
