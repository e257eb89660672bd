"""What stands before the camera: a person in surroundings, made from a photo that is all face.

FairFace's photos end near the hair, so the surroundings that the wide view needs are made in three
ways: none (the face fills the frame), the photo continued beyond its border without an edge, or the
person cut out softly and put before another background. An attack shows the same three kinds of
picture on paper or glass, so how the surroundings were made says nothing about liveness.
"""

from __future__ import annotations

import cv2
import numpy as np

from export import detector_data as data
from export.liveness_frame import Frame, flipped, moved_labels, placing

SIDE = 256  # of frames, pixels
KINDS = ("whole", "continued", "composed")
SHARES = (0.3, 0.45, 0.25)
FINGERS_SHARE = 0.1  # of live people, who touch their faces
FACE_SHARE = (0.3, 0.72)  # of the frame's side, the face's box


def photo_frame(photos: data.Photos, index: int) -> Frame:
    """One photo as it is."""
    return Frame(photos.levels[0][index], photos.boxes[index], photos.landmarks[index])


def person(photos: data.Photos, index: int, rng: np.random.Generator, *, kind=None) -> Frame:
    """A frame with the person of photo ``index``; ``kind`` is one of KINDS, else drawn."""
    kind = kind or str(rng.choice(KINDS, p=SHARES))
    made = {"whole": _whole, "continued": _continued, "composed": _composed}[kind](
        photos, index, rng
    )
    if rng.random() < FINGERS_SHARE:
        made = with_fingers(made, rng, places=np.ones((SIDE, SIDE), bool))
    return flipped(made) if rng.random() < 0.5 else made


def surroundings(photos: data.Photos, rng: np.random.Generator, *, side: int = SIDE):
    """(side, side, 3) uint8 background; a third have a straight-edged thing: door, picture, shelf.

    Live people stand before such things too, so an edge near a face does not yet mean a photo.
    """
    canvas = data.background(photos, rng, height=side, width=side)
    if rng.random() < 0.35:
        low = rng.uniform(-0.2, 0.5, 2) * side
        size = rng.uniform(0.3, 1.0, 2) * side
        corners = np.array([low, low + [size[0], 0], low + size, low + [0, size[1]]])
        corners += rng.normal(0, 0.01 * side, (4, 2))
        thickness = int(rng.integers(1, 9))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        filled = rng.random() < 0.4
        polygon = corners.astype(np.int32)
        if filled:
            cv2.fillPoly(canvas, [polygon], colour, cv2.LINE_AA)
        else:
            cv2.polylines(canvas, [polygon], True, colour, thickness, cv2.LINE_AA)
    return canvas


def with_fingers(frame: Frame, rng: np.random.Generator, *, places: np.ndarray) -> Frame:
    """One to five fingers in the face's own skin colour, or another, at some of the True places.

    None covers the middle of the face. ``places`` is (H, W) bool.
    """
    x, y, w, h = frame.box
    rows, columns = np.nonzero(places)
    away = np.hypot((columns - x - w / 2) / (0.4 * w), (rows - y - h / 2) / (0.4 * h)) > 1
    if not away.any():
        return frame
    rows, columns = rows[away], columns[away]
    image, cover = frame.image.copy(), np.zeros(frame.image.shape[:2], np.uint8)
    first = int(rng.integers(len(rows)))
    near = np.hypot(rows - rows[first], columns - columns[first]) < 0.35 * SIDE
    spots = np.flatnonzero(near)
    angle, length = rng.uniform(0, 180), SIDE * rng.uniform(0.06, 0.16)
    for spot in rng.choice(spots, int(rng.integers(1, 6))):
        axes = (int(length * rng.uniform(0.7, 1.2)), int(length * rng.uniform(0.22, 0.4)))
        centre = (int(columns[spot]), int(rows[spot]))
        cv2.ellipse(cover, centre, axes, angle + rng.normal(0, 8), 0, 360, 255, -1, cv2.LINE_AA)
    tone = _skin(frame, rng) + cv2.resize(rng.normal(0, 12, (9, 9, 1)), (SIDE, SIDE))[..., None]
    soft = cv2.GaussianBlur(cover, (0, 0), 1.0)
    image = _mixed(image.astype(np.float32), np.clip(tone, 0, 255), soft)
    return Frame(image, frame.box, frame.landmarks)


