"""The live picture leaves the board while somebody asked for it, no longer, and it is logged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgeface.agent.live import LiveView
from edgeface.door.window import Picture, Watching, Window
from edgeface.errors import SiteError, SiteForbiddenError
from tests.door.outputs import wait_until

NOW = "2030-01-01T08:00:00Z"


def until(live_until: str | None) -> dict:
    """What matters here of the site's answer."""
    return {"live_until": live_until, "now": NOW}


@contextmanager
def at_work(live: LiveView) -> Iterator[LiveView]:
    live.start()
    yield live
    live.close()


class SeeingDoor:
    """A door that sees something all the time, lets who asks watch, and keeps what it would log."""

    def __init__(self, folder: Path) -> None:
        self.window = Window(folder / "window")
        self.log: list[Watching] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._over.wait(0.02):
            for watching in self.window.news():
                self.log.append(watching)
                watching.allow()
            if self.window.watched:
                self.window.show(Picture(np.zeros((48, 64, 3), np.uint8), {"track": 1}))

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self.window.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[SeeingDoor]:
    door = SeeingDoor(tmp_path)
    yield door
    door.close()


@pytest.fixture
def posted() -> list[tuple[bytes, dict]]:
    return []


@pytest.fixture
def live(door: SeeingDoor, tmp_path: Path, posted: list) -> Iterator[LiveView]:
    def post(jpeg: bytes, look: dict) -> None:
        posted.append((jpeg, look))

    with at_work(LiveView(tmp_path / "window", post=post, per_s=15)) as live:
        yield live


def test_nothing_leaves_before_somebody_asks(live, door, posted):
    live.take(until(None))
    live.take(until("2030-01-01T07:59:59Z"))
    time.sleep(0.3)
    assert not posted and not door.log


def test_pictures_leave_while_they_are_asked_for_and_stop_by_themselves(live, door, posted):
    live.take(until("2030-01-01T08:00:01Z"))
    wait_until(lambda: posted)
    wait_until(lambda: not door.window.watched, within_s=3)
    wait_until(lambda: len(door.log) == 2)
    count = len(posted)
    jpeg, look = posted[0]
    assert jpeg.startswith(b"\xff\xd8") and look == {"track": 1}
    assert [(watching.begins, watching.by) for watching in door.log] == [
        (True, "site"),
        (False, "site"),
    ]
    time.sleep(0.3)
    assert len(posted) == count


def test_operator_who_ends_it_ends_it_at_once(live, door, posted):
    live.take(until("2030-01-01T09:00:00Z"))
    wait_until(lambda: posted)
    live.take(until(None))
    wait_until(lambda: not door.window.watched, within_s=2)


def test_site_that_refuses_ends_it_until_it_asks_again(door, tmp_path):
    calls = []

    def post(jpeg: bytes, look: dict) -> None:
        calls.append(jpeg)
        if len(calls) == 1:
            raise SiteForbiddenError("nobody asked")

    with at_work(LiveView(tmp_path / "window", post=post)) as live:
        live.take(until("2030-01-01T09:00:00Z"))
        wait_until(lambda: calls and not door.window.watched)
        time.sleep(0.3)
        assert len(calls) == 1
        live.take(until("2030-01-01T09:00:00Z"))
        wait_until(lambda: len(calls) > 1)


def test_site_or_door_that_does_not_answer_is_tried_again_within_the_time(tmp_path):
    calls = []

    def post(jpeg: bytes, look: dict) -> None:
        calls.append(jpeg)
        if len(calls) == 1:
            raise SiteError("no answer")

    with at_work(LiveView(tmp_path / "window", post=post)) as live:
        live.take(until("2030-01-01T09:00:00Z"))
        wait_until(lambda: "No such file" in str(live.problem()))
        door = SeeingDoor(tmp_path)
        wait_until(lambda: len(calls) > 1)
        assert live.problem() is None
        door.close()
