"""Fixtures that every test may use: the shared data folder and real photos."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from tests.portraits import astronaut, grace_hopper

if TYPE_CHECKING:
    from edgeface.pipeline import Pipeline
    from tests.fakes.make import Fakes

ROOT = Path(__file__).resolve().parent.parent
DATA_VARIABLE = "EDGEFACE_DATA"
FAKES = "EDGEFACE_FAKES"

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # some tests import onnxruntime themselves
# Whoever runs the tests may have configured this machine: they are to find nothing configured.
os.environ["EDGEFACE_CONFIG"] = os.devnull
os.environ.pop("EDGEFACE_BOARD_ROOT", None)


@pytest.fixture(autouse=True)
def denormals_kept() -> Iterator[None]:
    """Training turns denormal floats off for its process; the other tests need them."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Faces for training and measuring; too large, and not ours, to be in the repository."""
    folder = Path(os.environ.get(DATA_VARIABLE, ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}; set {DATA_VARIABLE} to one")
    return folder


@pytest.fixture(scope="session")
def astronaut_bgr() -> np.ndarray:
    """Eileen Collins, the portrait that comes with scikit-image: (512, 512, 3) uint8 BGR."""
    return _read_only(_packed_portrait("astronaut") if FAKES in os.environ else astronaut())


@pytest.fixture(scope="session")
def grace_hopper_bgr() -> np.ndarray:
    """Grace Hopper, the portrait that comes with matplotlib: (600, 512, 3) uint8 BGR."""
    return _read_only(_packed_portrait("grace_hopper") if FAKES in os.environ else grace_hopper())


def _packed_portrait(name: str) -> np.ndarray:
    """A portrait out of the fakes' folder: an emulated board has no package that has it."""
    return cv2.imread(str(Path(os.environ[FAKES], f"{name}.png")))


def _read_only(image: np.ndarray) -> np.ndarray:
    # Shared by the session: a test that writes to it would change another's input.
    image.flags.writeable = False
    return image


@pytest.fixture(scope="session")
def pipeline() -> Iterator[Pipeline]:
    """The default bundle, ready: real models on the real runtime."""
    from edgeface.pipeline import Pipeline

    with Pipeline.open() as opened:
        yield opened


@pytest.fixture(scope="session")
def photos(
    tmp_path_factory: pytest.TempPathFactory,
    astronaut_bgr: np.ndarray,
    grace_hopper_bgr: np.ndarray,
) -> Path:
    """A folder with collins.png, collins_mirrored.jpg, hopper.jpg, both.jpg and nobody.png."""
    folder = tmp_path_factory.mktemp("photos")
    height = astronaut_bgr.shape[0]
    both = [astronaut_bgr, grace_hopper_bgr[:height]]
    pictures = {
        "collins.png": astronaut_bgr,
        "collins_mirrored.jpg": astronaut_bgr[:, ::-1],
        "hopper.jpg": grace_hopper_bgr,
        "both.jpg": np.hstack(both),
        "nobody.png": np.full((240, 320, 3), 128, np.uint8),
    }
    for name, picture in pictures.items():
        assert cv2.imwrite(str(folder / name), picture)
    return folder


@pytest.fixture(scope="session")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Fakes:
    """Fake NPUs' libraries, model files and bundle: made here, or those of EDGEFACE_FAKES."""
    from tests.fakes.make import ready_fakes

    return ready_fakes(tmp_path_factory.mktemp("fakes"))
