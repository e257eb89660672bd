"""Roll-outs over the server: three doors with the real edgeface-slot and the agent's part."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from edgeface.agent.link import SiteLink
from edgeface.errors import EdgeFaceError
from edgeface.schema import parse_json
from tests.agent.fleet_board import Board, installed
from tests.boards.slot.kits import FAIL, folder_in_memory, make_kit, status
from tests.console.serving import Served, wait_until
from tests.console.test_door_routes import STATUS, caught_up, cursor
from tests.site.kit_archives import pack

DOORS = ("gate", "hall", "yard")


class Agent:
    """What an agent does for roll-outs: asks, does, tells how its door is."""

    def __init__(self, served: Served, name: str, board: Board) -> None:
        self.name, self.board = name, board
        token = served.site.doors.add(name, groups=("default",), by="user:test")
        self._url, self._ca = served.url, served.folder / "ca.pem"
        self._token, self._ended = token, threading.Event()
        self._fleet = board.fleet(served.url, link=self.link())
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._fleet.start()
        self._thread.start()

    def link(self) -> SiteLink:
        return SiteLink(self._url, ca_file=self._ca, token=lambda: self._token)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._fleet.close()

    def _run(self) -> None:
        link = self.link()
        while not self._ended.wait(0.1):
            try:
                self._fleet.ask(parse_json(link.get("/door/changes"))["task"])
                faults = (self.board.health() or {"faults": {"door": "no answer"}})["faults"]
                told = {**STATUS, "faults": faults, "task": self._fleet.report()}
                link.post("/door/status", httpx.Request("POST", self._url, json=told).content)
            except EdgeFaceError:
                continue  # the next turn tries again


@pytest.fixture(scope="module")
def kits(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kits")
    made = {
        "1.0": make_kit(folder, version="1.0"),
        "2.0": make_kit(folder, version="2.0"),
        "bad": make_kit(folder, version="3.0", selftest=FAIL),
        "picky": make_kit(folder, version="4.0", selftest=PICKY),
    }
    made["slots"] = installed(made["1.0"], folder / "slots")
    return {
        **made,
        **{f"{n}.tar": pack(kit, folder / f"{n}.tar") for n, kit in made.items() if n != "slots"},
    }


# A self-test that fails on the second door only.
PICKY = """
    if "/hall/" in __file__:
        print("this board has no NPU", file=sys.stderr)
        return 1
    print('{"ok": true}')
    return 0
"""


@pytest.fixture
def agents(served: Served, kits) -> Iterator[dict[str, Agent]]:
    with ExitStack() as opened:
        folder = opened.enter_context(folder_in_memory())
        made = {}
        for name in DOORS:
            board = Board(folder / name, slots=kits["slots"])
            made[name] = Agent(served, name, board)
            opened.callback(served.site.doors.remove, name, by="user:test")
            opened.callback(made[name].close)
        yield made


def begin(owner: httpx.Client, file: Path, **fields: object) -> httpx.Response:
    data = {"kind": "kit", "doors": DOORS, "healthy_s": "0.5", **fields}
    return owner.post("/rollouts", data=data, files={"file": file.read_bytes()})


def newest(client: httpx.Client) -> dict:
    return client.get("/rollouts").json()[0]


def ended(client: httpx.Client) -> bool:
    found = newest(client)
    return found["state"] != "running" and "going back" not in states(found)


def states(rollout: dict) -> list[str]:
    return [door["state"] for door in rollout["doors"]]


def test_kit_goes_through_all_doors_in_order(owner, operator, agents, kits, served):
    answer = begin(owner, kits["2.0.tar"])
    assert answer.status_code == 201, answer.text
    assert served.site.acts.find(limit=1)[0]["act"] == "roll-out begun"
    assert wait_until(lambda: ended(operator), limit_s=90)
    found = newest(operator)
    assert (found["state"], states(found)) == ("done", ["done"] * 3), found
    assert [agent.board.running for agent in agents.values()] == ["2.0"] * 3
    order = [step["door"] for step in found["steps"] if step["text"] == "done: healthy"]
    assert order == list(DOORS)


def test_kit_that_fails_at_the_second_door_stops_there(owner, agents, kits):
    begin(owner, kits["picky.tar"])
    assert wait_until(lambda: ended(owner), limit_s=90)
    found = newest(owner)
    assert (found["state"], states(found)) == ("failed", ["done", "failed", "left"])
    assert "this board has no NPU" in found["text"]
    assert wait_until(lambda: owner.get("/events", params={"kind": "rollout"}).json()["events"])
    event = owner.get("/events", params={"kind": "rollout"}).json()["events"][0]
    assert event["door"] == "hall" and "this board has no NPU" in event["detail"]
    boards = [agents[name].board for name in DOORS]
    assert [board.running for board in boards] == ["4.0", "1.0", "1.0"]
    assert [sorted(status(board.root)["slots"]) for board in boards[1:]] == [["a"], ["a"]]
    assert not (boards[2].folder / "fleet").exists()  # never touched


def test_file_is_for_the_door_whose_turn_it_is_and_in_parts_too(served: Served, owner, kits):
    with served.door("first") as first, served.door("second") as second:
        number = begin(owner, kits["2.0.tar"], doors=("first", "second")).json()["id"]
        path = f"/door/rollouts/{number}/file"
        assert first.get(path).status_code == 404
        first.post("/door/status", json=STATUS)
        assert first.get("/door/changes").json()["task"]["rollout"] == number
        assert second.get("/door/changes").json()["task"] is None
        part = first.get(path, headers={"Range": "bytes=1000-"})
        assert part.status_code == 206 and part.content == kits["2.0.tar"].read_bytes()[1000:]
        assert second.get(path).status_code == 404
        assert owner.get(path).status_code == 401
        task = {"rollout": number, "action": "take", "state": "failed", "text": "no"}
        assert owner.post(f"/rollouts/{number}/stop").json()["state"] == "stopped"
        first.post("/door/status", json={**STATUS, "task": task})
        assert states(newest(owner)) == ["failed", "left"]
    for name in ("first", "second"):
        served.site.doors.remove(name, by="user:test")


def test_waiting_door_learns_of_its_turn_at_once(served: Served, owner, kits):
    with served.door("quick") as door:
        held = cursor(caught_up(door))
        begin(owner, kits["2.0.tar"], doors=("quick",))
        threading.Timer(0.3, door.post, ("/door/status",), {"json": STATUS}).start()
        found = door.get("/door/changes", params={**held, "wait": 20})
        assert found.json()["task"]["action"] == "take" and found.elapsed.total_seconds() < 5
        number = newest(owner)["id"]
        task = {"rollout": number, "action": "take", "state": "failed", "text": "no"}
        door.post("/door/status", json={**STATUS, "task": task})
    served.site.doors.remove("quick", by="user:test")


def test_what_is_no_kit_or_for_no_door_is_refused(owner, kits):
    unknown = begin(owner, kits["2.0.tar"], doors=("nobody",))
    assert unknown.status_code == 404 and "nobody" in unknown.json()["text"]
    for fields in ({"kind": "script"}, {"healthy_s": "-1"}, {"doors": ()}, {"extra": "1"}):
        assert begin(owner, kits["2.0.tar"], **fields).status_code == 422
    assert owner.post("/rollouts", data={"kind": "kit", "doors": "a"}).status_code == 415
    assert owner.post("/rollouts/999999/stop").status_code == 404
