"""A roll-out through everything: server, agent, the process that does it, and a real door."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.doors import ROOT, DoorFolder, environment
from tests.console.serving import Served, wait_until
from tests.door.mjpeg import MjpegServer

_STOP = """\
if [ -f door.pid ]; then
  kill "$(cat door.pid)" 2>/dev/null
  while kill -0 "$(cat door.pid)" 2>/dev/null; do sleep 0.1; done
  rm -f door.pid
fi
"""
_START = f"""\
{sys.executable} -m edgeface door --config door.toml >door.log 2>&1 </dev/null &
echo $! >door.pid
until [ -S window ]; do kill -0 $! || exit 1; sleep 0.1; done
"""
_RESTART = f"{_STOP}rm -f window\n{_START}"


class Doorway(DoorFolder):
    """A door with a camera and a window, its agent, and what does its roll-outs."""

    def __init__(self, folder: Path, served: Served, *, camera: str) -> None:
        token = served.site.doors.add("porch", groups=("default",), by="user:test")
        url, ca_file = served.url, served.folder / "ca.pem"
        model_id = served.site.pipeline.bundle.model_id
        super().__init__(
            folder, name="porch", token=token, url=url, ca_file=ca_file, model_id=model_id
        )
        self.settings = folder / "door.toml"
        text = self.settings.read_text().replace('"/dev/video0"', f'"{camera}"')
        text = text.replace('policy = "passive+challenge"', 'policy = "passive"')
        self.settings.write_text(text + '\n[window]\nsocket = "window"\n')
        self.gallery().close()
        check = [sys.executable, "-m", "edgeface", "door", "--check", "--config", "{file}"]
        stop, restart = self._script("stop", _STOP), self._script("restart", _RESTART)
        self.agent_toml.write_text(
            self.agent_toml.read_text()
            + f'[window]\nsocket = "window"\n[fleet]\nfolder = "fleet"\nstop = ["{stop}"]\n'
            + f'restart = ["{restart}"]\ncheck = {json.dumps(check)}\nsettle_s = 1\n'
            + "restart_agent = []\nrestart_self = []\n"
        )
        subprocess.run([restart], check=True, env=environment())
        self.start()
        rollouts = self.command("--rollouts")
        self.rollouts = subprocess.Popen(rollouts, cwd=ROOT, env=environment())

    def close(self) -> None:
        subprocess.run([self.folder / "stop"], check=True)
        self.rollouts.terminate()
        assert self.rollouts.wait(20) == 0
        self.stop()

    def _script(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(f"#!/bin/sh\ncd {self.folder} || exit 1\n{text}")
        file.chmod(0o755)
        return file


@pytest.fixture
def doorway(served: Served, tmp_path) -> Iterator[Doorway]:
    camera = MjpegServer(fps=5)
    door = Doorway(tmp_path / "porch", served, camera=camera.url)
    yield door
    door.close()
    camera.unplug()
    served.site.doors.remove("porch", by="user:test")


@pytest.mark.site_days
def test_settings_reach_a_running_door_and_a_camera_that_is_not_there_does_not(
    served: Served, owner, doorway
):
    def roll_out(text: str) -> dict:
        data = {"kind": "config", "doors": "porch", "healthy_s": "5"}
        answer = owner.post("/rollouts", data=data, files={"file": text.encode()})
        assert answer.status_code == 201, answer.text
        ended = wait_until(lambda: newest()["state"] != "running", limit_s=240)
        assert ended, newest()
        return newest()

    def newest() -> dict:
        return owner.get("/rollouts").json()[0]

    began = time.monotonic()
    found = roll_out("[gate.track]\nlost_after_s = 1.5\n")
    assert found["state"] == "done", found["steps"]
    assert "lost_after_s = 1.5" in doorway.settings.read_text()
    before = doorway.settings.read_text()
    found = roll_out('[camera]\nsource = "http://127.0.0.1:9/none.mjpg"\n')
    assert found["state"] == "failed" and "camera" in found["text"], found
    assert doorway.settings.read_text() == before
    shown = {door["name"]: door for door in owner.get("/doors").json()}["porch"]
    assert wait_until(lambda: (doorway.folder / "door.pid").exists())
    assert shown["rollout"] is None and shown["status"]["task"]["state"] == "failed"
    print(f"two roll-outs in {time.monotonic() - began:.0f} s")  # noqa: T201
