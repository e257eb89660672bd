"""One opened source: pictures one after the other, as they come."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgeface.door.camera_settings import CameraSettings
from edgeface.door.camera_source import Source, backend_of
from edgeface.errors import CameraError, ImageError
from edgeface.image import read_image

FOLDER_FPS = 5.0
VIDEO_FPS = 25.0  # of a file that does not say
MOST_FPS = 1000.0
PHOTOS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True)
class Picture:
    """What a source gave: the image, None where it could not be decoded, and its time there.

    ``position`` counts seconds from some start; None where the source does not say.
    """

    image: np.ndarray | None
    position: float | None


class Capture(ABC):
    """An opened source, used by one thread."""

    asked: str = ""
    """What the settings asked for and the source did not grant."""

    @abstractmethod
    def read(self) -> Picture | None:
        """Return the next picture, or None when there is no more: the end, or a lost source."""

    @abstractmethod
    def close(self) -> None:
        """Free the source."""


def open_capture(source: Source, settings: CameraSettings) -> Capture:
    """Open a source; a stream that does not answer takes `open_timeout_s`.

    Raises
    ------
    CameraError
        It does not open.
    """
    if source.kind == "folder":
        return FolderCapture(source, settings)
    return VideoCapture(source, settings)


class VideoCapture(Capture):
    """Whatever OpenCV opens: devices, streams, pipelines, video files."""

    def __init__(self, source: Source, settings: CameraSettings) -> None:
        if source.kind in ("device", "video") and not os.path.exists(source.address):
            raise CameraError(f"{source.label}: there is none now; check that it is plugged in")
        self._opened = _opened(source, settings)
        if not self._opened.isOpened():
            self._opened.release()
            raise CameraError(f"{source.label}: cannot be opened; {_ADVICE[source.kind]}")
        self.asked = _ask(self._opened, settings) if source.kind == "device" else ""
        self._seconds = 1 / self._file_fps() if source.ends else None
        self._timed = source.timed
        self._count = 0

    def _file_fps(self) -> float:
        fps = self._opened.get(cv2.CAP_PROP_FPS)
        return fps if math.isfinite(fps) and 0 < fps <= MOST_FPS else VIDEO_FPS

    def read(self) -> Picture | None:
        """As `Capture.read`; a file's positions follow from its frames per second."""
        if not self._opened.grab():
            return None
        self._count += 1
        try:
            decoded, image = self._opened.retrieve()
        except cv2.error:
            return Picture(None, self._position())
        return Picture(image if decoded else None, self._position())

    def _position(self) -> float | None:
        if self._seconds is not None:
            return (self._count - 1) * self._seconds
        if not self._timed:
            return None
        milliseconds = self._opened.get(cv2.CAP_PROP_POS_MSEC)
        return milliseconds / 1000 if math.isfinite(milliseconds) and milliseconds >= 0 else None

    def close(self) -> None:
        """Release it."""
        self._opened.release()


class FolderCapture(Capture):
    """The photos of a folder in the order of their names."""

    def __init__(self, source: Source, settings: CameraSettings) -> None:
        try:
            self._files = sorted(
                file for file in Path(source.address).iterdir() if file.suffix.lower() in PHOTOS
            )
        except OSError as error:
            raise CameraError(
                f"{source.label}: cannot be read ({error.strerror}); check the folder"
            ) from error
        if not self._files:
            raise CameraError(
                f"{source.label}: no photo in it; expected files ending in {', '.join(PHOTOS)}"
            )
        self._seconds = 1 / (settings.fps or FOLDER_FPS)
        self._count = 0

    def read(self) -> Picture | None:
        """As `Capture.read`."""
        if self._count == len(self._files):
            return None
        file, position = self._files[self._count], self._count * self._seconds
        self._count += 1
        try:
            return Picture(read_image(file), position)
        except ImageError:
            return Picture(None, position)

    def close(self) -> None:
        """Nothing is open between two photos."""


def _opened(source: Source, settings: CameraSettings) -> cv2.VideoCapture:
    limits = _time_limits(settings) if source.kind in ("stream", "gstreamer") else []
    opened = cv2.VideoCapture(source.address, backend_of(source), limits)
    if source.kind == "gstreamer" and not opened.isOpened():
        # Older OpenCVs know no limits there, and refuse what they do not know.
        opened.release()
        opened = cv2.VideoCapture(source.address, backend_of(source))
    return opened


def _time_limits(settings: CameraSettings) -> list[int]:
    return [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, math.ceil(settings.open_timeout_s * 1000)),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, math.ceil(settings.read_timeout_s * 1000)),
    ]


def _ask(opened: cv2.VideoCapture, settings: CameraSettings) -> str:
    """Ask a device for what is set, and say what it did not grant."""
    asked = {name: _number(getattr(settings, name)) for name in _WANTED}
    asked = {name: value for name, value in asked.items() if value is not None}
    for name, value in asked.items():
        opened.set(_WANTED[name], value)
    given = {name: opened.get(_WANTED[name]) for name in asked}  # width counts once height is set
    return ", ".join(
        f"{name} {_text(name, value)} asked, {_text(name, given[name])} given"
        for name, value in asked.items()
        if abs(given[name] - value) > 0.01 * value
    )


def _number(setting: str | float | None) -> float | None:
    return cv2.VideoWriter.fourcc(*setting) if isinstance(setting, str) else setting


def _text(name: str, value: float) -> str:
    if name != "pixel_format":
        return f"{value:g}"
    return int(value).to_bytes(4, "little").decode("latin-1") if value > 0 else "none"


_WANTED = {  # the format first: sizes and rates depend on it
    "pixel_format": cv2.CAP_PROP_FOURCC,
    "width": cv2.CAP_PROP_FRAME_WIDTH,
    "height": cv2.CAP_PROP_FRAME_HEIGHT,
    "fps": cv2.CAP_PROP_FPS,
}
_ADVICE = {
    "device": "check that no other program uses it and that this user is in the group video",
    "stream": "check the address, the user and password, and that the camera answers",
    "gstreamer": "try it with gst-launch-1.0; it must end in appsink",
    "video": "it is damaged, or of a format that this OpenCV does not read",
}
