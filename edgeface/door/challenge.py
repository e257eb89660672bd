"""The active challenge: turn your head as you are told, in an order nobody knows before.

Directions are the person's own. In a picture that is not mirrored the person's left is at the
right: who turns left moves the nose to the picture's right, and `quality.yaw` grows.
docs/challenge.md says what this holds against, and what not.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.door.challenge_step import Centre, Limits, Progress, Turn
from edgeface.door.track import Track
from edgeface.errors import DoorError
from edgeface.face import Face

SIDES = {"turn_left": 1, "turn_right": -1}
"""Where each turn moves the nose in a picture that is not mirrored: 1 is right."""

INSTRUCTIONS = {
    "centre": "Look straight at the camera",
    "turn_left": "Slowly turn your head to your left",
    "turn_right": "Slowly turn your head to your right",
}


def _number(description: str, *, least: float, most: float) -> dict[str, Any]:
    return {"type": "number", "minimum": least, "maximum": most, "description": description}


SETTINGS: dict[str, Any] = {
    "type": "object",
    "description": "the movements that a person is asked for",
    "additionalProperties": False,
    "properties": {
        "steps": {
            "type": "array",
            "items": {"type": "string", "enum": sorted(SIDES)},
            "minItems": 1,
            "uniqueItems": True,
            "description": 'movements to draw from; default ["turn_left", "turn_right"]',
        },
        "count": {
            "type": "integer",
            "minimum": 1,
            "maximum": 8,
            "description": "how many movements, each drawn alone: a recording fits once in "
            "2 ** count with two steps; default 3",
        },
        "time_limit_s": _number("seconds for all of it; default 15", least=1, most=120),
        "turn_yaw": _number(
            "how far to turn, eye distances that the nose moves off the middle: 0.2 is some 20 "
            "degrees; default 0.2",
            least=0.15,
            most=0.5,
        ),
        "wrong_yaw": _number(
            "how far towards the other side fails, eye distances; default 0.12",
            least=0.05,
            most=0.5,
        ),
        "centre_yaw": _number(
            "most yaw of a face that looks straight at the camera, eye distances; default 0.12",
            least=0.02,
            most=0.2,
        ),
        "max_gap_s": _number(
            "seconds without a good frame after which the movement starts again; default 0.6",
            least=0.1,
            most=5,
        ),
        "same_person": _number(
            "least cosine with the person who began; default 0.4", least=0.1, most=1
        ),
        "most_flat": _number(
            "correlation from which what turned is a flat picture; default 0.965",
            least=0.5,
            most=0.999,
        ),
        "mirrored": {
            "type": "boolean",
            "description": "whether the camera's pictures are mirrored; default false",
        },
    },
}


class Challenge:
    """One challenge at a time, of one track. `start` it, then `update` it with each frame.

    Parameters
    ----------
    steps, count, time_limit_s, turn_yaw, wrong_yaw, centre_yaw, max_gap_s, same_person, most_flat
        As in `SETTINGS`; docs/challenge.md says where the numbers come from.
    mirrored
        Whether frames are mirrored.
    draw
        What draws the steps; None for the system's randomness.

    Raises
    ------
    ValueError
        A step that does not exist, or no steps.
    """

    def __init__(
        self,
        *,
        steps: Sequence[str] = ("turn_left", "turn_right"),
        count: int = 3,
        time_limit_s: float = 15.0,
        turn_yaw: float = 0.2,
        wrong_yaw: float = 0.12,
        centre_yaw: float = 0.12,
        max_gap_s: float = 0.6,
        same_person: float = 0.4,
        most_flat: float = 0.965,
        mirrored: bool = False,
        draw: random.Random | None = None,
    ) -> None:
        if not steps or set(steps) - set(SIDES) or count < 1:
            raise ValueError(
                f"steps are {list(steps)}, count is {count}; expected some of {sorted(SIDES)}, "
                "at least once"
            )
        self._choices = tuple(steps)
        self._count = count
        self._time_limit_s = time_limit_s
        self._limits = Limits(turn_yaw, wrong_yaw, centre_yaw, most_flat)
        self._max_gap_s = max_gap_s
        self._same_person = same_person
        self._mirror = -1 if mirrored else 1
        self._draw = draw or random.SystemRandom()
        self._state = "none"

    @classmethod
    def from_settings(
        cls, table: Mapping[str, Any], *, base: Path, draw: random.Random | None = None
    ) -> Challenge:
        """Make it from door.toml's ``[liveness.challenge]``, which `SETTINGS` describes.

        `draw` draws the steps; None for the system's randomness.

        Raises
        ------
        DoorError
            A face that is turned enough would still count as looking at the camera.
        """
        challenge = cls(**table, draw=draw)
        limits = challenge._limits
        if limits.centre_yaw >= limits.turn_yaw:
            raise DoorError(
                f"liveness.challenge: centre_yaw is {limits.centre_yaw}, turn_yaw "
                f"{limits.turn_yaw}; make turn_yaw the larger"
            )
        return challenge

    @property
    def state(self) -> str:
        """ "none" before `start`, then "asked", at last "passed" or "failed"."""
        return self._state

    @property
    def step(self) -> str | None:
        """What the person is to do now: "centre" or one of the steps; None when nothing."""
        if self._state != "asked":
            return None
        return "centre" if isinstance(self._now, Centre) else self._steps[0]

    @property
    def instruction(self) -> str:
        """The same in words for a display; empty when nothing is to be done."""
        return "" if self.step is None else INSTRUCTIONS[self.step]

    def start(self, track: Track, *, at: float) -> None:
        """Ask a track's person for new movements; what was asked before is forgotten.

        `at` is the time of the frame, seconds of the monotonic clock.
        """
        self._state = "asked"
        self._steps = [self._draw.choice(self._choices) for _ in range(self._count)]
        self._person = track.face.embedding
        self._began = self._seen = at
        self._now: Centre | Turn = Centre(self._limits)

    def stop(self) -> None:
        """Forget it: the track ended."""
        self._state = "none"

    def update(self, face: Face, image: np.ndarray, *, at: float) -> str:
        """Look at the next frame of the same track.

        Parameters
        ----------
        face
            The track's, in this frame. One that breaks a quality limit of the bundle other than
            "side_pose" is not looked at.
        image
            The frame, (height, width, 3) uint8 BGR.
        at
            When it was captured, seconds of the monotonic clock.

        Returns
        -------
        str
            "asked", "passed" or "failed"; the last two stay until the next `start`, and "none"
            before the first.
        """
        if self._state != "asked":
            return self._state
        if at < self._seen or at - self._began > self._time_limit_s:
            self._state = "failed"
        elif not set(face.quality.reasons) - {"side_pose"}:
            self._state = self._judge(face, image, at)
        return self._state

    def _judge(self, face: Face, image: np.ndarray, at: float) -> str:
        if not float(self._person @ face.embedding) >= self._same_person:
            return "failed"
        gap, self._seen = at - self._seen, at
        if gap > self._max_gap_s:
            self._now = Centre(self._limits)
        progress = self._now.update(face, image)
        if progress is Progress.FAILED:
            return "failed"
        if progress is Progress.AGAIN:
            self._now = Centre(self._limits)
        elif progress is Progress.DONE:
            return self._advance()
        return "asked"

    def _advance(self) -> str:
        if isinstance(self._now, Centre):
            if not self._steps:
                return "passed"  # it ends as it began, at rest
            rest = self._now.rest
            self._person = rest.embedding
            self._now = Turn(rest, side=self._side(self._steps[0]), limits=self._limits)
        else:
            self._steps.pop(0)
            self._now = Centre(self._limits)
        return "asked"

    def _side(self, step: str) -> int:
        return SIDES[step] * self._mirror
