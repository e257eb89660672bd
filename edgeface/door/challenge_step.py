"""The steps of a challenge: look at the camera, turn the head. Each looks at frames until done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from edgeface.door.challenge_flat import View, flatness, view_of
from edgeface.face import Face

STEADY_FRAMES = 3
"""Frontal frames in a row that make the face's rest position."""

TURNED_FRAMES = 2
"""Turned frames in a row, each compared with a flat picture, that make a turn."""


class Progress(Enum):
    """What a step says of a frame: not yet, done, begin again from the front, or failed."""

    WAIT = "wait"
    DONE = "done"
    AGAIN = "again"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class Rest:
    """The face at rest before a movement: its yaw, its look, and its embedding (unit length)."""

    yaw: float
    view: View
    embedding: np.ndarray


@dataclass(frozen=True)
class Limits:
    """Yaws in eye distances, as `edgeface.quality.Quality.yaw`; `most_flat` as `flatness`."""

    turn_yaw: float
    wrong_yaw: float
    centre_yaw: float
    most_flat: float


class Centre:
    """Look straight at the camera: gives the `rest` that the next movement starts from."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._faces: list[Face] = []
        self.rest: Rest | None = None

    def update(self, face: Face, image: np.ndarray) -> Progress:
        if abs(face.quality.yaw) > self._limits.centre_yaw:
            self._faces.clear()
            return Progress.WAIT
        self._faces.append(face)
        if len(self._faces) < STEADY_FRAMES:
            return Progress.WAIT
        yaw = float(np.median([one.quality.yaw for one in self._faces]))
        mean = np.mean([one.embedding for one in self._faces], axis=0)
        self.rest = Rest(yaw, view_of(image, face.landmarks), mean / np.linalg.norm(mean))
        return Progress.DONE


class Turn:
    """Turn the head from rest towards one side, on a way that is seen, as no flat picture does.

    Parameters
    ----------
    rest
        Where it starts.
    side
        1 when the nose is to move to the right of the picture, -1 for the left.
    limits
        How far.
    """

    def __init__(self, rest: Rest, *, side: int, limits: Limits) -> None:
        self._rest = rest
        self._side = side
        self._limits = limits
        self._on_the_way = False
        self._turned = 0

    def update(self, face: Face, image: np.ndarray) -> Progress:
        moved = self._side * (face.quality.yaw - self._rest.yaw)
        if moved <= -self._limits.wrong_yaw:
            return Progress.FAILED
        if moved < self._limits.turn_yaw:
            self._turned = 0
            self._on_the_way = self._on_the_way or moved >= self._limits.turn_yaw / 3
            return Progress.WAIT
        if not self._on_the_way:
            return Progress.AGAIN  # too fast to be seen, or another picture
        return self._judge_shape(face, image)

    def _judge_shape(self, face: Face, image: np.ndarray) -> Progress:
        flat = flatness(self._rest.view, view_of(image, face.landmarks))
        if flat is None:
            return Progress.WAIT
        if flat >= self._limits.most_flat:
            return Progress.FAILED
        self._turned += 1
        return Progress.DONE if self._turned >= TURNED_FRAMES else Progress.WAIT
