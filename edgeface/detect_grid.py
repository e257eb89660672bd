"""The detector's raw maps to faces: `decode` turns cells into candidates, `merge` those into faces.

The network gives three grids (strides 8, 16 and 32) with a score logit, a box and five landmarks
per cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

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


def decode(
    outputs: Mapping[str, np.ndarray],
    *,
    strides: Sequence[int],
    score_threshold: float,
    index: int = 0,
) -> Candidates:
    """Turn raw maps into candidates at network scale, best score first.

    Parameters
    ----------
    outputs
        For every stride s: "score_s" (N, 1, H/s, W/s) logits; "box_s" (N, 4, H/s, W/s), the
        centre's offset from the cell's centre in strides, then log width and log height in
        strides; "landmark_s" (N, 10, H/s, W/s), x and y of five points as offsets in strides.
    strides
        Pixels per cell of each grid.
    score_threshold
        Candidates below are dropped, between 0 and 1.
    index
        Which picture of the batch, 0 to N - 1.

    Returns
    -------
    Candidates
        At most `MAX_CANDIDATES`.
    """
    parts = [_decode_grid(outputs, stride, score_threshold, index) for stride in strides]
    boxes, scores, landmarks = (np.concatenate(column) for column in zip(*parts))
    best = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    return Candidates(boxes[best], scores[best], landmarks[best])


def _decode_grid(
    outputs: Mapping[str, np.ndarray], stride: int, score_threshold: float, index: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    logits = outputs[f"score_{stride}"][index, 0]
    rows, columns = np.nonzero(logits >= _logit(score_threshold))
    scores = 1 / (1 + np.exp(-logits[rows, columns]))
    centres = (np.stack([columns, rows], 1).astype(np.float32) + 0.5) * stride
    box = outputs[f"box_{stride}"][index][:, rows, columns].T
    middle = centres + box[:, :2] * stride
    sides = np.exp(np.minimum(box[:, 2:], _MAX_LOG_SIDE)) * stride
    offsets = outputs[f"landmark_{stride}"][index][:, rows, columns].T.reshape(-1, 5, 2)
    boxes = np.hstack([middle - sides / 2, sides])
    return boxes, scores, centres[:, None] + offsets * stride


def merge(candidates: Candidates, *, overlap: float) -> tuple[Detection, ...]:
    """Suppress candidates that overlap a better one, then let overlapping candidates vote.

    Greedy non-maximum suppression picks the faces; the box and landmarks of each are the
    score-weighted mean over all candidates with an IoU of at least `VOTE_OVERLAP` (box voting,
    Gidaris & Komodakis 2015).

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
    near = overlaps(candidates.boxes, candidates.boxes[index]) >= VOTE_OVERLAP
    near[index] = True
    weights = candidates.scores[near] / candidates.scores[near].sum()
    box = weights @ candidates.boxes[near]
    landmarks = np.einsum("n,nij->ij", weights, candidates.landmarks[near])
    return Detection(
        tuple(float(value) for value in box),
        float(candidates.scores[index]),
        landmarks.astype(np.float32),
    )


def overlaps(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """IoU of (N, 4) boxes with one box (4,), all x, y, w, h."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    shared = np.maximum(high - low, 0).prod(1)
    return shared / (boxes[:, 2:].prod(1) + box[2:].prod() - shared)


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