def _skin(frame: Frame, rng) -> np.ndarray:
    """(3,) the cheeks' colour, lighter or darker; a third of the time anybody's."""
    if rng.random() < 0.35:
        return np.array([0.55, 0.68, 0.9]) * rng.uniform(60, 250)
    column, row = (int(v) for v in np.clip(frame.landmarks[2], 4, SIDE - 5))
    patch = frame.image[row - 4 : row + 5, column - 4 : column + 5]
    return patch.reshape(-1, 3).mean(0) * rng.uniform(0.7, 1.2)


def _whole(photos, index: int, rng) -> Frame:
    frame = photo_frame(photos, index)
    matrix = placing(
        frame,
        centre=(SIDE / 2 + rng.normal(0, 6), SIDE / 2 + rng.normal(0, 6)),
        face_side=frame.face_side * SIDE / 224 * rng.uniform(1.05, 1.3),
        angle=rng.normal(0, 0.05),
    )
    return _warped(frame, matrix, border=cv2.BORDER_REFLECT_101)


def _continued(photos, index: int, rng) -> Frame:
    """The photo smaller than the frame, mirrored beyond its border and more blurred further out."""
    frame = photo_frame(photos, index)
    share = rng.uniform(0.45, 0.8)
    matrix = placing(
        frame,
        centre=rng.normal([SIDE / 2, SIDE * 0.48], 0.04 * SIDE),
        face_side=share * SIDE,
        angle=rng.normal(0, 0.05),
    )
    sharp = _warped(frame, matrix, border=cv2.BORDER_REFLECT_101)
    inside = cv2.warpPerspective(np.full((224, 224), 255, np.uint8), matrix, (SIDE, SIDE))
    feather = int(rng.integers(20, 50)) | 1
    alpha = cv2.blur(cv2.erode(inside, np.ones((feather, feather), np.uint8)), (feather, feather))
    spread = int(rng.integers(15, 50)) | 1
    far = cv2.blur(cv2.blur(sharp.image, (spread, spread)), (spread, spread))
    grain = rng.normal(0, rng.uniform(0, 4), (SIDE, SIDE, 1))
    far = np.clip(far + grain, 0, 255)
    return Frame(_mixed(far, sharp.image, alpha), sharp.box, sharp.landmarks)


def _composed(photos, index: int, rng) -> Frame:
    """The person cut out softly, with a drawn neck and shoulders, before a background."""
    canvas = surroundings(photos, rng)
    if rng.random() < 0.5:
        canvas = cv2.blur(canvas, (int(rng.integers(1, 12)),) * 2)
    frame = photo_frame(photos, index)
    low, high = FACE_SHARE
    matrix = placing(
        frame,
        centre=rng.normal([SIDE / 2, SIDE * 0.45], 0.07 * SIDE),
        face_side=SIDE * rng.uniform(low, high),
        angle=rng.normal(0, 0.1),
    )
    box, landmarks = moved_labels(frame, matrix)
    if rng.random() < 0.8:
        data.draw_body(canvas, photos, rng, index=index, box=box)
    mask = cv2.warpPerspective(_outline(frame, rng), matrix, (SIDE, SIDE))
    warped = cv2.warpPerspective(frame.image, matrix, (SIDE, SIDE), flags=_method(matrix))
    return Frame(_mixed(canvas, warped, mask), box, landmarks)


def _outline(frame: Frame, rng) -> np.ndarray:
    """(224, 224) uint8: head and hair, feathered, nothing at the photo's border."""
    x, y, w, h = (float(v) for v in frame.box)
    grow = rng.uniform(0.55, 0.66)
    mask = np.zeros((224, 224), np.uint8)
    centre = (int(x + w / 2), int(y + h * rng.uniform(0.42, 0.5)))
    axes = (int(w * grow), int(h * grow))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    feather = int(rng.integers(5, 26))
    mask[:8] = mask[-8:] = 0
    mask[:, :8] = mask[:, -8:] = 0
    return cv2.blur(mask, (feather, feather), borderType=cv2.BORDER_CONSTANT)


def _warped(frame: Frame, matrix: np.ndarray, *, border: int) -> Frame:
    image = cv2.warpPerspective(
        frame.image, matrix, (SIDE, SIDE), flags=_method(matrix), borderMode=border
    )
    return Frame(image, *moved_labels(frame, matrix))


def _method(matrix: np.ndarray) -> int:
    """Cubic interpolation keeps what linear would blur; live and attack frames both use it."""
    return cv2.INTER_CUBIC if np.hypot(*matrix[:2, 0]) > 0.9 else cv2.INTER_LINEAR


def _mixed(below, above, alpha) -> np.ndarray:
    share = alpha[..., None].astype(np.float32) * (1 / 255)
    return (below + (above.astype(np.float32) - below) * share).astype(np.uint8)
