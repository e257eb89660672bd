"""The shipped embedder as a Source, and faces to calibrate on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeface.align import align
from edgeface.pipeline import Pipeline
from export import faces, nbg
from export.artefact import Artefact
from export.checkpoint import load_checkpoint
from export.preprocessing import Preprocessing
from export.source import Source
from export.to_onnx import export_float

CHECKPOINT = Path(__file__).parents[3] / "export" / "checkpoints" / "dsanet_s.pt"


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    net = load_checkpoint(CHECKPOINT)
    path = tmp_path_factory.mktemp("float") / "whole.onnx"
    export_float(net, path)
    return Source(name="dsanet_s", onnx=path, preprocessing=Preprocessing(), dim=512, net=net)


@pytest.fixture(scope="session")
def crops(
    pipeline: Pipeline, astronaut_bgr: np.ndarray, grace_hopper_bgr: np.ndarray
) -> np.ndarray:
    """40 views of the two public portraits, RGB uint8."""
    cut = [
        align(photo, pipeline.largest_face(photo).landmarks)[:, :, ::-1]
        for photo in (astronaut_bgr, grace_hopper_bgr)
    ]
    rng = np.random.default_rng(0)
    return np.stack([faces.view(cut[index % 2], rng) for index in range(40)])


@pytest.fixture(scope="session")
def made(
    source: Source, crops: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Artefact, Path]:
    """The split kit from the first 32 views, and its folder."""
    folder = tmp_path_factory.mktemp("t527")
    return nbg.convert(source, variant="split", calibration=crops[:32], folder=folder), folder
