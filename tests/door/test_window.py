"""The door's window: how it is and what it sees, for programs on the board, and for nobody else."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeface.door.window import LENGTHS, Picture, Window
from edgeface.errors import DoorError
from tests.door.outputs import wait_until

IMAGE = np.full((48, 64, 3), 90, np.uint8)
LOOK = {"faces": [{"box": [1, 2, 3, 4], "text": "", "state": ""}], "track": 1, "instruction": ""}


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Window]:
    with Window(tmp_path / "window", status=lambda: {"people": 3}) as window:
        yield window


class Caller:
    """A program on the board."""

    def __init__(self, folder: Path, **request) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(5)
        self.socket.connect(str(folder / "window"))
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = self.socket.recv(size - len(found))
            if not more:
                raise EOFError
            found += more
        return found

    def picture(self) -> tuple[dict, np.ndarray]:
        look, jpeg = LENGTHS.unpack(self.read(LENGTHS.size))
        return json.loads(self.read(look)), cv2.imdecode(
            np.frombuffer(self.read(jpeg), np.uint8), cv2.IMREAD_COLOR
        )

    def rest(self) -> bytes:
        with self.socket.makefile("rb") as stream:
            return stream.read()


def allow(window: Window) -> list[tuple[bool, str]]:
    """Let everybody watch who wants to; return who came and went."""
    found = []
    wait_until(lambda: found.extend(window.news()) or found)
    for watching in found:
        watching.allow()
    return [(watching.begins, watching.by) for watching in found]


def test_status_is_one_line(window, tmp_path):
    assert json.loads(Caller(tmp_path, want="status").rest()) == {"people": 3}


@pytest.mark.parametrize(
    "request_",
    [{"want": "door"}, {}, {"want": "pictures", "per_s": 1000}, {"want": "status", "x": 1}],
)
def test_what_cannot_be_asked_is_refused_with_a_reason(window, tmp_path, request_):
    assert json.loads(Caller(tmp_path, **request_).rest())["error"]


def test_what_is_no_request_is_sent_away_and_the_next_is_answered(window, tmp_path):
    for rubbish in (b"\n", b"\xff" * 9000, b"GET / HTTP/1.1\r\n\r\n"):
        caller = socket.socket(socket.AF_UNIX)
        caller.connect(str(tmp_path / "window"))
        caller.sendall(rubbish)
        caller.close()
    assert json.loads(Caller(tmp_path, want="status").rest())


def test_picture_comes_as_it_was_with_what_was_seen_in_it(window, tmp_path):
    caller = Caller(tmp_path, want="pictures", by="site")
    assert allow(window) == [(True, "site")]
    wait_until(lambda: window.watched)
    window.show(Picture(IMAGE, LOOK))
    look, image = caller.picture()
    assert look == LOOK
    assert image.shape == IMAGE.shape and np.abs(image.astype(int) - 90).max() <= 2
    caller.socket.close()
    assert allow(window) == [(False, "site")]
    assert not window.watched


def test_nobody_sees_before_the_door_has_written_it_down(window, tmp_path):
    caller = Caller(tmp_path, want="pictures")
    window.show(Picture(IMAGE, LOOK))
    assert not window.watched
    with pytest.raises(EOFError):
        caller.picture()
    assert [watching.begins for watching in window.news()] == [True, False]


def test_who_is_slow_gets_the_newest_and_blocks_nobody(window, tmp_path):
    caller = Caller(tmp_path, want="pictures", per_s=15)
    allow(window)
    wait_until(lambda: window.watched)
    for number in range(2000):
        window.show(Picture(IMAGE, {**LOOK, "track": number}))
    first = caller.picture()[0]["track"]
    window.show(Picture(IMAGE, {**LOOK, "track": 5000}))
    assert first < 2000 and caller.picture()[0]["track"] >= 1999


def test_who_does_not_read_is_sent_away(window, tmp_path):
    noise = np.random.default_rng(1).integers(0, 255, (1080, 1920, 3)).astype(np.uint8)
    Caller(tmp_path, want="pictures", per_s=15)
    allow(window)
    wait_until(lambda: window.watched)
    over = threading.Event()

    def show() -> None:
        while not over.wait(0.05):
            window.show(Picture(noise, LOOK))

    thread = threading.Thread(target=show)
    thread.start()
    wait_until(lambda: not window.watched)
    over.set()
    thread.join()


def test_no_more_than_eight_are_let_in(window, tmp_path):
    callers = [Caller(tmp_path, want="pictures") for _ in range(8)]
    news: list = []
    wait_until(lambda: news.extend(window.news()) or len(news) == 8)
    with pytest.raises((EOFError, OSError)):
        Caller(tmp_path, want="status").read(1)
    for caller in callers:
        caller.socket.close()


def test_only_user_and_group_may_connect(window, tmp_path):
    assert stat.S_IMODE(os.stat(tmp_path / "window").st_mode) == 0o660


def test_socket_goes_with_the_window_and_one_left_behind_is_replaced(tmp_path):
    path = tmp_path / "window"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with Window(path):
        assert json.loads(Caller(tmp_path, want="status").rest()) == {}
    assert not path.exists()


def test_socket_of_another_door_and_a_file_are_left_alone(window, tmp_path):
    with pytest.raises(DoorError, match="another door listens"):
        Window(tmp_path / "window")
    file = tmp_path / "notes"
    file.write_text("mine")
    with pytest.raises(DoorError, match="is a file"):
        Window(file)
    assert file.read_text() == "mine"
    with pytest.raises(DoorError, match="No such file"):
        Window(tmp_path / "none" / "window")
