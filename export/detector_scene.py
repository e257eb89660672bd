"""Scenes for the detector: which faces go where, and what lies behind them."""

from __future__ import annotations

from functools import partial

import numpy as np

from export import detector_canvas as canvas_parts
from export import detector_data as data

CLOSE_SIDE, CLOSE_FACE = 96, 64.0  # as the runtime's second look: edgeface.detect
SHARES = (0.42, 0.26, 0.18)  # portraits, groups, mosaics; the rest has no face
CLEAN_SHARES = (0.5, 0.12, 0.1)


class _Canvas:
    """A canvas under construction with the labels of what is on it."""

    def __init__(self, photos: data.Photos, rng: np.random.Generator, image: np.ndarray):
        self.photos, self.rng, self.image = photos, rng, image
        self.labels = []

    def clear_of_faces(self, box, *, spacing: float = 0.1) -> bool:
        """Whether a box overlaps no face placed before (by less than ``spacing`` of either)."""
        for other, _ in self.labels:
            low = np.maximum(box[:2], other[:2])
            high = np.minimum(box[:2] + box[2:], other[:2] + other[2:])
            shared = np.prod(np.maximum(high - low, 0))
            if shared > spacing * min(np.prod(box[2:]), np.prod(other[2:])):
                return False
        return True

    def random_angle(self) -> float:
        """Radians: mostly within 15 degrees, a fifth up to 40."""
        degrees = self.rng.normal(0, 8) if self.rng.random() < 0.8 else self.rng.uniform(-40, 40)
        return float(np.deg2rad(np.clip(degrees, -40, 40)))

    def add_face(self, *, centre, size: float, angle: float) -> bool:
        """Blend a random photo's face in, unless it would cover another face."""
        rng, photos = self.rng, self.photos
        index = int(rng.integers(len(photos)))
        matrix = data.face_transform(
            photos, index, centre=centre, size=size, angle=angle, flip=rng.random() < 0.5
        )
        box, landmarks = data.transform_labels(photos, index, matrix)
        if not self.clear_of_faces(box):
            return False
        if rng.random() < 0.55 and self.clear_of_faces(body_box(box), spacing=0.0):
            data.draw_body(self.image, photos, rng, index=index, box=box)
        data.paste(self.image, photos, index, matrix, data.face_mask(photos, index, rng))
        self.finish(box, landmarks)
        return True

    def finish(self, box, landmarks) -> None:
        if self.rng.random() < 0.08:
            data.occlude(self.image, self.rng, box=box, landmarks=landmarks)
        self.labels.append((box, landmarks))

    def add_tile(self, left: int, top: int, width: int, height: int) -> None:
        """Fill a rectangle with a whole photo that covers it, as photo walls and mosaics do."""
        rng, photos = self.rng, self.photos
        index = int(rng.integers(len(photos)))
        scale = max(width, height) / 224 * rng.uniform(1.0, 1.25)
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        linear = np.diag([mirror * scale, scale])
        slack = np.maximum(224 * scale - np.array([width, height]), 0)
        start = rng.uniform(0, 1, 2) * slack
        offset = np.array([left, top]) - start + [224 * scale if mirror < 0 else 0, 0]
        matrix = np.hstack([linear, offset[:, None]])
        part = self.image[top : top + height, left : left + width]
        shifted = matrix.copy()
        shifted[:, 2] -= [left, top]
        data.paste(part, photos, index, shifted, np.full((112, 112), 255, np.uint8))
        box, landmarks = data.transform_labels(photos, index, matrix)
        self._finish_tile(box, landmarks, (left, top, width, height))

    def _finish_tile(self, box, landmarks, tile) -> None:
        if visible_part(box, *tile) < data.LEAST_VISIBLE:
            low = np.maximum(box[:2], tile[:2])
            high = np.minimum(box[:2] + box[2:], np.add(tile[:2], tile[2:]))
            box = np.concatenate([low, np.maximum(high - low, 0)]).astype(np.float32)
            landmarks = np.full((5, 2), np.nan, np.float32)
        self.labels.append((box, landmarks))


def body_box(box) -> np.ndarray:
    """(4,) float: x, y, width, height of what ``draw_body`` may cover below and beside a face."""
    x, y, w, h = (float(v) for v in box)
    return np.array([x - 1.1 * w, y - 0.5 * h, 3.2 * w, 5.5 * h])


def visible_part(box, left: float, top: float, width: float, height: float) -> float:
    """The part of a box's area, 0 to 1, that lies in a rectangle."""
    low = np.maximum(box[:2], [left, top])
    high = np.minimum(box[:2] + box[2:], [left + width, top + height])
    return float(np.prod(np.maximum(high - low, 0)) / max(np.prod(box[2:]), 1e-6))


