"""Is the followed face good enough to be judged, and which of its frames were the best?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeface.door.track import Track, area
from edgeface.face import Face
from edgeface.quality import Quality, broken_limits


def _limit(description: str, most: float) -> dict[str, Any]:
    return {"type": "number", "minimum": 0, "maximum": most, "description": description}


SETTINGS: dict[str, Any] = {
    "type": "object",
    "description": "what a face must be like to be judged, beside the bundle's own limits",
    "additionalProperties": False,
    "properties": {
        "min_eye_distance_px": _limit("least distance between the eyes, pixels; default 24", 2000),
        "min_sharpness": _limit("least sharpness, as edgeface measures it; default 0.012", 1),
        "max_yaw": _limit("most turn of the head, eye distances; default 0.3", 2),
        "min_brightness": _limit("least mean luma of the face, 0 to 255; default 40", 255),
        "max_brightness": _limit("most mean luma of the face, 0 to 255; default 225", 255),
        "min_visible": _limit("least share of the face inside the picture; default 0.95", 1),
        "second_face_ratio": _limit(
            "a second face of more than this share of the first one's area is one too many; "
            "default 0.3, which a person 1.8 times as far away has",
            1,
        ),
        "region": {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "maximum": 1},
            "minItems": 4,
            "maxItems": 4,
            "description": "left, top, right, bottom, shares of the picture, between which the "
            "face's middle must lie; default [0, 0, 1, 1]",
        },
    },
}

WHOLE_PICTURE = (0.0, 0.0, 1.0, 1.0)


class Gate:
    """The door's own quality limits. They add to the bundle's, and never take one away.

    Parameters
    ----------
    second_face_ratio, region
        As in `SETTINGS`.
    limits
        The others of `SETTINGS`; one left out has its default.

    Raises
    ------
    ValueError
        A region with its right before its left, or its bottom above its top.
    """

    DEFAULTS: Mapping[str, float] = {
        "min_eye_distance_px": 24,
        "min_sharpness": 0.012,
        "max_yaw": 0.3,
        "min_brightness": 40,
        "max_brightness": 225,
        "min_visible": 0.95,
    }

    def __init__(
        self,
        *,
        second_face_ratio: float = 0.3,
        region: Sequence[float] = WHOLE_PICTURE,
        **limits: float,
    ) -> None:
        left, top, right, bottom = region
        if not (left < right and top < bottom):
            raise ValueError(
                f"region is {list(region)}; expected left, top, right, bottom with left < right "
                "and top < bottom"
            )
        unknown = sorted(set(limits) - set(self.DEFAULTS))
        if unknown:
            raise ValueError(f"no such limit: {unknown}; expected some of {list(self.DEFAULTS)}")
        self._limits = {**self.DEFAULTS, **limits}
        self._second_face_ratio = second_face_ratio
        self._region = (left, top, right, bottom)

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, base: Path) -> Gate:
        """Make it from door.toml's ``[gate.quality]``, which `SETTINGS` describes."""
        return cls(**table)

    def broken(
        self, face: Face, faces: Sequence[Face], *, shape: tuple[int, ...]
    ) -> tuple[str, ...]:
        """Return why the face is not to be judged in this frame; empty when it is.

        Parameters
        ----------
        face
            The followed one.
        faces
            All of the frame.
        shape
            The frame's: height, width and whatever follows.

        Returns
        -------
        tuple of str
            `Quality.reasons` of the bundle, those of the door's limits, "several_faces" and
            "off_centre"; each once.
        """
        own = broken_limits(asdict(face.quality), limits=self._limits)
        reasons = [*face.quality.reasons, *own]
        if self._crowded(face, faces):
            reasons.append("several_faces")
        if not self._centred(face, shape):
            reasons.append("off_centre")
        return tuple(dict.fromkeys(reasons))

    def _crowded(self, face: Face, faces: Sequence[Face]) -> bool:
        most = self._second_face_ratio * area(face)
        return any(area(other) > most for other in faces if other is not face)

    def _centred(self, face: Face, shape: tuple[int, ...]) -> bool:
        x, y, width, height = face.box
        left, top, right, bottom = self._region
        across, down = (x + width / 2) / shape[1], (y + height / 2) / shape[0]
        return left <= across <= right and top <= down <= bottom


FINE_EYE_DISTANCE_PX = 60.0
FINE_SHARPNESS = 0.05
PROFILE_YAW = 0.6


def shot_score(quality: Quality) -> float:
    """Say how good a frame of a face is, 0 to 1.

    The product of size (eye distance, 1 from 60 pixels on), sharpness (1 from 0.05 on, an
    ordinary photo's) and pose (1 frontal, 0 from a yaw of 0.6 on): one bad property spoils it.
    """
    size = min(1.0, quality.eye_distance_px / FINE_EYE_DISTANCE_PX)
    sharp = min(1.0, quality.sharpness / FINE_SHARPNESS)
    return size * sharp * max(0.0, 1.0 - abs(quality.yaw) / PROFILE_YAW)


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame worth keeping: its face, when it was captured (monotonic seconds) and its score."""

    face: Face
    at: float
    score: float


class BestShot:
    """The best few frames of the visit in progress, for the decision and for enrolment.

    It holds embeddings and measures, never pixels, and forgets them with the visit.

    Parameters
    ----------
    keep
        How many, at least 1.
    """

    def __init__(self, *, keep: int = 3) -> None:
        if keep < 1:
            raise ValueError(f"keep is {keep}; expected 1 or more frames")
        self._keep = keep
        self._number: int | None = None
        self._shots: tuple[Shot, ...] = ()

    def add(self, track: Track | None, *, broken: Sequence[str], at: float) -> None:
        """Look at a frame: None, or another visit's, forgets what was kept.

        `broken` is what `Gate.broken` said: such a frame is not kept.
        """
        number = None if track is None else track.number
        if number != self._number:
            self._number, self._shots = number, ()
        if track is not None and not broken:
            shot = Shot(track.face, at, shot_score(track.face.quality))
            ranked = sorted((*self._shots, shot), key=lambda one: -one.score)
            self._shots = tuple(ranked[: self._keep])

    def best(self) -> tuple[Shot, ...]:
        """Return what is kept of the visit in progress, best first; empty before a good frame."""
        return self._shots
