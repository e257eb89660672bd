"""Draw what was found onto a copy of the photo."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import cv2
import numpy as np

from edgeface.face import Face
from edgeface.image import require_image

KNOWN = (96, 174, 39)
UNKNOWN = (60, 60, 214)
NEUTRAL = (205, 140, 40)
_WHITE = (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_faces(
    image: np.ndarray,
    faces: Sequence[Face],
    *,
    labels: Sequence[str] | None = None,
    colours: Sequence[tuple[int, int, int]] | None = None,
) -> np.ndarray:
    """Draw boxes, landmarks and labels.

    Parameters
    ----------
    image
        (height, width, 3) uint8 BGR; it is not changed.
    faces
        What `Pipeline.analyze` found in it.
    labels
        One text per face; default: the detection scores.
    colours
        One BGR colour per face, for example `KNOWN` or `UNKNOWN`; default: `NEUTRAL`.

    Returns
    -------
    ndarray
        (height, width, 3) uint8 BGR.
    """
    canvas = require_image(image).copy()
    labels = labels if labels is not None else [f"face {face.score:.2f}" for face in faces]
    colours = colours if colours is not None else [NEUTRAL] * len(faces)
    unit = max(canvas.shape[:2]) / 1000
    for face, colour in zip(faces, colours):
        _draw_box(canvas, face, colour, unit)
    for face, label, colour in zip(faces, labels, colours):  # labels lie above every box
        _draw_label(canvas, face, ascii_text(label), colour, unit)
    return canvas


def _draw_box(canvas: np.ndarray, face: Face, colour: tuple[int, int, int], unit: float) -> None:
    x, y, width, height = (int(round(value)) for value in face.box)
    cv2.rectangle(canvas, (x, y), (x + width, y + height), colour, max(1, round(2 * unit)))
    radius = max(1, round(0.014 * width))
    for px, py in np.rint(face.landmarks).astype(int):
        cv2.circle(canvas, (int(px), int(py)), radius + 1, _WHITE, -1, cv2.LINE_AA)
        cv2.circle(canvas, (int(px), int(py)), radius, colour, -1, cv2.LINE_AA)


def _draw_label(
    canvas: np.ndarray, face: Face, label: str, colour: tuple[int, int, int], unit: float
) -> None:
    scale = max(0.38, 0.62 * unit)
    thickness = max(1, round(1.3 * unit))
    (width, height), base = cv2.getTextSize(label, _FONT, scale, thickness)
    pad = max(2, round(5 * unit))
    left = int(np.clip(round(face.box[0]), 0, max(0, canvas.shape[1] - width - 2 * pad)))
    below = face.box[1] - height - base - 2 * pad < 0
    bottom = round(face.box[1] + face.box[3]) + height + base + 2 * pad if below else face.box[1]
    bottom = int(min(round(bottom), canvas.shape[0]))
    top = bottom - height - base - 2 * pad
    cv2.rectangle(canvas, (left, top), (left + width + 2 * pad, bottom), colour, -1)
    cv2.putText(
        canvas, label, (left + pad, bottom - base - pad), _FONT, scale, _WHITE, thickness,
        cv2.LINE_AA,
    )  # fmt: skip


def ascii_text(text: str) -> str:
    """Return `text` in the letters that OpenCV's built-in font has: accents dropped, else '?'."""
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return kept.encode("ascii", "replace").decode("ascii")
