"""RTSP from a real server: GStreamer's, in a process that can be killed and started again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.door.camera import Camera
from edgeface.errors import CameraError
from tests.door.cameras import open_quick, wait_until
from tests.door.proxy import Proxy
from tests.door.rtsp import RtspServer, require_rtsp_server


@pytest.fixture(scope="module", autouse=True)
def rtsp_server_is_there() -> None:
    """The packages of the server."""
    require_rtsp_server()


@pytest.fixture
def server() -> Iterator[RtspServer]:
    """A camera of 25 frames a second that lets everybody in."""
    with RtspServer(fps=25) as running:
        yield running


def open_rtsp(url: str, **settings: object) -> Camera:
    """Open a stream with a test's patience; RTSP needs a second to be probed."""
    return open_quick(url, **{"open_timeout_s": 5.0, "read_timeout_s": 1.0, **settings})


def test_frames_come_fresh_and_at_the_cameras_rate(server: RtspServer) -> None:
    with open_rtsp(server.url()) as camera:
        frames = [camera.read(8) for _ in range(25)]
        health = camera.health()
    assert frames[-1].image.shape == (240, 320, 3)
    assert 22 < health.fps < 28 and health.state == "live" and health.width == 320


def test_a_killed_server_is_a_lost_camera_and_a_new_server_a_live_one(server: RtspServer) -> None:
    with open_rtsp(server.url()) as camera:
        camera.read(8)
        server.stop()
        wait_until(lambda: camera.state == "lost")
        assert camera.fault() is not None
        with pytest.raises(CameraError):
            camera.read(0.6)
        server.start()
        camera.read(15)
        assert camera.state == "live" and camera.health().reconnects >= 1


def test_a_server_that_stops_answering_is_lost_and_recovers(server: RtspServer) -> None:
    with open_rtsp(server.url(), read_timeout_s=0.5) as camera:
        camera.read(8)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            wait_until(lambda: camera.state == "lost")
        finally:
            os.kill(server.pid, signal.SIGCONT)
        camera.read(15)


def test_what_a_stalled_network_held_back_is_old_and_never_given(server: RtspServer) -> None:
    with Proxy(int(server.port)) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/door"
        with open_rtsp(url, max_age_s=0.3, read_timeout_s=5, stall_s=8) as camera:
            for _ in range(10):
                camera.read(8)
            proxy.hold(1.5)
            ages = []
            deadline = time.monotonic() + 8
            while camera.health().late < 15 or len(ages) < 10:
                assert time.monotonic() < deadline, "what was held back never came"
                try:
                    frame = camera.read(0.2)
                except CameraError:
                    continue
                ages.append(camera.now() - frame.captured)
            camera.read(8)
            health = camera.health()
    assert ages and max(ages) <= 0.35
    assert health.reconnects == 0


def test_a_wrong_password_is_a_fault_that_shows_neither_user_nor_password(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with RtspServer(user="concierge", password="sesame@1:/%?") as server:
        with open_rtsp(server.url(user="concierge:w0rd-of-n0body")) as camera:
            with pytest.raises(CameraError, match="user and password") as caught:
                camera.read(2)
            shown = f"{caught.value!r} {camera.health()} {camera.fault()} {camera!r}"
        login = tmp_path / "login"
        login.touch(0o600)
        login.write_text("concierge:sesame@1:/%?\n")
        table = {"source": server.url(), "login_file": "login"}
        with Camera.from_settings(table, base=tmp_path) as camera:
            camera.read(8)
            shown += f"{camera.health()} {camera!r}"
    shown += "".join(capfd.readouterr())  # OpenCV's and FFmpeg's own lines
    for secret in ("concierge", "n0body", "sesame"):
        assert secret not in shown


def test_a_frozen_rtsp_camera_is_a_fault() -> None:
    with (
        RtspServer(pattern="checkers-8") as server,
        open_rtsp(server.url(), freeze_s=1.0) as camera,
    ):
        wait_until(lambda: "frozen" in str(camera.fault()), within_s=15)
