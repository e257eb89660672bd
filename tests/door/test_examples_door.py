"""The documentation's door scripts run as they stand."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeface.door.event import Decision, Moment, Reason
from edgeface.door.new import make_door
from edgeface.door.webhook import Webhook
from tests.door.doorstep import make_doorstep, visit, write_clip


@pytest.fixture(scope="module")
def door(tmp_path_factory, pipeline, grace_hopper_bgr) -> Path:
    """A door.toml whose camera is a clip of somebody enrolled."""
    folder = tmp_path_factory.mktemp("examples") / "door"
    clip = write_clip(tmp_path_factory.mktemp("clip") / "known.avi", _seen(grace_hopper_bgr))
    # A clip is played at its own speed, and a busy machine sees only some of it in time.
    return make_doorstep(
        folder, pipeline, grace_hopper_bgr, source=f'"{clip}"', max_age_s="5", pulse_s="1"
    )


def _seen(portrait) -> Iterator:
    return visit(portrait, frames=40)


def _command(repository: Path, example: str, *arguments: object) -> list[str]:
    return [sys.executable, str(repository / "docs" / "examples" / example), *map(str, arguments)]


def _run(*command: object) -> str:
    done = subprocess.run(_command(*command), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_door_opens_for_somebody_enrolled(repository, door):
    assert "open recognised" in _run(repository, "door.py", door)


def test_replay_says_what_the_door_would_do(repository, door):
    clip = door.read_text().split('source = "')[1].split('"')[0]
    said = _run(repository, "door_replay.py", door, clip)
    assert "open  recognised" in said


def test_own_actuator_is_told_to_open(repository, door):
    controller, line = pty.openpty()
    try:
        _run(repository, "door_own_actuator.py", door, os.ttyname(line))
        os.set_blocking(controller, False)
        assert os.read(controller, 100).strip() == b"OPEN 1"
    finally:
        os.close(controller)
        os.close(line)


def test_somebody_comes_and_leaves_for_good(repository, tmp_path, photos):
    list(make_door(tmp_path / "door"))
    hopper = photos / "hopper.jpg"
    said = _run(repository, "door_people.py", tmp_path / "door", "Grace Hopper", hopper)
    assert "enrolled: 1 people" in said and "erased: 1 templates" in said
    about = json.loads((tmp_path / "door" / "about_me.json").read_text())
    assert about["person"]["groups"] == ["staff"]


def test_receiver_believes_the_door_and_nobody_else(repository, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"a secret of the door's and its receiver's")
    secret.chmod(0o600)
    with _receiver(repository, secret) as (port, process):
        table = {"url": f"http://127.0.0.1:{port}/", "secret_file": str(secret)}
        with Webhook.from_settings({**table, "allow_plain_http": True}, base=tmp_path) as door:
            decision = Decision(Moment(time.monotonic(), None), True, Reason.RECOGNISED)
            door.handle(decision)
            assert "recognised" in process.stdout.readline()
        assert _status(port, b"{}") == 401


@contextmanager
def _receiver(repository: Path, secret: Path) -> Iterator[tuple[int, subprocess.Popen]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = _command(repository, "webhook_receiver.py", secret, port)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        _wait_for(port)
        yield port, process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the receiver did not start")


def _status(port: int, body: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        head = f"POST / HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        peer.sendall(head + body)
        return int(peer.recv(100).split()[1])
