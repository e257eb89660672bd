"""A file or folder looked at frame by frame, with its own time: the same every time."""

from __future__ import annotations

from edgeface.door.camera_capture import open_capture
from edgeface.door.camera_eye import Eye
from edgeface.door.camera_frame import CameraEnded, Frame, Health
from edgeface.door.camera_settings import CameraSettings
from edgeface.door.camera_source import Source
from edgeface.errors import CameraError


class ReplayFeed:
    """Every picture in order; time passes as they are read. Raises CameraError when it cannot open.

    Not for several threads.
    """

    def __init__(self, source: Source, settings: CameraSettings) -> None:
        self._source = source
        self._eye = Eye(settings)
        self._capture = open_capture(source, settings)
        self._state = "starting"
        self._now = 0.0

    def now(self) -> float:
        """Return the time of the last picture, in seconds from the first."""
        return self._now

    def read(self, timeout_s: float) -> Frame:
        """Return the next frame; `timeout_s` does not matter. Raises as `Camera.read`."""
        picture = self._capture.read() if self._state not in ("ended", "closed") else None
        if picture is None:
            self._state = "closed" if self._state == "closed" else "ended"
            raise CameraEnded(f"{self._source.label}: {self._state} after {self._seen()} pictures")
        self._now = picture.position or 0.0
        frame = self._eye.look(picture, captured=self._now, now=self._now)
        self._state = "faulty" if frame is None else "live"
        if frame is None:
            raise CameraError(f"{self._source.label}: {self._eye.problem} (at {self._now:.2f} s)")
        return frame

    def _seen(self) -> int:
        return self._eye.frames + self._eye.unusable

    def health(self) -> Health:
        """As `Camera.health`."""
        eye = self._eye
        return Health(
            source=self._source.label,
            state=self._state,
            fault=eye.problem if self._state == "faulty" else None,
            width=eye.size[0],
            height=eye.size[1],
            fps=eye.fps,
            frames=eye.frames,
            unusable=eye.unusable,
            age_s=0.0 if eye.frames else None,
        )

    def close(self) -> None:
        """As `Camera.close`."""
        self._state = "closed"
        self._capture.close()