def _log_uniform(rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _portrait(canvas: _Canvas) -> None:
    """One main face, as door cameras, press photos and passports show it."""
    height, width = canvas.image.shape[:2]
    rng = canvas.rng
    size = _log_uniform(rng, 40, min(210, 0.85 * min(height, width)))
    if rng.random() < 0.15:
        size = float(rng.uniform(0.7, 1.05)) * min(height, width)
    spread = rng.uniform(0.03, 0.3)
    centre = rng.normal([width / 2, height * 0.45], [width * spread, height * spread])
    centre = np.clip(centre, [size * 0.25, size * 0.3], [width - size * 0.25, height - size * 0.3])
    canvas.add_face(centre=centre, size=size, angle=canvas.random_angle())
    for _ in range(int(rng.integers(0, 3)) if rng.random() < 0.3 else 0):
        _scatter(canvas, 18, 60)


def _scatter(canvas: _Canvas, smallest: float, largest: float) -> None:
    height, width = canvas.image.shape[:2]
    size = _log_uniform(canvas.rng, smallest, min(largest, 0.6 * min(height, width)))
    canvas.add_face(
        centre=canvas.rng.uniform([0, 0], [width, height]), size=size, angle=canvas.random_angle()
    )


def _group(canvas: _Canvas) -> None:
    """Two to eight faces of 18 to 120 pixels anywhere, some cut by the border."""
    largest = _log_uniform(canvas.rng, 40, 130)
    for _ in range(int(canvas.rng.integers(2, 9))):
        _scatter(canvas, 18, largest)


def _mosaic(canvas: _Canvas) -> None:
    """Whole photos side by side with hard edges, one to nine of them, or one on a background."""
    height, width = canvas.image.shape[:2]
    rng = canvas.rng
    if rng.random() < 0.3:
        w, h = (int(v) for v in (rng.uniform(0.4, 1, 2) * [width, height]))
        canvas.add_tile(
            int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1)), w, h
        )
        return
    columns = [0, *sorted(rng.integers(40, width - 40, rng.integers(0, 3)).tolist()), width]
    for left, right in zip(columns, columns[1:]):
        rows = [0, *sorted(rng.integers(40, height - 40, rng.integers(0, 3)).tolist()), height]
        for top, bottom in zip(rows, rows[1:]):
            if right - left >= 16 and bottom - top >= 16:
                canvas.add_tile(left, top, right - left, bottom - top)


def compose(
    photos: data.Photos, rng: np.random.Generator, *, height: int, width: int, clean: bool = False
) -> data.Scene:
    """One training scene: a portrait, a group, a mosaic, or a canvas without a face.

    ``clean`` scenes are mostly portraits and degraded half as often: the last part of a training
    run uses them, because they are what cameras send and what landmarks are judged on.
    """
    canvas = _Canvas(photos, rng, data.background(photos, rng, height=height, width=width))
    portrait, group, mosaic = CLEAN_SHARES if clean else SHARES
    kind = rng.random()
    if kind < portrait:
        _portrait(canvas)
    elif kind < portrait + group:
        _group(canvas)
    elif kind < portrait + group + mosaic:
        _mosaic(canvas)
    if rng.random() < 0.05:
        canvas_parts.draw_text(canvas.image, rng, lines=1)
    image = canvas_parts.degrade(canvas.image, rng, strength=0.5 if clean else 1.0)
    if rng.random() < 0.35:
        height, width = height - int(rng.integers(0, 32)), width - int(rng.integers(0, 32))
    return _scene(image, canvas.labels, height=height, width=width)


def close_up(photos: data.Photos, rng: np.random.Generator) -> data.Scene:
    """A face as the second look sees it, nearly in place, or (a third of them) none at all."""
    side = CLOSE_SIDE
    maker = canvas_parts.blobs if rng.random() < 0.5 else partial(data.photo_background, photos)
    canvas = _Canvas(photos, rng, maker(rng, height=side, width=side))
    if rng.random() < 0.35:
        image = data.background(photos, rng, height=side, width=side)
        return _scene(canvas_parts.degrade(image, rng), [], height=side, width=side)
    index = int(rng.integers(len(photos)))
    matrix = data.face_transform(
        photos,
        index,
        centre=rng.normal(side / 2, 0.05 * CLOSE_FACE, 2),
        size=CLOSE_FACE * float(np.exp(rng.normal(0, 0.08))),
        angle=float(np.deg2rad(rng.normal(0, 6))),
        flip=rng.random() < 0.5,
    )
    whole = rng.random() < 0.85
    mask = np.full((112, 112), 255, np.uint8) if whole else data.face_mask(photos, index, rng)
    data.paste(canvas.image, photos, index, matrix, mask)
    canvas.finish(*data.transform_labels(photos, index, matrix))
    if rng.random() < 0.2:
        canvas.image = canvas_parts.resample(canvas.image, rng)
    image = canvas_parts.degrade(canvas.image, rng, strength=0.4)
    return _scene(image, canvas.labels, height=side, width=side)


def _scene(image: np.ndarray, labels: list, *, height: int, width: int) -> data.Scene:
    """The scene whose picture ends at (height, width): black beyond, as the runtime pads to 32s."""
    image[height:] = 0
    image[:, width:] = 0
    boxes = np.array([box for box, _ in labels], np.float32).reshape(-1, 4)
    landmarks = np.array([points for _, points in labels], np.float32).reshape(-1, 5, 2)
    visible = np.array([visible_part(box, 0, 0, width, height) for box in boxes])
    size = np.sqrt(boxes[:, 2] * boxes[:, 3])
    cut_off = np.isnan(landmarks).any((1, 2))
    ignored = (visible < data.LEAST_VISIBLE) | (size < data.SMALLEST_FACE) | cut_off
    return data.Scene(image, boxes, landmarks, ignored)
