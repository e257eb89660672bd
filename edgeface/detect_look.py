"""The detector's second look: one face cut out, turned upright and brought to one size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edgeface.detect_grid import Candidates, Detection, overlaps

LOOK_SIDE = 96
"""Pixels of a close-up's side; the network was trained on close-ups like these."""

LOOK_FACE = 64.0
"""The face's size in a close-up: the geometric mean of its box's sides."""

LOOK_OVERLAP = 0.4
"""IoU with a square of `LOOK_FACE` in the middle from which a cell sees the face expected."""

FIRST_LOOK_SHARE = 0.15
"""Exponent of the first look's score in the product of both (docs/decisions/0005)."""

LOOK_UNIT = 16.0
"""Pixels of a close-up to which 1.0 in the network's "shape" output corresponds."""


@dataclass(frozen=True, eq=False)
class CloseUp:
    """crop (96, 96, 3) uint8 BGR; matrix (2, 3) float64 from image pixels to crop pixels."""

    crop: np.ndarray
    matrix: np.ndarray


def close_up(image: np.ndarray, face: Detection) -> CloseUp:
    """Cut a face out of the image at full resolution, eyes level, in the middle.

    Parameters
    ----------
    image
        (H, W, 3) uint8 BGR.
    face
        Box and landmarks in its pixels.

    Returns
    -------
    CloseUp
        Black where the image ends.
    """
    x, y, w, h = face.box
    scale = LOOK_FACE / max(np.sqrt(w * h), 1.0)
    eyes = face.landmarks[1] - face.landmarks[0]
    angle = -np.arctan2(eyes[1], eyes[0])
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = LOOK_SIDE / 2 - linear @ [x + w / 2, y + h / 2]
    matrix = np.hstack([linear, offset[:, None]])
    source, shrinking = _shrunk(image, matrix, scale)
    crop = cv2.warpAffine(source, matrix_after(matrix, shrinking), (LOOK_SIDE, LOOK_SIDE))
    return CloseUp(crop, matrix)


def _shrunk(image: np.ndarray, matrix: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of the image that a close-up needs, shrunk by areas so that it does not alias.

    Also (2, 3) float64 from the part's pixels to the image's.
    """
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * LOOK_SIDE
    corners = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    sides = np.array(image.shape[1::-1])
    low = np.clip(np.floor(corners.min(0)).astype(int) - 1, 0, sides - 1)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 2, low + 1, sides)
    part = image[low[1] : high[1], low[0] : high[0]]
    if scale < 1:
        size = np.maximum(np.round((high - low) * scale), 1).astype(int)
        part = cv2.resize(part, tuple(size.tolist()), interpolation=cv2.INTER_AREA)
    ratio = (high - low) / np.array(part.shape[1::-1])
    return part, np.hstack([np.diag(ratio), ((ratio - 1) / 2 + low)[:, None]])


def matrix_after(matrix: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix that does what ``before`` does and then what ``matrix`` does."""
    linear = matrix[:, :2] @ before[:, :2]
    return np.hstack([linear, (matrix[:, :2] @ before[:, 2] + matrix[:, 2])[:, None]])


def settle(face: Detection, look: CloseUp, *, shape: np.ndarray, found: Candidates) -> Detection:
    """What both looks together say of a face.

    Parameters
    ----------
    face
        From the first look, in image pixels.
    look
        Its close-up.
    shape
        (10,) the network's "shape" output: x, y of five points as offsets from the close-up's
        middle, in units of `LOOK_UNIT` pixels.
    found
        What the network's cells see in the close-up, in its pixels.

    Returns
    -------
    Detection
        The same box; the close-up's landmarks; the weighted geometric mean of the two looks'
        scores, 0 if the close-up has no face where one was expected.
    """
    points = LOOK_SIDE / 2 + shape.reshape(5, 2) * LOOK_UNIT
    points = (points - look.matrix[:, 2]) @ np.linalg.inv(look.matrix[:, :2]).T
    expected = np.array([(LOOK_SIDE - LOOK_FACE) / 2] * 2 + [LOOK_FACE] * 2)
    there = overlaps(found.boxes, expected) >= LOOK_OVERLAP
    second = float(found.scores[there].max(initial=0.0))
    score = face.score**FIRST_LOOK_SHARE * second ** (1 - FIRST_LOOK_SHARE)
    return Detection(face.box, score, points.astype(np.float32))
