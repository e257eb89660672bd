"""The door's loop: what is logged before what acts, and that no failing part opens anything."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeface.door.event import Decision, Reason
from tests.door import doorstep
from tests.door.doorstep import NAME, nobody, visit, write_clip
from tests.door.turns import Bolt, log_of, logged


@pytest.fixture(scope="module")
def clip(tmp_path_factory, grace_hopper_bgr) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "known.avi", visit(grace_hopper_bgr))


def test_somebody_enrolled_opens_once_in_a_visit(opened, clip):
    parts = opened(clip)
    parts.turns()
    assert [(told.person, told.reason) for told in parts.bolt.opened] == [(NAME, Reason.RECOGNISED)]


def test_a_stranger_opens_nothing(opened, astronaut_bgr, tmp_path):
    stranger = write_clip(tmp_path / "stranger.avi", visit(astronaut_bgr, frames=60))
    parts = opened(stranger)
    outputs = parts.turns()
    assert not parts.bolt.opened
    assert any(isinstance(output, Decision) for output in outputs)


def test_an_opening_is_on_the_log_before_anything_acts(opened, clip):
    parts = opened(clip)
    seen = []
    parts.bolt.look = lambda output: seen.append(len(logged(parts.folder, "decision")))
    parts.turns()
    assert parts.bolt.opened
    assert seen[0] == 1


def test_lock_that_fails_disarms_the_door_and_nobody_is_told_that_it_opened(opened, clip):
    bell = Bolt("bell", must_work=False)
    parts = opened(clip, bell)
    parts.bolt.look = lambda output: setattr(parts.bolt, "broken", True)
    parts.turns()
    assert not parts.bolt.opened and not bell.opened
    told = [output for output in bell.told if isinstance(output, Decision)]
    assert told[0].reason is Reason.FAULT and not told[0].opens
    assert "bolt" in parts.door.faults
    reasons = [entry["reason"] for entry in logged(parts.folder, "decision")]
    assert reasons[:2] == ["recognised", "fault"]


def test_opening_that_only_the_second_lock_missed_is_told_as_one(opened, clip):
    panel, bell = Bolt("panel"), Bolt("bell", must_work=False)
    parts = opened(clip, bell)
    parts.door._actuators.insert(1, panel)  # after the bolt, which opens
    panel.look = lambda output: setattr(panel, "broken", True)
    parts.turns()
    assert parts.bolt.opened and not panel.opened
    told = [output for output in bell.told if isinstance(output, Decision)]
    assert told[0].opens and told[0].reason is Reason.RECOGNISED
    assert "panel" in parts.door.faults
    assert logged(parts.folder, "decision")[0]["reason"] == "recognised"


def test_bell_that_fails_is_logged_and_the_door_works_on(opened, clip):
    bell = Bolt("bell", must_work=False)
    bell.broken = True
    parts = opened(clip, bell)
    parts.turns()
    assert parts.bolt.opened
    assert "bell" in parts.door.faults


def test_lock_that_works_again_arms_the_door_again(opened, grace_hopper_bgr, tmp_path):
    parts = opened(write_clip(tmp_path / "long.avi", visit(grace_hopper_bgr, frames=60)))
    parts.bolt.broken = True
    parts.turns(1)
    parts.bolt.broken = False
    parts.turns()
    assert parts.bolt.opened
    assert not parts.door.faults


def test_what_cannot_be_logged_does_not_open_and_the_exit_button_still_does(opened, clip):
    parts = opened(clip)
    parts.turns(1)
    parts.bolt.pressed = True
    with full_disk():
        parts.turns()
    assert [told.reason for told in parts.bolt.opened] == [Reason.EXIT_REQUEST]
    assert "audit" in parts.door.faults


@contextmanager
def full_disk() -> Iterator[None]:
    """No file grows any more."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


