"""Detect: a photo to boxes, scores and five landmarks per face, in two looks by one network.

The first look finds faces in the whole photo. The second takes each face alone, turned upright
and brought to one size: it places the landmarks more exactly and must find the face again.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from operator import attrgetter
from typing import Any

import cv2
import numpy as np

from edgeface.backends import Backend
from edgeface.detect_grid import Candidates, Detection, decode, merge
from edgeface.detect_look import FIRST_LOOK_SHARE, LOOK_SIDE, close_up, settle
from edgeface.errors import BundleIncompatibleError
from edgeface.image import require_image

__all__ = ["Detection", "Detector"]

MAX_ENLARGEMENT = 4.0
"""Photos are enlarged by this at most: beyond it there is no detail to find a face by."""

MAX_LOOKS = 16
"""Close-ups per inference: bounds the memory of a photo with a hundred faces."""


class Detector:
    """The bundle's face detector.

    The photo's longest side is brought to the manifest's ``max_side``; small photos are enlarged,
    four times at most, because small faces are found less well: of CelebA faces in photos of 96
    pixels 39 % as they are, 90 % enlarged to 224; in photos of 250 pixels 92 % as they are,
    96 % at 320. Then black is added at the right and at the bottom up to the manifest's
    ``multiple``, and to 96 pixels at least.

    Parameters
    ----------
    stage
        The manifest's "detector" entry.
    backend
        The loaded model. It stays the caller's to close.

    Raises
    ------
    BundleIncompatibleError
        The network wants an input that this version does not prepare.
    """

    def __init__(self, stage: Mapping[str, Any], backend: Backend) -> None:
        spec = stage["input"]
        _require_supported(spec)
        self._backend = backend
        self._input = spec["name"]
        self._rgb = spec["colour"] == "RGB"
        self._mean = np.asarray(spec["mean"], np.float32).reshape(3, 1, 1)
        self._scale = 1 / np.asarray(spec["std"], np.float32).reshape(3, 1, 1)
        self._max_side = int(spec["max_side"])
        self._multiple = int(spec["multiple"])
        self._looks_again = "shape" in stage["outputs"]
        self._strides = tuple(int(stride) for stride in stage["strides"])
        self._score_threshold = float(stage["score_threshold"])
        self._nms_iou = float(stage["nms_iou"])

    def detect(self, image: np.ndarray) -> tuple[Detection, ...]:
        """Find the faces of a photo.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR.

        Returns
        -------
        tuple of Detection
            Best score first; empty when there is no face.

        Raises
        ------
        TypeError, ValueError
            Not such an image.
        InferenceError
            The run failed or gave NaN or Inf.
        """
        image = require_image(image)
        scaled, ratio = self._fit(image)
        outputs = self._backend.run({self._input: self._network_input(scaled)})
        found = merge(self._decode(outputs), overlap=self._nms_iou)
        faces = [_rescaled(face, ratio) for face in found]
        if self._looks_again:
            starts = range(0, len(faces), MAX_LOOKS)
            groups = [self._look_again(image, faces[i : i + MAX_LOOKS]) for i in starts]
            faces = sorted(chain.from_iterable(groups), key=attrgetter("score"), reverse=True)
        return tuple(faces)

    def _look_again(self, image: np.ndarray, faces: list[Detection]) -> list[Detection]:
        looks = [close_up(image, face) for face in faces]
        batch = np.concatenate([self._network_input(look.crop) for look in looks])
        outputs = self._backend.run({self._input: batch})
        settled = [
            settle(face, look, shape=outputs["shape"][index], found=self._decode(outputs, index))
            for index, (face, look) in enumerate(zip(faces, looks))
        ]
        return [face for face in settled if face.score >= self._score_threshold]

    def _decode(self, outputs: Mapping[str, np.ndarray], index: int = 0) -> Candidates:
        # With two looks a first one so low can still reach the threshold, if the second is sure.
        least = self._score_threshold ** (1 / FIRST_LOOK_SHARE if self._looks_again else 1)
        return decode(outputs, strides=self._strides, score_threshold=least, index=index)

    def _fit(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The image at the network's scale, and image pixels per network pixel as (x, y)."""
        height, width = image.shape[:2]
        scale = min(self._max_side / max(height, width), MAX_ENLARGEMENT)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(image, size, interpolation=method)
        return scaled, np.array([width / size[0], height / size[1]], np.float32)

    def _network_input(self, image: np.ndarray) -> np.ndarray:
        """(1, 3, H, W) float32, padded and normalised as the manifest says."""
        bottom, right = (max(-side % self._multiple, LOOK_SIDE - side) for side in image.shape[:2])
        padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(0,) * 3)
        planes = padded[..., ::-1] if self._rgb else padded
        values = np.ascontiguousarray(planes.transpose(2, 0, 1), np.float32)
        values -= self._mean
        values *= self._scale
        return values[None]


def _rescaled(face: Detection, ratio: np.ndarray) -> Detection:
    """From network pixels to image pixels, both measured from the middle of the first pixel."""
    box = np.asarray(face.box) * np.tile(ratio, 2)
    box[:2] += (ratio - 1) / 2
    landmarks = face.landmarks * ratio + (ratio - 1) / 2
    return Detection(tuple(float(value) for value in box), face.score, landmarks)


def _require_supported(spec: Mapping[str, Any]) -> None:
    found = (spec["layout"], spec["dtype"], spec["height"], spec["width"])
    expected = ("NCHW", "float32", None, None)
    if found != expected:
        raise BundleIncompatibleError(
            f"detector: input (layout, dtype, height, width) is {found}, this version feeds "
            f"{expected}; use a bundle whose detector takes that"
        )
