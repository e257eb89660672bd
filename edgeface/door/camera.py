"""The door's camera: the newest frame now, or a clear reason why there is none.

Devices, streams, GStreamer pipelines, video files and folders of photos; docs/camera.md has each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from edgeface.door.camera_frame import CameraEnded, Frame, Health, NoFrameYet
from edgeface.door.camera_live import LiveFeed
from edgeface.door.camera_replay import ReplayFeed
from edgeface.door.camera_settings import SETTINGS, CameraSettings, read_settings
from edgeface.door.camera_source import parse_source, prepare

__all__ = ["SETTINGS", "Camera", "CameraEnded", "CameraSettings", "Frame", "Health", "NoFrameYet"]


class Camera:
    """Frames of one source. Use it as a context manager, from one thread.

    A device or stream that is not there is no error when it is opened: it is tried again and again,
    with growing waits, and `fault` says so.
    """

    def __init__(self, feed: LiveFeed | ReplayFeed) -> None:
        self._feed = feed

    @classmethod
    def open(
        cls,
        source: int | str | os.PathLike[str],
        *,
        settings: CameraSettings | None = None,
        base: Path | None = None,
        realtime: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> Camera:
        """Open a source.

        Parameters
        ----------
        source
            See `edgeface.door.camera_source.parse_source`.
        settings
            How it is read and judged; None for all defaults.
        base
            Folder that a relative path starts from.
        realtime
            True: a file plays at its own speed, as a camera would, and frames are dropped where
            nobody takes them. False, for files only: every frame in order, with times from the
            file's frames per second and none of the clock's.
        clock
            Seconds that only grow.

        Raises
        ------
        CameraError
            No such file, a file that cannot be replayed, or OpenCV cannot read such a source.
        ValueError
            An empty source, or one without an end to be replayed.
        """
        settings, place = settings or CameraSettings(), parse_source(source, base=base)
        if not realtime and not place.ends:
            raise ValueError(
                f"{place.label} is a {place.kind}; expected a video file or a folder where "
                "realtime is False"
            )
        prepare(place)
        if realtime:
            return cls(LiveFeed(place, settings, clock=clock))
        return cls(ReplayFeed(place, settings))

    @classmethod
    def from_settings(
        cls,
        table: Mapping[str, Any],
        *,
        base: Path,
        realtime: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> Camera:
        """Open what a ``[camera]`` table that `SETTINGS` allows says. Raises as `open`."""
        settings = read_settings(table)
        return cls.open(
            table["source"], settings=settings, base=base, realtime=realtime, clock=clock
        )

    def read(self, timeout_s: float) -> Frame:
        """Return the newest frame that was not handed out yet; wait for one.

        In a replay: the next one, at once.

        Raises
        ------
        NoFrameYet
            None came within `timeout_s`, and nothing is wrong.
        CameraEnded
            None will come.
        CameraError
            None came, and the text says what is wrong. A later call may succeed.
        """
        return self._feed.read(timeout_s)

    def now(self) -> float:
        """Return the time that `Frame.captured` is in: the clock's, or a replay's own."""
        return self._feed.now()

    @property
    def state(self) -> str:
        """As `Health.state`."""
        return self._feed.health().state

    def fault(self) -> str | None:
        """Return what is wrong now, or None."""
        return self._feed.health().fault

    def health(self) -> Health:
        """Return how the camera fares."""
        return self._feed.health()

    def close(self) -> None:
        """Stop reading; returns within a second even where the driver hangs. Twice is harmless."""
        self._feed.close()

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
