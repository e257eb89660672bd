"""Batches for the detector: canvases with a target for every cell of the three grids."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from export import detector_data as data
from export.detector_net import STRIDES
from export.detector_scene import close_up, compose

CANVAS_SIZES = (
    (128, 160), (160, 128), (160, 160), (160, 160), (160, 160), (160, 192), (192, 160), (192, 192),
    (192, 192), (224, 224), (256, 256),
)  # fmt: skip
CLOSE_BATCH_FACTOR = 4  # close-ups are that much smaller, so a batch has more of them
FACE_SIZE_OF_STRIDE = {8: (0.0, 52.0), 16: (40.0, 118.0), 32: (86.0, 1e9)}
POSITIVE_RADIUS_STRIDES = 1.25
NEGATIVE, IGNORED = -1, -2


@dataclass(frozen=True)
class Batch:
    """Canvases of one size with a target for every cell of the three grids.

    Attributes
    ----------
    images : (N, H, W, 3) uint8 BGR.
    assigned : (N, C) int8: 1 a face, 0 none, -1 ignored; C cells, stride by stride, row by row.
    boxes : (N, C, 4) float32, x1, y1, x2, y2 in pixels; zeros where no face is assigned.
    landmarks : (N, C, 10) float32 pixels.
    shapes : (N, 10) float32 landmarks of a batch of close-ups, in pixels, NaN where there is
        none to learn; None for other batches.
    """

    images: np.ndarray
    assigned: np.ndarray
    boxes: np.ndarray
    landmarks: np.ndarray
    shapes: np.ndarray | None = None


def cell_centres(height: int, width: int, stride: int) -> np.ndarray:
    """(cells, 2) float32: x, y of every cell's centre in pixels, row by row."""
    xs = (np.arange(width // stride, dtype=np.float32) + 0.5) * stride
    ys = (np.arange(height // stride, dtype=np.float32) + 0.5) * stride
    return np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)


def assign(scene: data.Scene) -> np.ndarray:
    """(cells,) int16: for every cell of all strides a face's index, NEGATIVE or IGNORED.

    A face belongs to the cells around its box's middle, on the strides that its size fits (sizes
    in between have two); where two faces claim a cell the smaller one has it.
    """
    height, width = scene.image.shape[:2]
    parts = []
    for stride in STRIDES:
        centres = cell_centres(height, width, stride)
        owner = np.full(len(centres), NEGATIVE, np.int16)
        sizes = np.sqrt(scene.boxes[:, 2] * scene.boxes[:, 3])
        for face in np.argsort(-sizes):
            _claim(owner, centres, scene, int(face), size=float(sizes[face]), stride=stride)
        parts.append(owner)
    return np.concatenate(parts)


def _claim(owner, centres, scene: data.Scene, face: int, *, size: float, stride: int) -> None:
    x, y, w, h = scene.boxes[face]
    away = np.abs(centres - [x + w / 2, y + h / 2])
    if scene.ignored[face]:
        owner[(away < [w / 2, h / 2]).all(1) & (owner == NEGATIVE)] = IGNORED
        return
    low, high = FACE_SIZE_OF_STRIDE[stride]
    if low <= size <= high:
        owner[away.max(1) <= min(POSITIVE_RADIUS_STRIDES * stride, max(size / 2, stride / 2))] = (
            face
        )


def _scene_targets(scene: data.Scene):
    owner = assign(scene)
    boxes = np.zeros((len(owner), 4), np.float32)
    landmarks = np.zeros((len(owner), 10), np.float32)
    found = owner >= 0
    faces = owner[found]
    corners = np.hstack([scene.boxes[:, :2], scene.boxes[:, :2] + scene.boxes[:, 2:]])
    boxes[found] = corners[faces]
    landmarks[found] = scene.landmarks.reshape(-1, 10)[faces]
    assigned = np.where(found, 1, np.where(owner == IGNORED, -1, 0)).astype(np.int8)
    return assigned, boxes, landmarks


def make_batch(
    photos: data.Photos, *, seed: int, step: int, size: int, kind: str = "mixed"
) -> Batch:
    """The batch of a training step: a function of its arguments alone, so a run can resume.

    ``kind`` is "mixed", "clean" or "close": all scenes, clean ones, or `CLOSE_BATCH_FACTOR`
    times as many close-ups.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, step])
    height, width = CANVAS_SIZES[rng.integers(len(CANVAS_SIZES))]
    if kind == "close":
        scenes = [close_up(photos, rng) for _ in range(size * CLOSE_BATCH_FACTOR)]
    else:
        make = partial(compose, photos, rng, height=height, width=width, clean=kind == "clean")
        scenes = [make() for _ in range(size)]
    targets = [_scene_targets(scene) for scene in scenes]
    assigned, boxes, landmarks = (np.stack(parts) for parts in zip(*targets))
    shapes = np.stack([_shape(scene) for scene in scenes]) if kind == "close" else None
    return Batch(np.stack([scene.image for scene in scenes]), assigned, boxes, landmarks, shapes)


def _shape(scene: data.Scene) -> np.ndarray:
    learnable = len(scene.boxes) == 1 and not scene.ignored[0]
    return scene.landmarks[0].ravel() if learnable else np.full(10, np.nan, np.float32)
