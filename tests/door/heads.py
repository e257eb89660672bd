"""Clips made of one photo: a head that turns, a print that is tilted or bent, a sensor's noise.

A head is a photo over a depth map: an ellipsoid with a nose, in eye distances. It is turned about
its vertical axis and drawn again by an orthographic camera, so what is nearer moves further. A
print is a plane (or a cylinder) before a perspective camera. None of it replaces a person before
a camera.
"""

from __future__ import annotations

import cv2
import numpy as np

HEAD_WIDTH = 1.25
HEAD_HEIGHT = 1.8
HEAD_DEPTH = 1.3
NOSE_HEIGHT = 0.55
NOSE_WIDTH = 0.22
PAPER_GREY = 90


def head_turned(image: np.ndarray, landmarks: np.ndarray, *, degrees: float) -> np.ndarray:
    """Turn the head of an upright photo; positive degrees move the nose to the photo's right."""
    depth = head_depth(image.shape[:2], landmarks)
    angle = np.deg2rad(degrees)
    axis = landmarks[:2, 0].mean()
    columns = np.arange(depth.shape[1], dtype=np.float64)
    turned = axis + (columns - axis) * np.cos(angle) + depth * np.sin(angle)
    moved = np.where(depth > 0, turned, columns)
    # What lies behind the nose or the cheek would fold back: the nearer side covers it.
    if degrees >= 0:
        moved = np.maximum.accumulate(moved, axis=1)
    else:
        moved = np.minimum.accumulate(moved[:, ::-1], axis=1)[:, ::-1]
    moved = moved + columns * 1e-6
    return _columns_from(image, np.stack([np.interp(columns, row, columns) for row in moved]))


def head_depth(shape: tuple[int, int], landmarks: np.ndarray) -> np.ndarray:
    """Return how far each pixel lies before the head's axis, in pixels; 0 beside the head."""
    eye = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    centre = landmarks.mean(axis=0)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    u, v = (x - centre[0]) / eye, (y - centre[1]) / eye
    ball = np.clip(1 - (u / HEAD_WIDTH) ** 2 - (v / HEAD_HEIGHT) ** 2, 0, None)
    nose_u, nose_v = (landmarks[2] - centre) / eye
    long = np.where(v < nose_v, 0.4, 0.15)  # the bridge rises slowly, the tip ends at once
    nose = np.exp(-(((u - nose_u) / NOSE_WIDTH) ** 2 + ((v - nose_v) / long) ** 2) / 2)
    return eye * (HEAD_DEPTH * np.sqrt(ball) + NOSE_HEIGHT * nose * (ball > 0))


def print_tilted(
    image: np.ndarray, landmarks: np.ndarray, *, degrees: float, distance: float = 5.0
) -> np.ndarray:
    """Tilt the photo as a flat print, `distance` eye distances (6.3 cm each) before the camera."""
    eye = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    centre = landmarks.mean(axis=0)
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    x, y = ((corners - centre) / eye).T
    angle = np.deg2rad(degrees)
    away = np.maximum(distance - x * np.sin(angle), 0.5)
    flat = np.stack([x * np.cos(angle), y], axis=1)
    moved = flat * (distance / away)[:, None] * eye + centre
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    return cv2.warpPerspective(image, matrix, (width, height), borderValue=(PAPER_GREY,) * 3)


def print_bent(
    image: np.ndarray, landmarks: np.ndarray, *, degrees: float, radius: float = 1.5
) -> np.ndarray:
    """Turn the photo bent round a cylinder of `radius` eye distances, its crest at the nose."""
    eye = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    place = (np.arange(image.shape[1]) - landmarks[2, 0]) / (eye * radius)
    round_it = np.arcsin(np.clip(place, -1, 1)) - np.deg2rad(degrees)
    paper = landmarks[2, 0] + round_it * radius * eye
    bent = _columns_from(image, np.broadcast_to(paper, image.shape[:2]))
    bent[:, np.abs(place) > 1] = PAPER_GREY
    return bent


def _columns_from(image: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Take each pixel from another column of its row."""
    rows = np.broadcast_to(np.arange(image.shape[0], dtype=np.float32)[:, None], source.shape)
    maps = source.astype(np.float32), rows.copy()
    return cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def with_noise(image: np.ndarray, *, sigma: float, seed: int) -> np.ndarray:
    """Add a sensor's noise, `sigma` in levels."""
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def jittered(image: np.ndarray, *, seed: int, move: float = 1.0) -> np.ndarray:
    """Move, turn and scale the photo: at 1 about a pixel, as a head that holds still does."""
    random = np.random.default_rng(seed)
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(
        (width / 2, height / 2), random.normal(0, 0.4 * move), 1 + random.normal(0, 0.004 * move)
    )
    matrix[:, 2] += random.normal(0, 1.0 * move, 2)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
