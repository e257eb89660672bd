"""What hangs or is closed: neither a reader, nor `close`, nor the process waits for it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.door.camera import CameraEnded
from edgeface.errors import CameraError
from tests.door.cameras import open_quick, wait_until
from tests.door.mjpeg import MjpegServer


@pytest.fixture
def server() -> Iterator[MjpegServer]:
    """A camera on HTTP."""
    with MjpegServer() as running:
        yield running


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody who accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_never_answers_hangs_neither_read_nor_close(
    silent_port: int, scheme: str
) -> None:
    camera = open_quick(f"{scheme}://127.0.0.1:{silent_port}/x", open_timeout_s=30, stall_s=0.5)
    began = time.monotonic()
    with pytest.raises(CameraError, match="no good picture for"):
        camera.read(1.0)
    assert camera.state == "lost" and time.monotonic() - began < 1.5
    camera.close()
    assert camera.state == "closed" and time.monotonic() - began < 3


def test_the_open_timeout_ends_an_attempt_and_the_next_one_follows(silent_port: int) -> None:
    with open_quick(f"rtsp://127.0.0.1:{silent_port}/x", open_timeout_s=0.3) as camera:
        wait_until(lambda: camera.health().reconnects >= 2)
        assert "cannot be opened" in str(camera.fault())


def test_a_process_ends_though_its_camera_hangs(silent_port: int, repository: Path) -> None:
    code = (
        "import sys, time\n"
        "from edgeface.door.camera import Camera, CameraSettings\n"
        "camera = Camera.open(sys.argv[1], settings=CameraSettings(open_timeout_s=60))\n"
        "time.sleep(0.3)\n"
    )
    url = f"rtsp://127.0.0.1:{silent_port}/x"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, url], cwd=repository, timeout=20)
    assert done.returncode == 0 and time.monotonic() - began < 10


def test_close_ends_the_thread_wakes_a_reader_and_may_be_repeated(server: MjpegServer) -> None:
    camera = open_quick(server.url)
    camera.read(5)
    server.mute.set()
    caught: list[CameraError] = []

    def read() -> None:
        try:
            while True:
                camera.read(10)
        except CameraError as error:
            caught.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.2)
    camera.close()
    reader.join(3)
    assert not reader.is_alive() and isinstance(caught[0], CameraEnded)
    camera.close()
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "edgeface-camera"])


def test_opening_and_closing_leaves_no_file_open(server: MjpegServer) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with open_quick(server.url) as camera:
        camera.read(5)
    before = count()
    for _ in range(5):
        with open_quick(server.url) as camera:
            camera.read(5)
    wait_until(lambda: count() <= before + 2)
