"""Roll-outs as the site sees them: one door after another, each healthy before the next begins."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from edgeface.errors import (
    SiteConflictError,
    SiteError,
    UnknownEntryError,
)
from edgeface.site.database import Database
from edgeface.site.rollout import Rollouts
from edgeface.site.rollout_door import GRACE_S, SILENCE_S

DOORS = ("front", "back", "garage")
STATUS = {
    "edgeface": "0.6.0",
    "bundle": "default 0.5.0",
    "model_id": "m1",
    "config": "c1",
    "rules": 1,
    "people": 3,
    "clock": "synchronised",
    "faults": {},
    "latency_p95_ms": 100.0,
}


class Clock:
    """The time, as the test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 31, 8, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now


class Site:
    """Roll-outs, the time, and doors that tell how they are."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.clock = Clock()
        self.rollouts = Rollouts(database, folder, now=self.clock)

    def pass_s(self, seconds: float) -> None:
        self.clock.now += timedelta(seconds=seconds)

    def tell(self, door: str, state: str | None = None, text: str = "", **status: Any) -> None:
        """Report as a door does; with `state`, of the step that it was given."""
        task = self.rollouts.task_for(door)
        told = {**STATUS, **status}
        if state and task:
            number, action = task["rollout"], task["action"]
            told["task"] = {"rollout": number, "action": action, "state": state, "text": text}
        self.rollouts.report(door, told)

    def tell_for(self, door: str, seconds: float, **status: Any) -> None:
        """Report every 5 seconds for so long."""
        for _ in range(int(seconds / 5)):
            self.pass_s(5)
            self.tell(door, **status)

    def states(self) -> list[str]:
        """Of the newest roll-out, and of its doors."""
        newest = self.rollouts.all()[0]
        return [newest.head.state, *(door.state for door in newest.doors)]


@pytest.fixture
def site(database, tmp_path) -> Site:
    return Site(database, tmp_path / "rollouts")


@pytest.fixture
def change(tmp_path) -> Path:
    """A configuration for several doors."""
    file = tmp_path / "change.toml"
    file.write_text("[camera]\nfps = 10\n")
    return file


def begin(site: Site, file: Path, **limits: float) -> int:
    limits = {"healthy_s": 30.0, **limits}
    return site.rollouts.create("config", file, doors=DOORS, by="user:ada", **limits).head.id


def test_doors_take_it_one_after_another_and_the_roll_out_is_done(site, change):
    number = begin(site, change)
    for at, door in enumerate(DOORS):
        for other in DOORS:
            site.tell(other)
        assert [bool(site.rollouts.task_for(other)) for other in DOORS] == [
            other == door for other in DOORS
        ]
        assert site.rollouts.file_for(door, number).read_bytes() == change.read_bytes()
        site.tell(door, "working", "checking")
        site.tell(door, "done")
        assert site.states()[1 + at] == "watched"
        site.tell_for(door, 40, state="done")
        assert site.states()[1 + at] == "done"
    assert site.states() == ["done"] * 4
    steps = [(step.door, step.text) for step in site.rollouts.get(number).steps]
    assert ("front", "working: checking") in steps and steps[-1] == (
        None,
        "done: every door has it",
    )


def test_step_that_fails_stops_the_roll_out_at_once(site, change):
    begin(site, change)
    site.tell("front")
    site.tell("front", "done")
    site.tell_for("front", 40)
    site.tell("back")
    site.tell("back", "failed", "its self-test ended with 1")
    assert site.states() == ["failed", "done", "failed", "left"]
    site.tell_for("garage", 100)
    assert site.rollouts.task_for("garage") is None
    head = site.rollouts.all()[0].head
    assert head.text == "at back: its self-test ended with 1" and head.ended_at
    (failure,) = site.rollouts.failures()
    assert (failure.door, failure.text) == ("back", "its self-test ended with 1")
    site.pass_s(86401)
    assert site.rollouts.failures() == ()


@pytest.mark.parametrize(
    ("worse", "why"),
    [
        ({"faults": {"camera": "no frame"}}, "new fault: camera: no frame"),
        ({"model_id": "m2"}, "its model is m2, expected m1"),
        ({"latency_p95_ms": 151.0}, "latency p95 151 ms, 100 ms before: expected at most x 1.5"),
    ],
)
def test_door_that_is_worse_than_before_goes_back_and_no_other_begins(site, change, worse, why):
    begin(site, change)
    site.tell("front")
    site.tell("front", "done")
    site.tell_for("front", GRACE_S, **worse)
    assert site.states() == ["running", "watched", "waiting", "waiting"]
    site.tell_for("front", 10, **worse)
    assert site.states() == ["failed", "going back", "left", "left"]
    assert site.rollouts.task_for("front")["action"] == "back"
    site.tell("front", "done")
    newest = site.rollouts.all()[0]
    assert newest.doors[0].text == f"went back: {why}" and newest.head.text == f"at front: {why}"


def test_fault_that_was_there_before_and_one_that_passes_are_none(site, change):
    begin(site, change)
    site.tell("front", faults={"mqtt": "no broker"})
    site.tell("front", "done")
    site.tell_for("front", 20, faults={"mqtt": "no broker", "camera": "starting"})
    site.tell_for("front", 25, faults={"mqtt": "no broker"})
    assert site.states()[1] == "watched"
    site.tell_for("front", 15)
    assert site.states()[1] == "done"


def test_door_that_was_silent_is_not_taken_for_healthy(site, change):
    begin(site, change)
    site.tell("front")
    site.tell("front", "done")
    site.tell_for("front", 10)
    site.pass_s(SILENCE_S + 1)
    site.tell("front")
    assert site.states()[1] == "watched"
    site.tell_for("front", 35)
    assert site.states()[1] == "done"


def test_next_door_begins_after_the_pause(site, change):
    begin(site, change, pause_s=100.0)
    site.tell("front")
    site.tell("front", "done")
    site.tell_for("front", 40)
    site.tell_for("back", 80)
    assert site.states()[2] == "waiting"
    site.tell_for("back", 30)
    assert site.states()[2] == "working"


def test_door_that_is_not_connected_is_waited_for_and_one_that_never_ends_is_not(site, change):
    number = begin(site, change, patience_s=600.0)
    site.pass_s(86400)
    assert site.states()[:2] == ["running", "waiting"]
    site.tell("front")
    site.pass_s(601)
    assert [failure.door for failure in site.rollouts.failures()] == ["front"]
    assert site.states() == ["failed", "failed", "left", "left"]
    with pytest.raises(UnknownEntryError, match="nothing to fetch"):
        site.rollouts.file_for("front", number)


def test_stop_begins_no_other_door_and_lets_the_one_at_work_finish(site, change):
    number = begin(site, change)
    site.tell("front")
    site.rollouts.stop(number, by="user:ada")
    assert site.states() == ["stopped", "working", "left", "left"]
    with pytest.raises(SiteConflictError, match="front is still at work"):
        begin(site, change)
    site.tell("front", "done")
    site.tell_for("front", 40)
    assert site.states() == ["stopped", "done", "left", "left"]
    assert site.rollouts.stop(number, by="user:bob").head.text == "by user:ada"
    begin(site, change)


def test_one_roll_out_runs_at_a_time(site, change):
    number = begin(site, change)
    with pytest.raises(SiteConflictError, match=f"roll-out {number} runs"):
        begin(site, change)


def test_site_that_is_restarted_goes_on(site, change, database, tmp_path):
    begin(site, change)
    site.tell("front")
    again = Site(database, tmp_path / "rollouts")
    again.clock.now = site.clock.now
    again.tell("front", "done")
    again.tell_for("front", 40)
    again.tell("back")
    assert again.states() == ["running", "done", "working", "waiting"]


def test_two_that_report_for_a_door_at_once_begin_its_step_once(site, change):
    import threading

    number = begin(site, change)
    threads = [threading.Thread(target=site.tell, args=("front",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [step.text for step in site.rollouts.get(number).steps if step.door]
    assert texts == ["working: its turn"]


def test_report_of_another_roll_out_or_action_changes_nothing(site, change):
    number = begin(site, change)
    site.tell("front")
    for other in ({"rollout": number + 1}, {"action": "back"}):
        task = {"rollout": number, "action": "take", "state": "done", "text": "", **other}
        site.rollouts.report("front", {**STATUS, "task": task})
    assert site.states()[1] == "working"
    with pytest.raises(SiteError, match="task of a status"):
        site.rollouts.report("front", {**STATUS, "task": {"rollout": number}})


@pytest.mark.parametrize(
    ("text", "doors", "why"),
    [
        ("", DOORS, "holds nothing"),
        ("camera = [", DOORS, "is not TOML"),
        ("[gpu]\nfast = true\n", DOORS, "holds gpu"),
        ('name = "front"\n', ("front",), "expected the field"),
        ("[camera]\nfps = 10\n", (), "doors none"),
        ("[camera]\nfps = 10\n", ("front", "front"), "each once"),
        ("[camera]\nfps = 10\n", ("../etc",), "expected names of doors"),
    ],
)
def test_configuration_that_is_none_is_refused(site, tmp_path, text, doors, why):
    file = tmp_path / "change.toml"
    file.write_text(text)
    with pytest.raises(SiteError, match=why):
        site.rollouts.create("config", file, doors=doors, by="user:ada")
    assert site.rollouts.all() == ()


def test_whole_configuration_is_for_the_door_that_it_names(site, tmp_path, repository):
    file = tmp_path / "door.toml"
    file.write_text((repository / "edgeface/door/template.toml").read_text())
    with pytest.raises(SiteError, match="is the whole door.toml of"):
        site.rollouts.create("config", file, doors=DOORS, by="user:ada")


def test_numbers_that_are_none_are_refused(site, change):
    with pytest.raises(SiteError, match="limits"):
        begin(site, change, healthy_s=-1.0)
    with pytest.raises(SiteError, match="kind"):
        site.rollouts.create("script", change, doors=DOORS, by="user:ada")
    with pytest.raises(UnknownEntryError, match="no roll-out 7"):
        site.rollouts.get(7)


def test_overview_is_plain_json(site, change):
    import json

    begin(site, change)
    site.tell("front")
    (told,) = json.loads(json.dumps(site.rollouts.overview()))
    assert told["made_at"] == "2030-01-31T08:00:00Z" and told["label"] == "door.toml: camera"
    assert told["doors"][0]["before"]["model_id"] == "m1" and told["steps"][0]["door"] is None
