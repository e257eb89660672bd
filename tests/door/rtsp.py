"""Starts and stops the RTSP server of `rtsp_server.py`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SERVER = Path(__file__).with_name("rtsp_server.py")
SYSTEM_PYTHON = "/usr/bin/python3"
PACKAGES = "gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good python3-gi"
_PROBE = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
)


def require_rtsp_server() -> None:
    """Skip where Debian's GStreamer server is missing; fail there in CI."""
    done = subprocess.run([SYSTEM_PYTHON, "-c", _PROBE], capture_output=True, text=True)
    if done.returncode:
        text = f"no RTSP server: apt-get install {PACKAGES}"
        pytest.fail(text) if "CI" in os.environ else pytest.skip(text)


class RtspServer:
    """A server process; `start` after `stop` takes the same port again."""

    def __init__(self, *, user: str = "", password: str = "", **options: object) -> None:
        self._secret = ["--user", user, "--password", password] if user else []
        self._options = [
            text for key, value in options.items() for text in (f"--{key}", str(value))
        ]
        self.port = "0"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> RtspServer:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(SERVER), "--port", self.port, *self._secret, *self._options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = self._process.stdout.readline().strip()
        assert self.port.isdigit(), "the RTSP server did not start"
        return self

    def url(self, *, user: str = "") -> str:
        """Its address, with "name:password" where given."""
        return f"rtsp://{user}{'@' if user else ''}127.0.0.1:{self.port}/door"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Kill it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def __enter__(self) -> RtspServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
