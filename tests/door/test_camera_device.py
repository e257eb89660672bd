"""V4L2 devices: OpenCV's own V4L2 code against a driver's calls, answered by tests/fakes/v4l2.c.

No kernel module is loaded for this, so a real driver's whims are not in it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable

import pytest

from tests.door.cameras import QUICK
from tests.door.device import Device, build

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="V4L2 is Linux'")
Open = Callable[..., Device]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake driver."""
    return build(tmp_path_factory.mktemp("v4l2"))


@pytest.fixture
def open_device(library: Path, tmp_path: Path) -> Open:
    """Plug in a device and watch it."""
    return lambda **settings: Device(tmp_path / "video0", library, **{**QUICK, **settings})


def test_frames_come_fresh_and_at_the_devices_rate(open_device: Open) -> None:
    with open_device(warm_up_frames=5) as device:
        frames = [device.ask("read", 5) for _ in range(30)]
        health = device.ask("health")
    assert frames[0]["index"] >= 5 and frames[-1]["shape"] == [480, 640, 3]
    assert all(0 <= frame["age_s"] < 0.5 for frame in frames)
    assert health["state"] == "live" and 20 < health["fps"] < 28


def test_a_device_is_asked_for_size_and_rate_and_what_it_refuses_is_told(open_device: Open) -> None:
    with open_device(width=320, height=240, fps=60, pixel_format="MJPG") as device:
        assert device.ask("read", 5)["shape"] == [240, 320, 3]
        asked = device.ask("health")["asked"]
    assert asked == "pixel_format MJPG asked, YUYV given, fps 60 asked, 30 given"


def test_what_the_driver_held_back_is_old_though_it_arrives_now(open_device: Open) -> None:
    with open_device(stall_s=5) as device:
        device.ask("read", 5)
        device.plug("late")
        device.until("fault", "1.0 s late")
        assert "late" in device.ask("read", 0.3)["error"]
        device.plug("live")
        assert device.ask("read", 5)["age_s"] < 0.5


def test_an_unplugged_device_is_lost_and_live_again_when_it_is_back(open_device: Open) -> None:
    with open_device() as device:
        before = device.ask("read", 5)
        device.unplug()
        device.until("fault", "check that it is plugged in")
        answer = device.ask("read", 0.3)
        assert answer["kind"] == "CameraError" and "plugged in" in answer["error"]
        device.plug()
        assert device.ask("read", 8)["index"] > before["index"]
        assert device.ask("health")["state"] == "live"


def test_a_frozen_device_is_a_fault(open_device: Open) -> None:
    with open_device(freeze_s=0.5) as device:
        device.ask("read", 5)
        device.plug("freeze")
        device.until("fault", "frozen")
        device.plug("live")
        assert "error" not in device.ask("read", 8)


def test_a_device_that_hangs_delays_neither_read_nor_close(open_device: Open) -> None:
    with open_device(stall_s=0.3) as device:
        device.ask("read", 5)
        device.plug("hang")
        device.until("state", "lost")
        assert "error" in device.ask("read", 0.1)
        closed = device.ask("close")
        assert closed["state"] == "closed" and closed["took_s"] < 1.5
