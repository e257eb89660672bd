"""A fake V4L2 device (tests/fakes/v4l2.c) and a camera on it, in a process of its own.

No kernel module is needed; OpenCV's own V4L2 code runs, with the calls of a driver answered.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests/fakes/v4l2.c"
HANG_S = 1  # after which OpenCV gives up a device that sends nothing


def build(folder: Path) -> Path:
    """Compile the fake, to be preloaded."""
    library = folder / "v4l2.so"
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror")
    subprocess.run(["cc", *flags, "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


class Device:
    """The device's file, and the process that watches it."""

    def __init__(self, file: Path, library: Path, **settings: object) -> None:
        self._file = file
        self.plug()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.door.device", str(file), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                "LD_PRELOAD": str(library),
                "V4L2_FAKE": str(file),
                "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": str(HANG_S),
            },
        )

    def plug(self, mode: str = "live", *, fps: int = 25) -> None:
        """Plug it in, or change what it does: see tests/fakes/v4l2.c."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{fps} {mode}")
        fresh.replace(self._file)

    def unplug(self) -> None:
        """Take it away."""
        self._file.unlink()

    def ask(self, command: str, *arguments: float) -> dict[str, Any]:
        """Have the process `read`, tell its `health`, or `close`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def until(self, key: str, expected: str, *, within_s: float = 8.0) -> dict[str, Any]:
        """Wait until health's `key` contains a text; return the health."""
        deadline = time.monotonic() + within_s
        while expected not in str((health := self.ask("health"))[key]):
            assert time.monotonic() < deadline, f"{key} is {health[key]}, not {expected}"
            time.sleep(0.02)
        return health

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def watch(file: str, settings: dict[str, Any]) -> None:
    """Answer one line of JSON for each on standard input."""
    from edgeface.door.camera import Camera, CameraSettings
    from edgeface.door.camera_live import LiveFeed
    from edgeface.door.camera_source import Source

    feed = LiveFeed(Source("device", file), CameraSettings(**settings), clock=time.monotonic)
    with Camera(feed) as camera:
        for line in sys.stdin:
            command, *arguments = json.loads(line)
            print(json.dumps(_answer(camera, command, *arguments)), flush=True)  # noqa: T201


def _answer(camera: Any, command: str, *arguments: float) -> dict[str, Any]:
    from edgeface.errors import CameraError

    if command == "health":
        return vars(camera.health())
    if command == "close":
        began = time.monotonic()
        camera.close()
        return {"took_s": time.monotonic() - began, "state": camera.state}
    try:
        frame = camera.read(*arguments)
    except CameraError as error:
        return {"error": str(error), "kind": type(error).__name__}
    age_s = camera.now() - frame.captured
    return {"shape": list(frame.image.shape), "index": frame.index, "age_s": age_s}


if __name__ == "__main__":
    watch(sys.argv[1], json.loads(sys.argv[2]))
