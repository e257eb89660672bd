"""The self-test's pair: a drawn face, and the drawing as a print. Nobody's photo is in it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from export import liveness_surface as surface
from export.errors import ExportError
from export.liveness_attacks import in_front
from export.liveness_frame import Frame
from export.liveness_scene import SIDE
from export.liveness_sheet import place
from export.selftest_inputs import picture

DRAWINGS = 40  # tried, to find a pair on either side of the threshold


def drawing(seed: int) -> Frame:
    """A head with hair, eyes, nose and mouth before a blurred background; the same for a seed."""
    rng = np.random.default_rng(seed)
    canvas = cv2.GaussianBlur(picture(SIDE, SIDE, seed=seed), (0, 0), 9).astype(np.float32)
    w, h = SIDE * rng.uniform(0.34, 0.44), SIDE * rng.uniform(0.46, 0.54)
    x, y = SIDE / 2 - w / 2 + rng.normal(0, 6), SIDE * 0.46 - h / 2
    skin = np.array([0.6, 0.72, 1.0]) * rng.uniform(110, 220)
    hair, cloth = rng.uniform(10, 110, 3), rng.uniform(20, 220, 3)

    def oval(cx: float, cy: float, rx: float, ry: float, colour, soft: float) -> None:
        cover = np.zeros((SIDE, SIDE), np.float32)
        centre = (int(x + cx * w), int(y + cy * h))
        cv2.ellipse(cover, centre, (int(rx * w), int(ry * h)), 0, 0, 360, 1.0, -1)
        cover = cv2.GaussianBlur(cover, (0, 0), soft)[..., None]
        canvas[:] = canvas + (np.asarray(colour, np.float32) - canvas) * cover

    oval(0.5, 0.42, 0.62, 0.62, hair, 2.5)
    oval(0.5, 1.15, 0.3, 0.3, skin * 0.85, 2.0)
    oval(0.5, 1.62, 1.1, 0.5, cloth, 2.0)
    oval(0.5, 0.52, 0.5, 0.5, skin, 2.0)
    oval(0.32, 0.6, 0.14, 0.1, skin * 1.08, 6.0)
    oval(0.72, 0.72, 0.2, 0.2, skin * 0.9, 8.0)
    points = np.array([[0.3, 0.42], [0.7, 0.42], [0.5, 0.6], [0.36, 0.77], [0.64, 0.77]])
    for cx, cy in points[:2]:
        oval(cx, cy - 0.09, 0.11, 0.012, hair * 0.6, 1.2)
        oval(cx, cy, 0.085, 0.035, (215, 220, 225), 1.0)
        oval(cx, cy, 0.035, 0.033, (40, 45, 60), 0.8)
    oval(0.53, 0.6, 0.05, 0.03, skin * 0.75, 2.0)
    oval(0.5, 0.77, 0.16, 0.025, skin * [0.6, 0.55, 0.85], 1.5)
    canvas += rng.normal(0, 2.0, canvas.shape)
    image = np.clip(canvas, 0, 255).astype(np.uint8)
    box = np.array([x, y, w, h], np.float32)
    return Frame(image, box, (points * [w, h] + [x, y]).astype(np.float32))


def printed(frame: Frame, seed: int) -> Frame:
    """The drawing on a sheet with a white border and coarse ink dots, held before something."""
    rng = np.random.default_rng(seed)
    sheet = place(frame, rng, framing="held")
    shown = surface.tone(
        sheet.picture, contrast=0.7, black=0.15, gamma=1.0, saturation=0.7, cast=(1.0, 1.0, 1.0)
    )
    shown = surface.halftone(shown, sheet, pitch=4.0, strength=0.12, turn=0.3)
    shown = np.where((sheet.edge < 8)[..., None], np.float32(0.95), shown)
    return in_front(sheet, shown, picture(SIDE, SIDE, seed=seed + 1), rng)


def golden_pair(score: Callable[[Frame], float], *, threshold: float) -> tuple[Frame, Frame]:
    """The drawing and its print whose scores lie furthest on either side of the threshold.

    ``score`` is the network's, through the code that doors run.

    Raises
    ------
    ExportError
        No drawing is taken for live while its print is refused: the network is of no use.
    """
    pairs = [
        (frame, printed(frame, seed)) for seed, frame in enumerate(map(drawing, range(DRAWINGS)))
    ]

    def room(pair: tuple[Frame, Frame]) -> float:
        return min(score(pair[0]) - threshold, threshold - score(pair[1]))

    rooms = [room(pair) for pair in pairs]
    best = int(np.argmax(rooms))
    if rooms[best] <= 0:
        raise ExportError(
            f"of {len(pairs)} drawings none scores over {threshold} with its print below it: "
            "train longer, or choose another threshold"
        )
    return pairs[best]
