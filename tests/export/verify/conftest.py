"""One small build for all tests of verification: made once, it takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.source import Source
from export.tflite import convert
from export.verify.embed import Candidate
from tests.export.verify import build


@pytest.fixture(scope="session")
def portrait_crops(pipeline, astronaut_bgr, grace_hopper_bgr) -> list[np.ndarray]:
    """The two public portraits, aligned, RGB."""
    return build.portrait_crops(pipeline, astronaut_bgr, grace_hopper_bgr)


@pytest.fixture(scope="session")
def work(tmp_path_factory) -> Path:
    """The build's folder."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="session")
def source(work) -> Source:
    """The float network of the real checkpoint."""
    return build.float_source(work)


@pytest.fixture(scope="session")
def sound(source, work, portrait_crops) -> list[Candidate]:
    """The whole INT8 file, and the backbone with the INT8 head, soundly calibrated."""
    crops = build.views(portrait_crops, seed=2, count=32).crops
    return build.int8_candidates(source, crops, work / "onnx")


@pytest.fixture(scope="session")
def tflite(source, portrait_crops, tmp_path_factory) -> Candidate:
    """The split INT8 TFLite file with the INT8 head, in a build of its own."""
    crops = build.views(portrait_crops, seed=2, count=16).crops
    folder = tmp_path_factory.mktemp("tflite_work") / "tflite"
    made = convert(source, variant="split", calibration=crops, folder=folder)
    return Candidate(made, folder, "int8")
