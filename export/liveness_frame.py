"""Camera frames with one labelled face, and how a picture gets from a photo into one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

FLIPPED_ORDER = (1, 0, 2, 4, 3)


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture and the face in it.

    Attributes
    ----------
    image : (H, W, 3) uint8 BGR.
    box : (4,) float32, x, y, width, height in pixels.
    landmarks : (5, 2) float32, right eye, left eye, nose, right and left mouth corner.
    """

    image: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray

    @property
    def face_side(self) -> float:
        """Geometric mean side of the box, pixels."""
        return float(np.sqrt(self.box[2] * self.box[3]))


def flipped(frame: Frame) -> Frame:
    """The frame mirrored left to right."""
    width = frame.image.shape[1]
    box, points = frame.box.copy(), frame.landmarks[list(FLIPPED_ORDER)].copy()
    box[0] = width - box[0] - box[2]
    points[:, 0] = width - 1 - points[:, 0]
    return Frame(np.ascontiguousarray(frame.image[:, ::-1]), box, points)


def moved_labels(frame: Frame, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Box and landmarks of a frame after a (3, 3) homography from its pixels to others."""
    x, y, w, h = frame.box
    middle = np.array([x + w / 2, y + h / 2])
    rim = middle + np.array([[w / 2, 0], [-w / 2, 0], [0, h / 2], [0, -h / 2]])
    points = np.vstack([frame.landmarks, rim]).astype(np.float64)
    moved = cv2.perspectiveTransform(points[None], matrix)[0]
    low, high = moved[5:].min(0), moved[5:].max(0)
    return np.concatenate([low, high - low]).astype(np.float32), moved[:5].astype(np.float32)


def placing(frame: Frame, *, centre, face_side: float, angle: float) -> np.ndarray:
    """(3, 3) similarity that puts the face's middle at ``centre`` with a box of ``face_side``.

    ``angle`` is in radians.
    """
    scale = face_side / frame.face_side
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    x, y, w, h = frame.box
    offset = np.asarray(centre, float) - linear @ [x + w / 2, y + h / 2]
    return np.vstack([np.hstack([linear, offset[:, None]]), [0, 0, 1]])


def jittered(frame: Frame, rng: np.random.Generator, *, amount: float = 0.03) -> Frame:
    """The same picture whose box and landmarks are off by what a detector's are.

    ``amount`` is one standard deviation in box sides.
    """
    side = frame.face_side
    box = frame.box + rng.normal(0, amount * side, 4).astype(np.float32)
    box[2:] = np.maximum(box[2:], 0.5 * frame.box[2:])
    points = frame.landmarks + rng.normal(0, 0.5 * amount * side, (5, 2)).astype(np.float32)
    return Frame(frame.image, box, points)
