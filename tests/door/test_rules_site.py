"""The site's rules at a running door: taken whole, without a restart, and never half."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from edgeface.door.assemble import open_log, open_models, open_people, perceive_and_decide
from edgeface.door.camera import Camera
from edgeface.door.clock import Clock
from edgeface.door.config import read_config
from edgeface.door.event import Decision, Reason
from edgeface.door.notify import Notifier
from edgeface.door.rules_site import SiteTables, read_site_rules
from edgeface.door.run import Door
from edgeface.errors import DoorError
from tests.door.doorstep import make_doorstep, visit, write_clip

NEVER = {"groups": {"default": {"schedule": "never"}}}
ALWAYS = {"groups": {"default": {"schedule": "always"}}}


def write_rules(path: Path, version: int, tables: Any) -> None:
    """As the agent does: the whole file changes at once."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"version": version, "tables": tables}))
    os.replace(part, path)


class Running:
    """A door at work before a clip, with rules of a site."""

    def __init__(self, folder: Path, config, models, gallery, camera, audit) -> None:
        self.rules = folder / "site-rules.json"
        self._folder, self._audit = folder, audit
        self.door = Door(
            camera=camera,
            clock=Clock(trust_clock=True, monotonic=camera.now, wall=lambda: 1.8e9 + camera.now()),
            gallery=gallery,
            actuators=(),
            audit=audit,
            notifier=Notifier(None),
            **perceive_and_decide(config, models, gallery),
        )

    def turns(self, count: int = 1000) -> list[Decision]:
        """What it decided in so many turns, or until the clip's end."""
        decided: list[Decision] = []
        for _ in range(count):
            outputs = self.door.turn()
            if outputs is None:
                break
            decided += [output for output in outputs if isinstance(output, Decision)]
        return decided

    def log(self, kind: str) -> list[dict]:
        files = sorted((self._folder / "audit").glob("*.jsonl"))
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [line for line in lines if line["kind"] == kind]


@pytest.fixture(scope="module")
def clip(tmp_path_factory, grace_hopper_bgr) -> Path:
    return write_clip(
        tmp_path_factory.mktemp("clip") / "known.avi", visit(grace_hopper_bgr, frames=30)
    )


@pytest.fixture
def running(tmp_path, pipeline, grace_hopper_bgr, clip):
    file = make_doorstep(tmp_path, pipeline, grace_hopper_bgr, source=f'"{clip}"')
    file.write_text('site_rules = "site-rules.json"\n' + file.read_text())
    config = read_config(file)
    with open_models(config) as models, open_people(config, models) as gallery:
        table = config.table("camera")
        with Camera.from_settings(table, base=tmp_path, realtime=False) as camera:
            clock = Clock(trust_clock=True)
            with open_log(config, models, clock) as audit:
                yield Running(tmp_path, config, models, gallery, camera, audit)


def opened(decided: list[Decision]) -> list[Decision]:
    return [decision for decision in decided if decision.opens]


def test_site_s_entry_holds_over_door_toml_s_and_the_rest_is_door_toml_s():
    own = {"name": "front", "schedules": {"a": {"days": ["mon"]}, "b": {}}, "decision": {"of": 7}}
    site = {"schedules": {"a": {"times": ["07:00-08:00"]}}, "groups": {"g": {"schedule": "a"}}}
    assert SiteTables(3, site).over(own) == {
        "name": "front",
        "schedules": {"a": {"times": ["07:00-08:00"]}, "b": {}},
        "groups": {"g": {"schedule": "a"}},
        "decision": {"of": 7},
    }


def test_door_whose_site_has_said_nothing_yet_goes_by_door_toml(running):
    assert len(opened(running.turns())) == 1
    assert running.door.rules_version is None and not running.door.faults


def test_rules_that_are_there_at_the_start_hold(running):
    write_rules(running.rules, 4, NEVER)
    decided = running.turns(14)
    assert not opened(decided) and decided[0].reason is Reason.SCHEDULE
    assert running.door.rules_version == 4
    (act,) = running.log("act")
    assert (act["act"], act["by"], act["detail"]) == ("rules", "site", "version 4")


def test_running_door_takes_new_rules_and_nobody_seen_before_gets_in_by_them(running):
    write_rules(running.rules, 1, NEVER)
    running.turns(9)
    write_rules(running.rules, 2, ALWAYS)
    assert not opened(running.turns(5)) and running.door.rules_version == 2


def test_running_door_denies_by_new_rules_at_once(running):
    running.turns(2)
    write_rules(running.rules, 1, NEVER)
    assert not opened(running.turns(14))


@pytest.mark.parametrize(
    "tables",
    [
        {"groups": {"default": {"schedule": "no such"}}},
        {"groups": {"default": {"schedule": "always", "opens": True}}},
        {"decision": {"frames": 9, "of": 2}},
        {"liveness": {"policy": "none", "i_understand": True}},
        {"groups": []},
    ],
)
def test_rules_that_cannot_be_leave_those_before_and_a_line_in_the_log(running, tables):
    write_rules(running.rules, 1, NEVER)
    running.turns(1)
    write_rules(running.rules, 2, tables)
    running.turns(1)
    assert running.door.rules_version == 1 and "rules" in running.door.faults
    assert [line["part"] for line in running.log("fault")] == ["rules"]
    write_rules(running.rules, 3, ALWAYS)
    running.turns(1)
    assert running.door.rules_version == 3 and not running.door.faults
    assert [line["state"] for line in running.log("fault")] == ["begins", "ends"]


def test_rules_broken_at_the_start_open_for_nobody_until_they_are_right(running):
    running.rules.write_text('{"version": 1, "tables": {"groups"')
    decided = running.turns(2)
    assert not opened(decided) and decided[0].reason is Reason.FAULT
    write_rules(running.rules, 2, {**ALWAYS, "decision": {"retry_s": 0.5}})
    assert len(opened(running.turns())) == 1


def test_rules_that_vanish_hold_on(running):
    write_rules(running.rules, 1, NEVER)
    running.turns(1)
    running.rules.unlink()
    running.turns(1)
    assert running.door.rules_version == 1
    assert "gone" in running.door.faults["rules"]


def test_file_that_is_no_rules_is_an_error_that_says_what_to_do(tmp_path):
    path = tmp_path / "site-rules.json"
    assert read_site_rules(path) is None
    for text in ("", "[]", '{"version": -1, "tables": {}}', '{"version": 1, "tables": {"x": {}}}'):
        path.write_text(text)
        with pytest.raises(DoorError, match="remove it, and edgeface agent writes it anew"):
            read_site_rules(path)
    path.write_bytes(b" " * (2 << 20))
    with pytest.raises(DoorError, match="more than"):
        read_site_rules(path)
