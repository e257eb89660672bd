"""A door's picture on its way to who asked for it: window, agent, server, stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from edgeface.agent.link import SiteLink
from edgeface.agent.live import LiveView, poster
from edgeface.site.wire import LOOK_HEADER
from tests.agent.test_live import SeeingDoor
from tests.console.serving import Served, wait_until

JPEG = b"\xff\xd8\xff"
ASKED = {"minutes": 1, "reason": "somebody rings"}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[SeeingDoor]:
    door = SeeingDoor(tmp_path)
    yield door
    door.close()


@pytest.fixture
def live(served: Served, door: SeeingDoor, tmp_path: Path) -> Iterator[LiveView]:
    token = served.site.doors.add("gate", groups=("default",), by="user:test")
    link = SiteLink(served.url, ca_file=served.folder / "ca.pem", token=lambda: token)
    live = LiveView(tmp_path / "window", post=poster(link), per_s=15)
    live.start()
    yield live
    live.close()
    link.close()
    served.site.doors.remove("gate", by="user:test")


def answer(served: Served) -> dict:
    """What the agent hears of it."""
    until = served.site.doors.get("gate").live_until
    with served.site.database.transaction() as connection:
        query = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        (now,) = connection.execute(query).fetchone()
    return {"live_until": until, "now": now}


def watch(operator: httpx.Client, pictures: int) -> bytes:
    """The stream's first pictures."""
    got = b""
    with operator.stream("GET", "/doors/gate/live", timeout=10) as stream:
        for part in stream.iter_raw():
            got += part
            if got.count(JPEG) > pictures:
                return got
    return got


def test_operator_sees_what_the_door_sees_for_as_long_as_was_asked(
    served: Served, operator: httpx.Client, live: LiveView, door: SeeingDoor
):
    live.take(answer(served))
    assert not door.log
    assert operator.post("/doors/gate/live", json=ASKED).status_code == 200
    live.take(answer(served))
    got = watch(operator, 3)
    assert got.count(f'{LOOK_HEADER}: {{"track": 1}}'.encode()) >= 3
    # The operator ends it, and the agent has not heard of that yet: the server refuses.
    assert operator.post("/doors/gate/live", json={**ASKED, "minutes": 0}).status_code == 200
    assert wait_until(lambda: [watching.begins for watching in door.log] == [True, False])
    assert operator.get("/doors/gate/live").status_code == 409
