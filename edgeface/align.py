"""Align: five landmarks to the 112x112 crop that the embedder was trained on."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from edgeface.image import require_image

TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float64,
)
"""Where right eye, left eye, nose and mouth corners lie in a 112x112 crop (ArcFace template)."""

TEMPLATE_SIZE = 112


def require_landmarks(landmarks: Any) -> np.ndarray:
    """Return `landmarks` as (5, 2) float64, or raise ValueError saying what was found."""
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2):
        raise ValueError(f"landmarks have shape {points.shape}, expected (5, 2) pixels")
    if not np.isfinite(points).all():
        raise ValueError("landmarks hold NaN or Inf, expected pixel coordinates")
    return points


def similarity(landmarks: np.ndarray, *, size: int = TEMPLATE_SIZE) -> np.ndarray:
    """Return the least-squares similarity transform from image to crop coordinates.

    Umeyama (1991), equations 40 to 42, without reflection: in two dimensions, with points as
    complex numbers about their means, scale and rotation are one complex factor
    ``a = sum(conj(z) w) / sum(|z|^2)``.

    Parameters
    ----------
    landmarks
        (5, 2) pixels: right eye, left eye, nose, right and left mouth corner.
    size
        Side of the crop in pixels.

    Returns
    -------
    ndarray
        (2, 3) float64 matrix for ``cv2.warpAffine``.

    Raises
    ------
    ValueError
        Wrong shape, NaN, or all landmarks in one place.
    """
    points = require_landmarks(landmarks)
    source = points[:, 0] + 1j * points[:, 1]
    template = TEMPLATE * (size / TEMPLATE_SIZE)
    target = template[:, 0] + 1j * template[:, 1]
    z, w = source - source.mean(), target - target.mean()
    spread = float((z.conj() * z).real.sum())
    if spread < 1e-6:
        raise ValueError("landmarks lie in one place, expected five distinct points")
    a = (z.conj() * w).sum() / spread
    shift = target.mean() - a * source.mean()
    return np.array([[a.real, -a.imag, shift.real], [a.imag, a.real, shift.imag]])


def crop_corners(landmarks: np.ndarray) -> np.ndarray:
    """Return the corners of the aligned crop in image pixels: (4, 2) float64, clockwise."""
    inverse = cv2.invertAffineTransform(similarity(landmarks))
    edge = float(TEMPLATE_SIZE)
    square = np.array([[0, 0, 1], [edge, 0, 1], [edge, edge, 1], [0, edge, 1]])
    return square @ inverse.T


def align(image: np.ndarray, landmarks: np.ndarray, *, size: int = TEMPLATE_SIZE) -> np.ndarray:
    """Cut an upright face of standard size and place out of a photo.

    Faces much larger than the crop are averaged down first, so that detail does not turn into
    aliasing. What lies outside the photo is black.

    Parameters
    ----------
    image
        (height, width, 3) uint8 BGR.
    landmarks
        (5, 2) pixels: right eye, left eye, nose, right and left mouth corner.
    size
        Side of the crop in pixels.

    Returns
    -------
    ndarray
        (size, size, 3) uint8 BGR.

    Raises
    ------
    TypeError, ValueError
        Not a photo, or landmarks that cannot be used (see `similarity`).
    """
    patch, points = _face_patch(require_image(image), require_landmarks(landmarks))
    shrink = int(1 / np.linalg.norm(similarity(points, size=size)[:, 0]))
    if shrink > 1:
        patch, points = _shrunk(patch, points, shrink)
    return cv2.warpAffine(
        patch, similarity(points, size=size), (size, size), flags=cv2.INTER_LINEAR
    )


def _face_patch(image: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut the region that the crop needs, so that only it is resampled.

    It also keeps pictures with a side over 32767 inside warpAffine's limits.
    """
    corners = crop_corners(points)
    height, width = image.shape[:2]
    margin = 2 + int(np.ptp(corners, axis=0).max() / TEMPLATE_SIZE)
    low = np.floor(corners.min(axis=0)).astype(int) - margin
    high = np.ceil(corners.max(axis=0)).astype(int) + margin
    x0, y0 = np.clip(low, 0, (width - 1, height - 1))
    x1, y1 = np.clip(high, (x0 + 1, y0 + 1), (width, height))
    return image[y0:y1, x0:x1], points - (x0, y0)


def _shrunk(patch: np.ndarray, points: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    height, width = patch.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    ratio = np.array([small[0] / width, small[1] / height])
    resized = cv2.resize(patch, small, interpolation=cv2.INTER_AREA)
    return resized, (points + 0.5) * ratio - 0.5  # pixel centres, not corners, stay in place
