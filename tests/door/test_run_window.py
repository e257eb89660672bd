"""A whole door with its window: figures, pictures with boxes, and that watching is in its log."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.door.assemble import open_door
from edgeface.door.config import read_config
from edgeface.door.mqtt_discovery import HEALTH
from edgeface.door.run import Door
from tests.door.doorstep import make_doorstep, visit, write_clip
from tests.door.outputs import wait_until
from tests.door.test_run import Bolt
from tests.door.test_window import Caller


@pytest.fixture
def door(tmp_path: Path, pipeline, grace_hopper_bgr) -> Iterator[Door]:
    """A door at work, before which somebody stands for some seconds."""
    clip = write_clip(tmp_path / "clip.avi", visit(grace_hopper_bgr, frames=60))
    file = make_doorstep(tmp_path / "door", pipeline, grace_hopper_bgr, source=f'"{clip}"')
    with file.open("a") as config:
        config.write('\n[window]\nsocket = "window"\n')
    with open_door(read_config(file)) as door:
        over = threading.Event()
        thread = threading.Thread(target=door.run, kwargs={"stop": over.is_set})
        thread.start()
        yield door
        over.set()
        thread.join()


def test_window_of_a_door_at_work(door, tmp_path):
    folder = tmp_path / "door"
    wait_until(lambda: door.figures()["latency_p95_ms"])
    figures = json.loads(Caller(folder, want="status").rest())
    assert figures["people"] == 1 and figures["faults"] == {} and figures["rules"] is None
    assert 0 < figures["latency_p50_ms"] <= figures["latency_p95_ms"] < 5000
    assert figures["clock"] in ("synchronised", "unsure") and figures["memory_mb"] > 50
    caller = Caller(folder, want="pictures", by="site")
    looks = []
    while not any(face["state"] == "good" for look in looks for face in look["faces"]):
        look, image = caller.picture()
        looks.append(look)
    assert image.shape == (480, 640, 3)
    (face,) = look["faces"]
    assert face["text"] == "recognised" and len(face["box"]) == 4
    caller.socket.close()

    def acts() -> list[str]:
        lines = (folder / "audit" / "audit-000001.jsonl").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        return [f"{e['act']} by {e['by']}" for e in entries if e["kind"] == "act"]

    wait_until(lambda: len(acts()) == 2)
    assert acts() == ["live picture begins by site", "live picture ends by site"]


class Board(Bolt):
    """An actuator that keeps the figures that it was told."""

    def __init__(self) -> None:
        super().__init__("board", must_work=False)
        self.figures: dict[str, float] = {}

    def tell_health(self, **figures: float) -> None:
        self.figures = figures


def test_actuators_are_told_how_the_door_fares(tmp_path, pipeline, grace_hopper_bgr):
    clip = write_clip(tmp_path / "clip.avi", visit(grace_hopper_bgr, frames=5))
    file = make_doorstep(tmp_path / "door", pipeline, grace_hopper_bgr, source=f'"{clip}"')
    board = Board()
    with open_door(read_config(file), actuators=[board]) as door:
        while not board.figures:
            door.turn()
    assert board.figures["people"] == 1 and board.figures["memory_mb"] > 50
    assert set(board.figures) <= set(HEALTH)