def test_model_that_fails_opens_nothing_and_the_exit_button_still_does(opened, clip):
    parts = opened(clip)
    parts.turns(1)
    parts.pipeline.close()
    parts.bolt.pressed = True
    parts.turns()
    assert [told.reason for told in parts.bolt.opened] == [Reason.EXIT_REQUEST]
    assert "model" in parts.door.faults


def test_somebody_blocked_meanwhile_is_denied_at_once(opened, pipeline, clip):
    parts = opened(clip)
    with doorstep.open_people(parts.folder, pipeline) as gallery:
        gallery.describe(NAME, blocked=True)
    outputs = parts.turns()
    assert not parts.bolt.opened
    decided = [output.reason for output in outputs if isinstance(output, Decision)]
    assert decided[0] is Reason.BLOCKED


@pytest.mark.parametrize("day", ["2020-01-01", "2026-12-31"])  # for the door it is 2027
def test_somebody_expired_is_denied_and_named_to_the_operator(opened, pipeline, clip, day):
    parts = opened(clip)
    with doorstep.open_people(parts.folder, pipeline) as gallery:
        gallery.describe(NAME, expires_at=day)
    outputs = parts.turns()
    decided = [output for output in outputs if isinstance(output, Decision)]
    assert [(told.reason, told.person) for told in decided] == [(Reason.EXPIRED, NAME)]
    assert not parts.bolt.opened
    (entry,) = logged(parts.folder, "decision")
    assert entry["reason"] == "expired" and entry["person"]  # a pseudonym


def test_somebody_erased_meanwhile_is_a_stranger(opened, pipeline, clip):
    parts = opened(clip)
    with doorstep.open_people(parts.folder, pipeline) as gallery:
        gallery.erase(NAME)
    parts.turns()
    assert not parts.bolt.opened


def test_change_of_the_gallery_islogged(opened, pipeline, clip):
    parts = opened(clip)
    parts.turns(1)
    with doorstep.open_people(parts.folder, pipeline) as gallery:
        gallery.describe(NAME, blocked=True)
    parts.turns(1)
    assert [entry["act"] for entry in logged(parts.folder, "act")] == ["people"]


def test_maintenance_keeps_faces_out_and_is_on_the_log(opened, clip):
    parts = opened(clip)
    parts.bolt.turned = [True]
    outputs = parts.turns()
    decided = [output.reason for output in outputs if isinstance(output, Decision)]
    assert decided == [Reason.MAINTENANCE] and not parts.bolt.opened
    acts = [(entry["act"], entry["by"]) for entry in logged(parts.folder, "act")]
    assert acts == [("maintenance begins", "switch of bolt")]


def test_damaged_picture_is_a_camera_fault_and_opens_nothing(opened, grace_hopper_bgr, tmp_path):
    frames = [frame * 0 for frame in visit(grace_hopper_bgr, frames=10)]
    parts = opened(write_clip(tmp_path / "black.avi", frames))
    parts.turns()
    assert not parts.bolt.opened
    assert "camera" in parts.door.faults


def test_empty_scene_decides_nothing(opened, tmp_path):
    parts = opened(write_clip(tmp_path / "nobody.avi", nobody(frames=20)))
    assert not [output for output in parts.turns() if isinstance(output, Decision)]


def test_log_holds_no_name_and_no_numbers_of_a_face(opened, clip):
    parts = opened(clip)
    parts.turns()
    text = json.dumps(log_of(parts.folder))
    assert NAME not in text and "embedding" not in text


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory, grace_hopper_bgr) -> Path:
    path = tmp_path_factory.mktemp("clip") / "long.avi"
    return write_clip(path, visit(grace_hopper_bgr, frames=30))


def test_visitor_is_shown_what_to_do_and_does_not_get_in_by_standing_there(opened, long_clip):
    bell = Bolt("bell", must_work=False)
    shown: list[str] = []
    bell.show = shown.append
    parts = opened(long_clip, bell, policy='"passive+challenge"')
    parts.turns()
    assert shown[0] == "Look straight at the camera"
    assert "Slowly turn your head to your" in shown[1]
    assert not parts.bolt.opened
