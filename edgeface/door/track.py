"""One face is followed: a visit's number changes when the face leaves or is another person's.

Place (overlap of boxes) says which face may be the one of the last frame, the embedding whether
it is. In doubt a new number begins, so that nobody inherits what somebody else has shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.face import Face

SETTINGS: dict[str, Any] = {
    "type": "object",
    "description": "which face is followed, and for how long it stays the same visit",
    "additionalProperties": False,
    "properties": {
        "min_overlap": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
            "description": "least intersection over union with the last box, 0 to 1; default 0.2",
        },
        "same_person": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
            "description": "least cosine with the track's last frames; default 0.45",
        },
        "same_as_first": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
            "description": "least cosine with the track's first frames, lower because a head "
            "turns; default 0.35",
        },
        "lost_after_s": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 10,
            "description": "seconds without the face after which the visit is over; default 0.8",
        },
        "takeover_ratio": {
            "type": "number",
            "minimum": 1,
            "maximum": 100,
            "description": "how many times larger (area) another face must be to be followed "
            "instead; default 1.5",
        },
    },
}

REMEMBERED = 5
"""Frames at a track's beginning, and at its end, that a new one is compared with."""


@dataclass(frozen=True, eq=False)
class Track:
    """The face that is followed, in one frame.

    Attributes
    ----------
    number
        Of the visit: grows by one whenever another begins, and never repeats.
    face
        It.
    age_s
        Seconds since the visit's first frame.
    frames
        How many frames showed it, this one included.
    swapped
        True where the visit began because this person took another's place before the camera,
        with no gap between the two.
    """

    number: int
    face: Face
    age_s: float
    frames: int
    swapped: bool


class Tracker:
    """Follow the largest face through the frames.

    Parameters
    ----------
    min_overlap, same_person, same_as_first, lost_after_s, takeover_ratio
        As in `SETTINGS`; decision 0028 says where the numbers come from.

    Raises
    ------
    ValueError
        A value outside its range in `SETTINGS`.
    """

    def __init__(
        self,
        *,
        min_overlap: float = 0.2,
        same_person: float = 0.45,
        same_as_first: float = 0.35,
        lost_after_s: float = 0.8,
        takeover_ratio: float = 1.5,
    ) -> None:
        require_shares(
            min_overlap=min_overlap, same_person=same_person, same_as_first=same_as_first
        )
        if not (0 < lost_after_s < np.inf and 1 <= takeover_ratio < np.inf):
            raise ValueError(
                f"lost_after_s is {lost_after_s}, takeover_ratio {takeover_ratio}; expected a "
                "number above 0, and one of at least 1"
            )
        self._min_overlap = min_overlap
        self._lost_after_s = lost_after_s
        self._takeover_ratio = takeover_ratio
        self._looks_like = (same_as_first, same_person)
        self._followed: _Followed | None = None
        self._number = 0

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, base: Path) -> Tracker:
        """Make it from door.toml's ``[gate.track]``, which `SETTINGS` describes."""
        return cls(**table)

    def update(self, faces: Sequence[Face], *, at: float) -> Track | None:
        """Say which of a frame's faces is followed.

        Parameters
        ----------
        faces
            All of the frame, in any order.
        at
            When the frame was captured, seconds of the monotonic clock. A time before the last
            call's ends the visit.

        Returns
        -------
        Track or None
            None without a face, and while a face that was missed for a moment may come back
            and only smaller ones elsewhere are in sight.
        """
        if self._followed is not None and not 0 <= at - self._followed.seen <= self._lost_after_s:
            self._followed = None
        face = self._chosen(faces)
        if face is None:
            return None
        followed = self._followed
        if followed is None or not self._continues(followed, face):
            swapped = followed is not None and self._overlaps(followed, face)
            self._number += 1
            self._followed = followed = _Followed(at, swapped)
        followed.add(face, at=at)
        return Track(
            self._number, face, at - followed.began, followed.frames, followed.began_by_swap
        )

    def _chosen(self, faces: Sequence[Face]) -> Face | None:
        largest = max(faces, key=area, default=None)
        if self._followed is None or largest is None:
            return largest
        followed = self._followed
        same = [face for face in faces if self._continues(followed, face)]
        if same:
            face = max(same, key=lambda one: overlap(one.box, followed.face.box))
            return largest if area(largest) > self._takeover_ratio * area(face) else face
        if any(self._overlaps(followed, face) for face in faces):
            return largest  # somebody else stands there now
        gone_for_a_moment = area(largest) * self._takeover_ratio < area(followed.face)
        return None if gone_for_a_moment else largest

    def _continues(self, followed: _Followed, face: Face) -> bool:
        return self._overlaps(followed, face) and followed.is_like(face, least=self._looks_like)

    def _overlaps(self, followed: _Followed, face: Face) -> bool:
        return overlap(face.box, followed.face.box) >= self._min_overlap


class _Followed:
    """What is remembered of a visit: times, the last face, first and last embeddings.

    Frames that break the bundle's quality limits are compared but not remembered, once there was
    a better one: a blur is like everybody.
    """

    def __init__(self, at: float, swapped: bool) -> None:
        self.began = self.seen = at
        self.began_by_swap = swapped
        self.frames = 0
        self._first: list[np.ndarray] = []
        self._last: deque[np.ndarray] = deque(maxlen=REMEMBERED)
        self._good = False

    def add(self, face: Face, *, at: float) -> None:
        self.face, self.seen = face, at
        self.frames += 1
        if face.quality.ok and not self._good:
            self._good = True
            self._first.clear()
            self._last.clear()
        if face.quality.ok or not self._good:
            self._last.append(face.embedding)
            if len(self._first) < REMEMBERED:
                self._first.append(face.embedding)

    def is_like(self, face: Face, *, least: tuple[float, float]) -> bool:
        """Compare with the mean of the first and of the last embeddings; NaN is like nobody."""
        pairs = zip((self._first, self._last), least)
        return all(_cosine(np.mean(kept, axis=0), face.embedding) >= low for kept, low in pairs)


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second) / max(float(np.linalg.norm(first)), 1e-6)


def area(face: Face) -> float:
    """Return the area of a face's box, square pixels."""
    return face.box[2] * face.box[3]


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Return intersection over union of two boxes (x, y, width, height), 0 to 1."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = first[2] * first[3] + second[2] * second[3] - shared
    return shared / union if union > 0 else 0.0


def require_shares(**values: float) -> None:
    """Raise ValueError for a value that is not above 0 and at most 1."""
    for name, value in values.items():
        if not 0 < value <= 1:
            raise ValueError(f"{name} is {value}; expected a number above 0, at most 1")
