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
from edgeface.door.camera_source import Source, parse_source, prepare, with_login
from edgeface.errors import CameraError
from edgeface.secret_file import read_secret, secret_path

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
        place = parse_source(source, base=base)
        return cls._open(place, settings or CameraSettings(), realtime=realtime, clock=clock)

    @classmethod
    def _open(
        cls,
        source: Source,
        settings: CameraSettings,
        *,
        realtime: bool,
        clock: Callable[[], float],
    ) -> Camera:
        if not realtime and not source.ends:
            raise ValueError(
                f"{source.label} is a {source.kind}; expected a video file or a folder where "
                "realtime is False"
            )
        prepare(source)
        if realtime:
            return cls(LiveFeed(source, settings, clock=clock))
        return cls(ReplayFeed(source, settings))

    @classmethod
    def from_settings(
        cls,
        table: Mapping[str, Any],
        *,
        base: Path,
        realtime: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> Camera:
        """Open what a ``[camera]`` table that `SETTINGS` allows says.

        Raises as `open`, and ``CameraError`` where the login file cannot be used.
        """
        source = parse_source(table["source"], base=base)
        if "login_file" in table:
            source = _logged_in(source, table["login_file"], base)
        return cls._open(source, read_settings(table), realtime=realtime, clock=clock)

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


def _logged_in(source: Source, file: str, base: Path) -> Source:
    try:
        return with_login(source, read_secret(secret_path(file, base=base)))
    except OSError as error:
        raise CameraError(
            f"login_file {file}: cannot be read ({error.strerror}); check the path"
        ) from error
    except ValueError as error:
        raise CameraError(f"login_file: {error}") from error
