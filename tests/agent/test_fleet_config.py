"""A door takes a configuration: checked before it takes effect, the one before it kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.agent.fleet_config import composed
from edgeface.door.config import read_config
from edgeface.errors import SiteError
from edgeface.toml import read_toml
from tests.agent.fleet_board import ILL, Board, FileServer, kill
from tests.agent.fleet_board import take as take_step
from tests.boards.slot.kits import folder_in_memory
from tests.door.doors import eventually
from tests.door.doorstep import make_doorstep, visit, write_clip

CHANGE = "[gate.track]\nlost_after_s = 3\n"


@pytest.fixture
def board(monkeypatch) -> Iterator[Board]:
    with folder_in_memory() as folder:
        made = Board(folder / "door")
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def serve(tmp_path) -> Iterator[object]:
    servers: list[FileServer] = []

    def start(text: str) -> FileServer:
        file = tmp_path / "sent.toml"
        file.write_text(text)
        servers.append(FileServer(file))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def take(board: Board, server: FileServer, **changes: object) -> dict:
    return take_step(board, server, server.task("config", **changes))


def place(board: Board) -> Path:
    return board.folder / "door.toml"


def test_keys_that_were_sent_change_and_all_else_stays(board, serve):
    before = place(board).read_text()
    assert take(board, serve(CHANGE))["state"] == "done"
    after = place(board).read_text()
    assert read_toml(place(board))["gate"]["track"]["lost_after_s"] == 3
    assert set(before.splitlines()) <= set(after.splitlines())  # comments too
    assert board.running == after.strip()
    assert (board.folder / "door.previous.toml").read_text() == before


def test_whole_configuration_replaces_the_doors_own(board, serve):
    sent = place(board).read_text().replace("# ", "#  ") + "# sent\n"
    assert take(board, serve(sent))["state"] == "done"
    assert place(board).read_text() == sent


def test_configuration_that_does_not_pass_the_check_never_takes_effect(board, serve):
    before = place(board).read_text()
    report = take(board, serve('[camera]\nsource = "/dev/video7"\n'))
    assert report["state"] == "failed" and "the camera is gone" in report["text"]
    assert place(board).read_text() == before and board.running == before.strip()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ("[gate.track]\nlost_after_s = true\n", "found true"),
        ("[gpu]\nfast = true\n", "there is no such field"),
        ("[gate", "not TOML"),
    ],
)
def test_configuration_that_no_door_takes_is_refused_with_the_door_running(board, serve, sent, why):
    before = place(board).read_text()
    (board.folder / "stop").write_text("#!/bin/sh\nexit 1\n")
    report = take(board, serve(sent))
    assert report["state"] == "failed" and why in report["text"]
    assert place(board).read_text() == before and board.running == before.strip()


def test_configuration_of_another_door_is_refused(board, serve):
    name = read_config(place(board)).name
    sent = place(board).read_text().replace(f'"{name}"', '"other"', 1)
    report = take(board, serve(sent))
    assert report["state"] == "failed"
    assert f"door other's configuration, expected {name}'s" in report["text"]


def test_configuration_with_which_the_door_is_unhealthy_is_taken_back(board, serve):
    before = place(board).read_text()
    report = take(board, serve(before + f"# {ILL}\n"))
    assert (report["state"], report["text"]) == (
        "failed",
        "new fault: model: it computes nonsense",
    )
    assert place(board).read_text() == before and board.running == before.strip()


def test_configuration_with_which_the_agent_does_not_begin_is_taken_back(board, serve):
    before, server = place(board).read_text(), serve(CHANGE)
    agent = ["/bin/sh", "-c", f"! grep -q lost_after_s {place(board)}"]
    report = take_step(board, server, server.task("config"), restart_agent=agent)
    assert report["state"] == "failed" and "/bin/sh ended with 1" in report["text"]
    assert place(board).read_text() == before and board.running == before.strip()


def test_the_site_may_have_it_taken_back_later(board, serve):
    before, server = place(board).read_text(), serve(CHANGE)
    take(board, server)
    report = take(board, server, action="back")
    assert (report["state"], report["text"]) == ("done", "went back")
    assert place(board).read_text() == before and board.running == before.strip()


def test_file_that_somebody_else_changed_meanwhile_stays(board, serve):
    server = serve(CHANGE)
    take(board, server)
    place(board).write_text(place(board).read_text() + "# by hand\n")
    report = take(board, server, action="back")
    assert report["state"] == "failed" and "changed by somebody else" in report["text"]
    assert place(board).read_text().endswith("# by hand\n")


def test_mode_of_the_file_stays(board, serve):
    place(board).chmod(0o640)
    umask = os.umask(0o077)
    try:
        take(board, serve(CHANGE))
    finally:
        os.umask(umask)
    assert place(board).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("phase", ["apply", "settle", "back"])
def test_agent_that_is_killed_goes_on(board, serve, phase):
    before = place(board).read_text()
    server = serve(before + f"# {ILL}\n" if phase == "back" else CHANGE)
    slow = board.folder / {"apply": "check", "settle": "restart", "back": "restart"}[phase]
    text = slow.read_text()
    held = "grep -q back fleet/state.json && sleep 60" if phase == "back" else "sleep 60"
    slow.write_text(text.replace("exit 1\n", f"exit 1\n{held}\n", 1))  # after its "cd"
    task = server.task("config")
    process = board.agent(server.url, task)
    assert eventually(lambda: board.phase() == phase, within_s=60)
    kill(process)
    slow.write_text(text)
    report = board.report_of(board.agent(server.url, task))
    if phase == "back":
        assert report["state"] == "failed" and place(board).read_text() == before
    else:
        assert report["state"] == "done" and "lost_after_s = 3" in place(board).read_text()
    assert board.running == place(board).read_text().strip()


def test_the_real_check_lets_through_what_works_and_refuses_a_camera_that_is_not_there(
    tmp_path, serve, pipeline, grace_hopper_bgr
):
    place = make_doorstep(tmp_path / "front", pipeline, grace_hopper_bgr, source='"visit.avi"')
    write_clip(place.parent / "visit.avi", visit(grace_hopper_bgr, frames=3))
    board = Board(tmp_path / "board")
    check = [sys.executable, "-m", "edgeface", "door", "--check", "--config", "{file}"]
    before = place.read_bytes()
    for sent, state in ((CHANGE, "done"), ('[camera]\nsource = "gone.avi"\n', "failed")):
        server = serve(sent)
        task = server.task("config", rollout=len(sent))
        report = take_step(board, server, task, door_config=place, check=check)
        assert report["state"] == state, report
    assert "gone.avi" in report["text"]
    assert place.read_bytes() != before and "gone" not in place.read_text()


def test_merging_keeps_lists_whole_and_refuses_what_is_no_toml(tmp_path):
    place = tmp_path / "door.toml"
    place.write_text('name = "a"\n[x]\nlist = [1, 2] # kept\n[x.y]\nz = 1\n')
    merged = composed(place, b"[x]\nlist = [3]\n[x.y]\nnew = true\n[[actuators]]\nname = 'r'\n")
    place.write_bytes(merged)
    assert read_toml(place) == {
        "name": "a",
        "x": {"list": [3], "y": {"z": 1, "new": True}},
        "actuators": [{"name": "r"}],
    }
    with pytest.raises(SiteError, match="not TOML"):
        composed(place, b"\xff")
