"""Live photos of people whom the liveness network never saw, with the shipped detector's faces.

CelebA is split in two by file name: a threshold is chosen on one half, and measured on the other.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from edgeface.backends import open_backend
from edgeface.bundle import Bundle
from edgeface.detect import Detector
from export.detector_data import read_tar_images
from export.errors import ExportError
from export.liveness_frame import Frame
from export.liveness_scene import SIDE

CELEBA, LFW = "celeba240/scenes320.tar", "lfw_view1/dev_test_raw.tar"
HALVES = ("threshold", "measuring")


@lru_cache(maxsize=1)
def detector() -> Detector:
    """The detector of edgeface's own bundle."""
    bundle = Bundle.open(board=None)
    stage = bundle.stage("detector")
    return Detector(stage, open_backend(stage, bundle.read(stage["file"]), name="detector"))


def found_face(image: np.ndarray) -> Frame | None:
    """The photo with its largest face, or None."""
    faces = detector().detect(image)
    if not faces:
        return None
    face = max(faces, key=lambda one: one.box[2] * one.box[3])
    return Frame(image, np.asarray(face.box, np.float32), face.landmarks.astype(np.float32))


def half_of(name: str) -> str:
    """Which of HALVES a CelebA file belongs to."""
    return HALVES[zlib.crc32(name.encode()) % 2]


def celeba(folder, *, half: str) -> list[Frame]:
    """The photos of one half in which a face is found.

    Raises
    ------
    ExportError
        The archive is not there.
    """
    names = (pair for pair in _photos(folder, CELEBA) if half_of(pair[0]) == half)
    return [frame for _, image in names if (frame := found_face(image)) is not None]


def lfw(folder, *, limit=None) -> list[Frame]:
    """LFW's raw photos with a face; only ever measured on."""
    frames = []
    for _, image in _photos(folder, LFW):
        frame = found_face(image)
        if frame is not None:
            frames.append(frame)
        if len(frames) == limit:
            break
    return frames


def _photos(folder, archive: str):
    path = Path(folder) / archive
    if not path.is_file():
        raise ExportError(f"{path} is missing: give the folder that holds {archive}")
    return read_tar_images(path)


def shown(frame: Frame) -> Frame:
    """The photo as what an attack shows: its largest square around the face, SIDE x SIDE."""
    height, width = frame.image.shape[:2]
    side = min(height, width)
    x, y, w, h = frame.box
    left = int(np.clip(x + w / 2 - side / 2, 0, width - side))
    top = int(np.clip(y + h / 2 - side / 2, 0, height - side))
    square = frame.image[top : top + side, left : left + side]
    scale = SIDE / side
    image = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    box = np.array([x - left, y - top, w, h], np.float32) * np.float32(scale)
    landmarks = (frame.landmarks - np.float32([left, top])) * np.float32(scale)
    return Frame(image, box, landmarks.astype(np.float32))
