"""Roll-outs in two processes: the agent hands on and tells, the owner's one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from edgeface.agent.fleet_desk import FleetDesk, read_order
from edgeface.agent.fleet_settings import FleetSettings
from edgeface.agent.fleet_state import FleetState, write_state
from edgeface.errors import SiteError
from edgeface.site.wire import STATUS, checked
from tests.agent.fleet_board import TEMPLATE, FileServer
from tests.door.doors import eventually
from tests.site.test_rollout import STATUS as TOLD

COMMAND = [sys.executable, "-m", "edgeface", "agent", "--rollouts", "--config"]
TASK = {"rollout": 7, "action": "take", "kind": "kit", "sha256": "0" * 64, "bytes": 10}


@pytest.fixture
def desk(tmp_path) -> FleetDesk:
    return FleetDesk(tmp_path / "rollout.json", state=tmp_path / "state.json")


def test_what_the_site_asks_for_is_handed_on_until_it_asks_no_more(desk, tmp_path):
    desk.take({"task": TASK})
    assert read_order(tmp_path / "rollout.json") == TASK
    desk.take({"task": None})
    assert read_order(tmp_path / "rollout.json") is None


def test_strange_task_is_refused_and_not_handed_on(desk, tmp_path):
    with pytest.raises(SiteError, match="task: .*command"):
        desk.take({"task": {**TASK, "command": "rm -rf /"}})
    assert not (tmp_path / "rollout.json").exists()


def test_the_site_is_told_what_the_other_process_noted(desk, tmp_path):
    assert desk.status() == {}
    desk.take({"task": TASK})
    assert "edgeface-rollouts.service running?" in desk.status()["task"]["text"]
    write_state(tmp_path / "state.json", FleetState(TASK, "settle", "watching the door"))
    told = desk.status()
    assert told["task"] == {
        **{"rollout": 7, "action": "take", "state": "working"},
        "text": "watching the door",
    }
    checked({**TOLD, **told}, STATUS, what="status")
    desk.take({"task": {**TASK, "action": "back"}})
    assert desk.status()["task"]["action"] == "back"
    desk.take({"task": None})
    assert desk.status() == told  # what became of the last one


def test_number_that_a_site_gives_again_is_another_roll_out(desk, tmp_path):
    write_state(tmp_path / "state.json", FleetState(TASK, "done", "done"))
    desk.take({"task": {**TASK, "sha256": "1" * 64}})
    assert desk.status()["task"]["state"] == "working"


def test_door_without_the_table_says_that_it_takes_none(tmp_path):
    desk = FleetDesk(tmp_path / "rollout.json", state=None)
    desk.take({"task": TASK})
    assert desk.status()["task"]["state"] == "failed" and os.listdir(tmp_path) == []


def test_order_that_is_none_a_link_or_a_pipe_is_nothing(tmp_path):
    order, other = tmp_path / "rollout.json", tmp_path / "other"
    other.write_text(json.dumps(TASK))
    order.symlink_to(other)
    assert read_order(order) is None and read_order(tmp_path / "none") is None
    order.unlink()
    os.mkfifo(order)
    assert read_order(order) is None
    order.unlink()
    order.write_text("{")
    assert read_order(order) is None


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"shell": ["sh"]}, "shell"),
        ({"restart": "reboot"}, "restart"),
        ({"settle_s": -1}, "settle"),
    ],
)
def test_wrong_setting_is_refused_and_named(tmp_path, table, why):
    with pytest.raises(SiteError, match=rf"table \[fleet\]: {why}"):
        FleetSettings.from_settings(table, base=tmp_path, door_config=tmp_path / "door.toml")


def test_process_of_its_own_does_what_is_handed_on_and_ends_when_told(tmp_path):
    (tmp_path / "sent").write_text("[camera]\nsource = 7\n")
    (tmp_path / "door.toml").write_text(TEMPLATE.read_text())
    server = FileServer(tmp_path / "sent")
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o600)
    (tmp_path / "agent.toml").write_text(
        f'site = "{server.url}"\ntoken_file = "token"\ndoor_config = "door.toml"\n'
        '[fleet]\nfolder = "fleet"\nkinds = ["config"]\n'
    )
    process = subprocess.Popen([*COMMAND, tmp_path / "agent.toml"])
    try:
        desk = FleetDesk(
            tmp_path / "state" / "rollout.json", state=tmp_path / "fleet" / "state.json"
        )
        (tmp_path / "state").mkdir()
        desk.take({"task": server.task("config")})
        assert eventually(lambda: desk.status()["task"]["state"] == "failed", within_s=60)
        assert "the door does not answer" in desk.status()["task"]["text"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        server.stop()


def test_without_the_table_the_process_does_not_begin(tmp_path):
    (tmp_path / "door.toml").write_text(TEMPLATE.read_text())
    file = tmp_path / "agent.toml"
    file.write_text('site = "https://s"\ntoken_file = "token"\ndoor_config = "door.toml"\n')
    command = [*COMMAND, file]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "has no [fleet]" in done.stderr
