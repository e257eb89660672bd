"""From pictures as they come to frames: judged, turned, mirrored, numbered."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from edgeface.door.camera_capture import Picture
from edgeface.door.camera_check import FrameCheck
from edgeface.door.camera_frame import Frame
from edgeface.door.camera_settings import CameraSettings

_RATE_FRAMES = 30
_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


class Eye:
    """Keeps count; not for several threads.

    Attributes
    ----------
    problem
        What was wrong with the last picture, or None.
    frames, unusable
        Good pictures and the others.
    size
        (width, height) of the last frame in pixels; (0, 0) before it.
    """

    def __init__(self, settings: CameraSettings) -> None:
        self._settings = settings
        self._check = FrameCheck(freeze_s=settings.freeze_s)
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES)
        self.problem: str | None = None
        self.frames = 0
        self.unusable = 0
        self.size = (0, 0)

    @property
    def fps(self) -> float:
        """Frames a second over the last 30, by their time of capture; 0 before the second."""
        if len(self._times) < 2 or self._times[-1] <= self._times[0]:
            return 0.0
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])

    def forget_rate(self) -> None:
        """Begin to measure `fps` anew."""
        self._times.clear()

    def look(self, picture: Picture, *, captured: float, now: float) -> Frame | None:
        """Return the frame that a picture is, or None where `problem` says what is wrong."""
        self.problem = self._check.problem(picture.image, now=now)
        if self.problem is not None or picture.image is None:
            self.unusable += 1
            return None
        picture.image.flags.writeable = False  # the check compares it with the next one
        image = upright(picture.image, self._settings)
        self._times.append(captured)
        self.size = (image.shape[1], image.shape[0])
        self.frames += 1
        return Frame(image, captured=captured, index=self.frames - 1, dropped=0)


def upright(image: np.ndarray, settings: CameraSettings) -> np.ndarray:
    """Return a picture turned and mirrored, read-only."""
    if settings.rotate:
        image = cv2.rotate(image, _ROTATIONS[settings.rotate])
    if settings.mirror:
        image = cv2.flip(image, 1)
    image.flags.writeable = False
    return image
