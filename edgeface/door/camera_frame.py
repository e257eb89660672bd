"""What a camera hands out: frames, how it fares, and the two ways of having none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeface.errors import CameraError


class NoFrameYet(CameraError):
    """Nothing new within the time given, and nothing is wrong: it is slow, or it starts."""


class CameraEnded(CameraError):
    """No frame will ever come: a file or folder is at its end, or the camera was closed."""


@dataclass(frozen=True)
class Frame:
    """One picture, rotated and mirrored as the settings say.

    Attributes
    ----------
    image
        (height, width, 3) uint8 BGR, read-only.
    captured
        When it was taken, in seconds of `Camera.now`. A stream that stalled and then sends what it
        held back is seen through: such frames carry the time at which they were due.
    index
        Number of the frame since the camera was opened, from 0; frames dropped are counted.
    dropped
        Frames between the one handed out before this one and this one: newer ones replaced them.
    """

    image: np.ndarray
    captured: float
    index: int
    dropped: int

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]  # no pixels in a log
        return f"Frame({width}x{height}, captured={self.captured:.3f}, index={self.index})"


@dataclass(frozen=True)
class Health:
    """How a camera fares.

    Attributes
    ----------
    source
        The camera's address without its secrets.
    state
        "starting" (no frame yet), "live", "faulty" (pictures come and none can be used), "lost" (no
        picture comes; reconnecting), "ended" or "closed".
    fault
        What is wrong now, or None.
    width, height, fps
        Of the frames handed out, and measured; 0 before they are known.
    asked
        What the settings asked the camera for and it did not give, as text; empty where it did.
    frames, dropped, late, unusable
        Good pictures; those of them that newer ones replaced, and that came older than the age
        limit; and pictures that could not be used.
    reconnects
        How often the source was opened anew.
    age_s
        Age of the newest good picture, None before the first.
    """

    source: str
    state: str
    fault: str | None
    width: int = 0
    height: int = 0
    fps: float = 0.0
    asked: str = ""
    frames: int = 0
    dropped: int = 0
    unusable: int = 0
    late: int = 0
    reconnects: int = 0
    age_s: float | None = None
