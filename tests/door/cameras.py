"""Cameras with limits that suit a test's patience."""

from __future__ import annotations

import time
from typing import Callable

from edgeface.door.camera import Camera, CameraSettings

QUICK = {
    "warm_up_frames": 0,
    "open_timeout_s": 2.0,
    "read_timeout_s": 0.5,
    "stall_s": 1.0,
    "reconnect_first_s": 0.05,
    "reconnect_limit_s": 0.2,
}


def open_quick(source: object, **settings: object) -> Camera:
    """Open a source with limits that suit a test's patience."""
    return Camera.open(source, settings=CameraSettings(**{**QUICK, **settings}))


def wait_until(holds: Callable[[], bool], *, within_s: float = 8.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
