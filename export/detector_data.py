"""Training canvases for the detector: faces of labelled photos scaled and blended into scenes.

The photos are FairFace's 224x224 crops, in which the face fills nearly everything, so scenes are
made: portraits with a drawn neck and shoulders, groups, mosaics of whole photos, and canvases
without a face, on generated backgrounds and on parts of other photos.
"""

from __future__ import annotations

import csv
import tarfile
from dataclasses import dataclass

import cv2
import numpy as np

from export import detector_canvas as canvas_parts

FLIPPED_ORDER = (1, 0, 2, 4, 3)
SMALLEST_FACE = 14.0
LEAST_VISIBLE = 0.45


@dataclass(frozen=True)
class Photos:
    """Labelled photos in memory, at three sizes so that small faces do not alias.

    Attributes
    ----------
    levels : tuple of (N, S, S, 3) uint8 BGR arrays, S = 224, 112, 56.
    boxes : (N, 4) float32, x, y, width, height in pixels of the first level.
    landmarks : (N, 5, 2) float32, right eye, left eye, nose, right and left mouth corner.
    """

    levels: tuple
    boxes: np.ndarray
    landmarks: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class Scene:
    """One canvas and its labels; ``ignored`` marks faces too small or too cut off to learn."""

    image: np.ndarray
    boxes: np.ndarray
    landmarks: np.ndarray
    ignored: np.ndarray


def read_labels(path) -> dict:
    """File name to (14,) float32: box x, y, w, h, then the five landmarks."""
    with open(path, newline="") as stream:
        rows = csv.reader(stream)
        next(rows)
        return {row[0]: np.array(row[1:], np.float32) for row in rows}


def read_tar_images(path):
    """Yield (file name, BGR uint8 image) of every file in a tar archive."""
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile():
                data = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                yield member.name.rsplit("/", 1)[-1], cv2.imdecode(data, cv2.IMREAD_COLOR)


def load_photos(folder, *, labels=None, limit=None) -> Photos:
    """Read ``scenes.tar`` of a folder; ``limit`` keeps the first photos only.

    ``labels`` is a CSV to use in place of the folder's ``scenes.csv``.
    """
    labels = read_labels(labels or f"{folder}/scenes.csv")
    images, rows = [], []
    for name, image in read_tar_images(f"{folder}/scenes.tar"):
        images.append(image)
        rows.append(labels[name])
        if len(images) == limit:
            break
    return photos_from_arrays(np.stack(images), np.stack(rows))


def photos_from_arrays(images: np.ndarray, rows: np.ndarray) -> Photos:
    """Photos (N, 224, 224, 3) uint8 with labels (N, 14) as ``read_labels`` gives them."""
    levels = [images]
    for _ in range(2):
        size = levels[-1].shape[1] // 2
        halves = [cv2.resize(i, (size, size), interpolation=cv2.INTER_AREA) for i in levels[-1]]
        levels.append(np.stack(halves))
    return Photos(tuple(levels), rows[:, :4].copy(), rows[:, 4:].reshape(-1, 5, 2).copy())


def photo_background(photos: Photos, rng, *, height: int, width: int) -> np.ndarray:
    """A background with a photo's colours and textures and no face: strip, tiles or blur."""
    index = int(rng.integers(len(photos)))
    kind = rng.random()
    if kind < 0.45:
        source = _border_strip(photos, index, rng)
    elif kind < 0.8:
        source = _shuffled_tiles(photos.levels[int(rng.integers(0, 2))][index], rng)
    else:
        source = cv2.resize(photos.levels[2][index], (9, 9), interpolation=cv2.INTER_AREA)
    return cv2.resize(source, (width, height), interpolation=cv2.INTER_LINEAR)


