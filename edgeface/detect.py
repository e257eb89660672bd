"""Detect: a photo to boxes, scores and five landmarks per face.

The network gives three grids (strides 8, 16 and 32) with a score logit, a box and five landmarks
per cell; `decode` turns cells into candidates and `merge` candidates into faces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from edgeface.backends import Backend
from edgeface.errors import BundleIncompatibleError
from edgeface.image import require_image

MAX_CANDIDATES = 1000
"""Best-scored cells kept before merging: bounds the time of a photo full of faces."""

VOTE_OVERLAP = 0.6
"""Candidates that overlap a face by at least this IoU average its box and landmarks."""

_MAX_LOG_SIDE = 6.0


@dataclass(frozen=True, eq=False)
class Detection:
    """One face in a photo.

    Attributes
    ----------
    box
        x, y, width, height in image pixels; may reach beyond the image.
    score
        The detector's confidence, 0 to 1.
    landmarks
        (5, 2) float32 x, y in image pixels: right eye, left eye, nose, right and left mouth
        corner. "Right" is the person's right, on the left of the image.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray


@dataclass(frozen=True, eq=False)
class Candidates:
    """Cells above the threshold: boxes (N, 4) x, y, w, h; scores (N,); landmarks (N, 5, 2)."""

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray


class Detector:
    """The bundle's face detector.

    A photo whose longest side is over the manifest's ``max_side`` is shrunk to it; a smaller one
    is used as it is and **never enlarged**: faces down to about 20 pixels are found at the photo's
    own scale, and enlarging costs time without adding detail. Then black is added at the
    right and at the bottom up to the manifest's ``multiple``.

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
        candidates = decode(outputs, strides=self._strides, score_threshold=self._score_threshold)
        return tuple(_rescaled(face, ratio) for face in merge(candidates, overlap=self._nms_iou))

    def _fit(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The image at the network's scale, and image pixels per network pixel as (x, y)."""
        height, width = image.shape[:2]
        shrink = min(1.0, self._max_side / max(height, width))
        if shrink == 1.0:
            return image, np.ones(2, np.float32)
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return scaled, np.array([width / size[0], height / size[1]], np.float32)

    def _network_input(self, image: np.ndarray) -> np.ndarray:
        """(1, 3, H, W) float32, padded and normalised as the manifest says."""
        bottom, right = (-side % self._multiple for side in image.shape[:2])
        padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(0,) * 3)
        planes = padded[..., ::-1] if self._rgb else padded
        values = np.ascontiguousarray(planes.transpose(2, 0, 1), np.float32)
        values -= self._mean
        values *= self._scale
        return values[None]


def decode(
    outputs: Mapping[str, np.ndarray], *, strides: Sequence[int], score_threshold: float
) -> Candidates:
    """Turn raw maps into candidates at network scale, best score first.

    Parameters
    ----------
    outputs
        For every stride s: "score_s" (1, 1, H/s, W/s) logits; "box_s" (1, 4, H/s, W/s), the
        centre's offset from the cell's centre in strides, then log width and log height in
        strides; "landmark_s" (1, 10, H/s, W/s), x and y of five points as offsets in strides.
    strides
        Pixels per cell of each grid.
    score_threshold
        Candidates below are dropped, between 0 and 1.

    Returns
    -------
    Candidates
        At most `MAX_CANDIDATES`.
    """
    parts = [_decode_grid(outputs, stride, score_threshold) for stride in strides]
    boxes, scores, landmarks = (np.concatenate(column) for column in zip(*parts))
    best = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    return Candidates(boxes[best], scores[best], landmarks[best])


def _decode_grid(
    outputs: Mapping[str, np.ndarray], stride: int, score_threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    logits = outputs[f"score_{stride}"][0, 0]
    rows, columns = np.nonzero(logits >= _logit(score_threshold))
    scores = 1 / (1 + np.exp(-logits[rows, columns]))
    centres = (np.stack([columns, rows], 1).astype(np.float32) + 0.5) * stride
    box = outputs[f"box_{stride}"][0][:, rows, columns].T
    middle = centres + box[:, :2] * stride
    sides = np.exp(np.minimum(box[:, 2:], _MAX_LOG_SIDE)) * stride
    offsets = outputs[f"landmark_{stride}"][0][:, rows, columns].T.reshape(-1, 5, 2)
    boxes = np.hstack([middle - sides / 2, sides])
    return boxes, scores, centres[:, None] + offsets * stride


def merge(candidates: Candidates, *, overlap: float) -> tuple[Detection, ...]:
    """Suppress candidates that overlap a better one, then let overlapping candidates vote.

    Greedy non-maximum suppression picks the faces; the box and landmarks of each are the
    score-weighted mean over all candidates with an IoU of at least `VOTE_OVERLAP` (box voting,
    Gidaris & Komodakis 2015), which halves the jitter that quantisation leaves in one cell.

    Parameters
    ----------
    candidates
        From `decode`.
    overlap
        IoU above which the lower-scored of two candidates is dropped.

    Returns
    -------
    tuple of Detection
        Best score first.
    """
    if not len(candidates.scores):
        return ()
    kept = cv2.dnn.NMSBoxes(candidates.boxes.tolist(), candidates.scores.tolist(), 0.0, overlap)
    return tuple(_vote(candidates, int(index)) for index in np.asarray(kept).ravel())


def _vote(candidates: Candidates, index: int) -> Detection:
    near = _overlaps(candidates.boxes, candidates.boxes[index]) >= VOTE_OVERLAP
    near[index] = True
    weights = candidates.scores[near] / candidates.scores[near].sum()
    box = weights @ candidates.boxes[near]
    landmarks = np.einsum("n,nij->ij", weights, candidates.landmarks[near])
    return Detection(
        tuple(float(value) for value in box),
        float(candidates.scores[index]),
        landmarks.astype(np.float32),
    )


def _overlaps(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """IoU of (N, 4) boxes with one box (4,), all x, y, w, h."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    shared = np.maximum(high - low, 0).prod(1)
    return shared / (boxes[:, 2:].prod(1) + box[2:].prod() - shared)


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def _rescaled(face: Detection, ratio: np.ndarray) -> Detection:
    box = np.asarray(face.box) * np.tile(ratio, 2)
    return Detection(tuple(float(value) for value in box), face.score, face.landmarks * ratio)


def _require_supported(spec: Mapping[str, Any]) -> None:
    found = (spec["layout"], spec["dtype"], spec["height"], spec["width"])
    expected = ("NCHW", "float32", None, None)
    if found != expected:
        raise BundleIncompatibleError(
            f"detector: input (layout, dtype, height, width) is {found}, this version feeds "
            f"{expected}; use a bundle whose detector takes that"
        )
