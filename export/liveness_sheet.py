"""A flat picture of a person held before the camera: where it is, and which part of it is seen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from export.liveness_frame import Frame, moved_labels, placing
from export.liveness_scene import SIDE

FRAMINGS = ("held", "near", "filling")
FRAMING_SHARES = (0.5, 0.2, 0.3)
FAR_OUT = 1e4  # pixels: an edge that no camera pixel reaches


@dataclass(frozen=True, eq=False)
class Sheet:
    """A picture as it lies in the camera's frame, before print or screen changed it.

    Attributes
    ----------
    picture : (SIDE, SIDE, 3) float32, 0 to 1: the shown person at every camera pixel.
    x, y : (SIDE, SIDE) float32: where on the shown picture each camera pixel looks, its pixels.
    edge : (SIDE, SIDE) float32: distance to the sheet's edge in shown pixels, over 0 inside.
    bend : (SIDE, SIDE) float32, -1 to 1: which way the surface leans there.
    box, landmarks : of the shown face in the camera's frame.
    framing : one of FRAMINGS, or "cut" for a cut-out.
    """

    picture: np.ndarray
    x: np.ndarray
    y: np.ndarray
    edge: np.ndarray
    bend: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray
    framing: str

    @property
    def shows_edges(self) -> bool:
        """Whether the camera sees that this is a sheet, whatever its texture."""
        return self.framing != "filling"


def place(content: Frame, rng: np.random.Generator, *, framing=None, flat: bool = False) -> Sheet:
    """Hold a picture up.

    ``framing``: "held" (its edges are in the frame, around the face), "near" (some of them),
    "filling" (none); None draws one. ``flat`` pictures lean and are not curled: screens.
    """
    framing = framing or str(rng.choice(FRAMINGS, p=FRAMING_SHARES))
    lean = _lean(content, rng, framing=framing)
    matrix = _perspective(rng) @ lean
    x, y = _looked_at(matrix)
    bend = np.zeros_like(x)
    if not flat:
        x, y, bend = _curled(x, y, rng)
    picture = cv2.remap(content.image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    edge = _edge_distance(content, x, y, rng, framing=framing, flat=flat)
    return Sheet(
        picture.astype(np.float32) / 255, x, y, edge, bend, *moved_labels(content, matrix), framing
    )


def _lean(content: Frame, rng, *, framing: str) -> np.ndarray:
    """Where the shown face goes; a picture that fills the frame is a little larger than it."""
    grown = content.face_side / SIDE * rng.uniform(1.1, 1.4)
    share = {"held": rng.uniform(0.28, 0.6), "near": 0.85 * grown, "filling": grown}[framing]
    spread, turn = (0.05, 0.1) if framing == "held" else (0.02, 0.03)
    x, y, w, h = content.box
    middle = np.array([SIDE / 2, SIDE * 0.47]) if framing == "held" else (x + w / 2, y + h / 2)
    return placing(
        content,
        centre=rng.normal(middle, spread * SIDE),
        face_side=share * SIDE,
        angle=rng.normal(0, turn),
    )


def _perspective(rng) -> np.ndarray:
    corners = np.array([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]], np.float32)
    moved = corners + rng.normal(0, 0.035 * SIDE, (4, 2)).astype(np.float32)
    return cv2.getPerspectiveTransform(corners, moved)


def _looked_at(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inverse = np.linalg.inv(matrix).astype(np.float32)
    v, u = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    depth = inverse[2, 0] * u + inverse[2, 1] * v + inverse[2, 2]
    x = (inverse[0, 0] * u + inverse[0, 1] * v + inverse[0, 2]) / depth
    y = (inverse[1, 0] * u + inverse[1, 1] * v + inverse[1, 2]) / depth
    return x, y


def _curled(x, y, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paper bends along one direction; amplitude up to 2.5 % of the sheet."""
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    along = (x * np.cos(angle) + y * np.sin(angle)) * (rng.uniform(0.6, 1.6) * np.pi / SIDE)
    amplitude = 0.025 * SIDE * rng.random() ** 2
    wave = np.sin(along + phase)
    moved = (amplitude * wave).astype(np.float32)
    bend = (np.cos(along + phase) * (amplitude / (0.025 * SIDE))).astype(np.float32)
    return x - moved * np.float32(np.sin(angle)), y + moved * np.float32(np.cos(angle)), bend


def _edge_distance(content: Frame, x, y, rng, *, framing: str, flat: bool) -> np.ndarray:
    """Distance to the edge of a rectangle around the shown face, at most the shown picture.

    Screens have round corners and, half of them, a phone's upright shape.
    """
    if framing == "filling":
        return np.full_like(x, FAR_OUT)
    low, high = _rectangle(content, rng, upright=flat and rng.random() < 0.5)
    if framing == "near":  # two of the four sides lie outside what the camera sees
        far = rng.permutation(4)[:2]
        low = np.where([0 in far, 1 in far], -FAR_OUT, low)
        high = np.where([2 in far, 3 in far], FAR_OUT, high)
    radius = rng.uniform(0, 14) if flat else 0.0
    centre, half = (low + high) / 2, (high - low) / 2 - radius
    qx = np.abs(x - np.float32(centre[0])) - np.float32(half[0])
    qy = np.abs(y - np.float32(centre[1])) - np.float32(half[1])
    outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
    return np.float32(radius) - outside - np.minimum(np.maximum(qx, qy), 0)


def _rectangle(content: Frame, rng, *, upright: bool) -> tuple[np.ndarray, np.ndarray]:
    """Left, top and right, bottom of what is shown, in the shown picture's pixels."""
    x, y, w, h = (float(v) for v in content.box)
    grow = rng.uniform(0.04, 0.9, 4)
    if upright:
        width = w * (1 + grow[0])
        height = max(width * rng.uniform(1.4, 2.1), 1.2 * h)
        left = x + w / 2 - width * rng.uniform(0.4, 0.6)
        top = y + h / 2 - height * rng.uniform(0.35, 0.6)
        low, high = np.array([left, top]), np.array([left + width, top + height])
    else:
        low = np.array([x - grow[0] * w, y - grow[1] * h])
        high = np.array([x + w * (1 + grow[2]), y + h * (1 + grow[3])])
    return np.maximum(low, 0), np.minimum(high, SIDE - 1)