def _border_strip(photos: Photos, index: int, rng) -> np.ndarray:
    """The widest strip of the photo left or right of the face, mirrored to twice its width."""
    image = photos.levels[0][index]
    x, _, w, _ = photos.boxes[index]
    left, right = int(x), int(image.shape[1] - x - w)
    strip = image[:, : max(left, 8)] if left >= right else image[:, -max(right, 8) :]
    start = int(rng.integers(0, image.shape[0] // 2))
    part = strip[start : start + int(rng.integers(40, 113))]
    return np.hstack([part, part[:, ::-1]] * int(rng.integers(1, 4)))


def _shuffled_tiles(image: np.ndarray, rng) -> np.ndarray:
    """The photo cut into 4x4 or 8x8 tiles, shuffled: skin and hair that are not a face."""
    count = int(rng.choice([4, 7, 8]))
    side = image.shape[0] // count
    tiles = image[: side * count, : side * count].reshape(count, side, count, side, 3)
    tiles = tiles.transpose(0, 2, 1, 3, 4).reshape(count * count, side, side, 3)
    tiles = rng.permutation(tiles).reshape(count, count, side, side, 3)
    return np.ascontiguousarray(tiles.transpose(0, 2, 1, 3, 4).reshape(side * count, -1, 3))


def background(photos: Photos, rng, *, height: int, width: int) -> np.ndarray:
    """Half generated, half made of photos; sometimes both meet at an edge."""

    def one():
        if rng.random() < 0.5:
            return canvas_parts.generated_background(rng, height=height, width=width)
        return photo_background(photos, rng, height=height, width=width)

    canvas = one()
    if rng.random() < 0.3:
        edge = int(rng.integers(width // 8, width))
        canvas[:, edge:] = one()[:, edge:]
    return canvas


def face_transform(photos: Photos, index: int, *, centre, size: float, angle: float, flip: bool):
    """(2, 3) float64 map from photo pixels to canvas pixels.

    It puts the middle of the face's box at ``centre``, makes the box's geometric mean side
    ``size`` pixels, turns by ``angle`` radians and mirrors first if ``flip``.
    """
    x, y, w, h = (float(v) for v in photos.boxes[index])
    scale = size / np.sqrt(w * h)
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([-1.0 if flip else 1.0, 1.0])
    offset = np.asarray(centre, float) - linear @ [x + w / 2, y + h / 2]
    return np.hstack([linear, offset[:, None]])


def transform_labels(photos: Photos, index: int, matrix: np.ndarray):
    """Box (4,) and landmarks (5, 2) in canvas pixels; a mirroring matrix swaps left and right.

    The turned box is the bounding box of the ellipse inscribed in the photo's box.
    """
    x, y, w, h = photos.boxes[index]
    linear, offset = matrix[:, :2], matrix[:, 2]
    middle = linear @ [x + w / 2, y + h / 2] + offset
    half = np.sqrt((linear**2) @ [(w / 2) ** 2, (h / 2) ** 2])
    points = photos.landmarks[index] @ linear.T + offset
    if np.linalg.det(linear) < 0:
        points = points[list(FLIPPED_ORDER)]
    return np.concatenate([middle - half, 2 * half]).astype(np.float32), points.astype(np.float32)


def face_mask(photos: Photos, index: int, rng) -> np.ndarray:
    """(112, 112) uint8: a feathered ellipse around the face, or the whole photo."""
    mask = np.zeros((112, 112), np.uint8)
    if rng.random() < 0.4:
        mask[1:-1, 1:-1] = 255
        return mask
    x, y, w, h = photos.boxes[index] / 2
    grow = rng.uniform(0.5, 0.68)
    centre = (int(x + w / 2), int(y + h * rng.uniform(0.44, 0.52)))
    cv2.ellipse(mask, centre, (int(w * grow), int(h * grow)), 0, 0, 360, 255, -1)
    feather = int(rng.integers(3, 16))
    mask[:2] = mask[-2:] = 0
    mask[:, :2] = mask[:, -2:] = 0
    return cv2.blur(mask, (feather, feather), borderType=cv2.BORDER_CONSTANT)


def paste(canvas: np.ndarray, photos: Photos, index: int, matrix: np.ndarray, mask) -> None:
    """Blend one photo into the canvas, in place, touching only the pixels that it covers."""
    height, width = canvas.shape[:2]
    corners = np.array([[0, 0], [224, 0], [0, 224], [224, 224]]) @ matrix[:, :2].T + matrix[:, 2]
    low = np.maximum(np.floor(corners.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(0)), [width, height]).astype(int)
    if (high <= low).any():
        return
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    level = 0 if scale > 0.6 else 1 if scale > 0.3 else 2
    size = tuple(int(v) for v in high - low)
    photo = _warp(photos.levels[level][index], matrix, low, size, zoom=2**level)
    alpha = _warp(mask, matrix, low, size, zoom=2)[..., None].astype(np.float32) * (1 / 255)
    region = canvas[low[1] : high[1], low[0] : high[0]]
    region += ((photo.astype(np.float32) - region) * alpha).astype(np.int16).astype(np.uint8)


def _warp(source, matrix, low, size, *, zoom: int):
    """Warp a photo kept at 1/zoom of full size into the window of ``size`` that starts at low."""
    scaled = matrix.copy()
    scaled[:, 2] += matrix[:, :2] @ np.full(2, (zoom - 1) / 2) - low
    scaled[:, :2] *= zoom
    return cv2.warpAffine(source, scaled, size, flags=cv2.INTER_LINEAR)


def draw_body(canvas: np.ndarray, photos: Photos, rng, *, index: int, box) -> None:
    """Hair, neck and shoulders behind a face that is about to be blended in."""
    x, y, w, h = (float(v) for v in box)
    skin = photos.levels[2][index][30:44, 20:36].reshape(-1, 3).mean(0)
    skin = tuple(int(v) for v in skin * rng.uniform(0.6, 1.05))
    if rng.random() < 0.6:
        hair = tuple(int(v) for v in rng.integers(0, 90, 3))
        axes = (int(w * rng.uniform(0.5, 0.8)), int(h * rng.uniform(0.5, 0.9)))
        cv2.ellipse(canvas, (int(x + w / 2), int(y + h * 0.4)), axes, 0, 0, 360, hair, -1)
    neck = int(w * rng.uniform(0.2, 0.4))
    middle, chin = int(x + w / 2), int(y + h * 0.75)
    bottom = int(y + h * rng.uniform(1.1, 1.5))
    cv2.rectangle(canvas, (middle - neck, chin), (middle + neck, bottom), skin, -1)
    axes = (int(w * rng.uniform(0.8, 1.6)), int(h * rng.uniform(0.5, 0.9)))
    shoulders = (middle, bottom + int(axes[1] * 0.7))
    cv2.ellipse(canvas, shoulders, axes, 0, 180, 360, canvas_parts.random_colour(rng), -1)
    end = (middle + axes[0], min(canvas.shape[0], shoulders[1] + 3 * int(h)))
    cv2.rectangle(
        canvas, (middle - axes[0], shoulders[1]), end, canvas_parts.random_colour(rng), -1
    )


def occlude(canvas: np.ndarray, rng, *, box, landmarks) -> None:
    """Cover a part of a face: a bar, a disc, dark glasses or a mask over the mouth, in place."""
    x, y, w, h = (float(v) for v in box)
    colour, kind = canvas_parts.random_colour(rng), rng.random()
    if kind < 0.2:
        for eye in landmarks[:2]:
            axes = (int(w * 0.17) + 1, int(h * 0.1) + 1)
            cv2.ellipse(canvas, (int(eye[0]), int(eye[1])), axes, 0, 0, 360, (15, 15, 15), -1)
    elif kind < 0.3:
        low, high = landmarks[2:].min(0), landmarks[2:].max(0)
        cv2.rectangle(
            canvas,
            (int(low[0] - w * 0.2), int(low[1])),
            (int(high[0] + w * 0.2), int(high[1] + h * 0.15)),
            colour,
            -1,
        )
    else:
        centre = (int(x + w * rng.uniform(0, 1)), int(y + h * rng.uniform(0.1, 1)))
        axes = (int(w * rng.uniform(0.08, 0.3)) + 1, int(h * rng.uniform(0.08, 0.3)) + 1)
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
