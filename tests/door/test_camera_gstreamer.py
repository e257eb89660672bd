"""GStreamer pipelines, by the OpenCV that has them: Debian's, in the system's Python.

OpenCV from PyPI has none, which test_camera_source.py claims. Debian 12's is 4.6, the oldest that
the camera is tested with.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

PYTHON = "/usr/bin/python3"
PIPELINE = (
    "videotestsrc is-live=true pattern=snow num-buffers={count} "
    "! video/x-raw,width=320,height=240,framerate=25/1 ! videoconvert "
    "! video/x-raw,format=BGR ! appsink max-buffers=1 drop=true"
)
_PROBE = (
    "import sys, cv2; sys.exit(not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER) "
    "or sys.version_info < (3, 9))"
)
_READ = """
import json, sys, time
from edgeface.door.camera import Camera, CameraSettings
from edgeface.errors import CameraError
settings = CameraSettings(warm_up_frames=5, reconnect_first_s=0.1, stall_s=2)
with Camera.open(sys.argv[1], settings=settings) as camera:
    frames = error = None
    try:
        frames = [camera.read(5) for _ in range(int(sys.argv[2]))]
    except CameraError as found:
        error = str(found)
    health = vars(camera.health())
    print(json.dumps({"error": error, "last": frames and frames[-1].image.shape, **health}))
"""


@pytest.fixture(scope="module", autouse=True)
def gstreamer_is_there() -> None:
    """An OpenCV with GStreamer."""
    if subprocess.run([PYTHON, "-c", _PROBE], capture_output=True).returncode:
        text = "no OpenCV with GStreamer: apt-get install python3-opencv gstreamer1.0-plugins-base"
        pytest.fail(text) if "CI" in os.environ else pytest.skip(text)


def read(pipeline: str, count: int, *, folder: Path) -> dict[str, Any]:
    """Read frames in the system's Python; its health and the last frame's shape."""
    done = subprocess.run(
        [PYTHON, "-c", _READ, pipeline, str(count)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "stderr": done.stderr}


def test_a_pipeline_gives_frames_at_its_rate(repository: Path) -> None:
    found = read(PIPELINE.format(count=-1), 25, folder=repository)
    assert found["error"] is None and found["last"] == [240, 320, 3]
    assert found["state"] == "live" and 20 < found["fps"] < 30


def test_a_pipeline_that_ends_is_started_again(repository: Path) -> None:
    found = read(PIPELINE.format(count=20), 20, folder=repository)
    assert found["error"] is None and found["reconnects"] >= 1


def test_a_pipeline_that_cannot_run_says_what_to_try_without_its_secrets(repository: Path) -> None:
    pipeline = "rtspsrc location=rtsp://admin:s3cret@127.0.0.1:9/a ! nosuchelement ! appsink"
    found = read(pipeline, 1, folder=repository)
    assert "gst-launch-1.0" in found["error"] and "rtsp://***@127.0.0.1:9/a" in found["error"]
    assert "s3cret" not in json.dumps(found)
