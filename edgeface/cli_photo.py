"""Photos on the command line: read, analysed and timed."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeface.errors import NoFaceError
from edgeface.face import Face
from edgeface.image import read_image
from edgeface.pipeline import Pipeline


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo file, its pixels, its faces (largest first), and milliseconds per stage."""

    path: str
    image: np.ndarray
    faces: tuple[Face, ...]
    milliseconds: dict[str, float]


def analyze_photo(pipeline: Pipeline, path: str | os.PathLike[str]) -> Photo:
    """Read and analyse one file that must show at least one face.

    Raises
    ------
    ImageError
        The file cannot be read.
    NoFaceError
        There is no face in it; the text names the file.
    """
    start = time.perf_counter()
    image = read_image(path)
    decode = (time.perf_counter() - start) * 1000
    analysis = pipeline.analyze_timed(image)
    if not analysis.faces:
        height, width = image.shape[:2]
        raise NoFaceError(
            f"{path}: no face found ({width}x{height} pixels); use a photo with an upright face, "
            "lit from the front and large enough"
        )
    return Photo(str(path), image, analysis.faces, {"decode": decode, **analysis.milliseconds})


def short_name(photo: Photo) -> str:
    """Return the file's name without its folders."""
    return Path(photo.path).name
