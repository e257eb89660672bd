"""Draw ROC curves with OpenCV: true accept rate over false accept rate, which is logarithmic."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from edgeface.roc import Roc

WIDTH, HEIGHT = 900, 640
LEFT, RIGHT, TOP, BOTTOM = 90, 870, 50, 570
COLOURS = ((180, 90, 20), (40, 60, 200), (60, 140, 40), (160, 60, 150))
INK, GRID = (50, 50, 50), (225, 225, 225)
FAR_MIN, TAR_MIN = 1e-3, 0.0


def draw_roc(curves: Mapping[str, Roc]) -> np.ndarray:
    """Return a (640, 900, 3) uint8 BGR picture of named curves, FAR from 0.001 to 1."""
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    _draw_axes(picture)
    for i, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        far = np.append(np.maximum(curve.far, FAR_MIN / 2), 1.0)
        points = _pixels(far, np.append(curve.tar, 1.0))
        points = points[points[:, 0] >= LEFT]
        cv2.polylines(picture, [points], False, colour, 2, cv2.LINE_AA)
        y = BOTTOM - 30 - 26 * i
        cv2.line(picture, (RIGHT - 330, y - 5), (RIGHT - 300, y - 5), colour, 3, cv2.LINE_AA)
        _text(picture, name, (RIGHT - 290, y))
    return picture


def _pixels(far: np.ndarray, tar: np.ndarray) -> np.ndarray:
    x = LEFT + (RIGHT - LEFT) * (1 - np.log10(far) / np.log10(FAR_MIN))
    y = BOTTOM - (BOTTOM - TOP) * (tar - TAR_MIN) / (1 - TAR_MIN)
    return np.stack([x, y], axis=1).round().astype(np.int32)


def _draw_axes(picture: np.ndarray) -> None:
    for tar in np.linspace(TAR_MIN, 1, 6):
        _, y = _pixels(np.ones(1), np.array([tar]))[0]
        cv2.line(picture, (LEFT, int(y)), (RIGHT, int(y)), GRID, 1)
        _text(picture, f"{tar:.1f}", (LEFT - 45, int(y) + 5))
    for far in (1e-3, 1e-2, 1e-1, 1.0):
        x, _ = _pixels(np.array([far]), np.ones(1))[0]
        cv2.line(picture, (int(x), TOP), (int(x), BOTTOM), GRID, 1)
        _text(picture, f"{far:g}", (int(x) - 18, BOTTOM + 24))
    cv2.rectangle(picture, (LEFT, TOP), (RIGHT, BOTTOM), INK, 1)
    _text(picture, "false accept rate", (LEFT + 310, BOTTOM + 52))
    _text(picture, "true accept rate", (LEFT - 60, TOP - 18))


def _text(picture: np.ndarray, text: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
