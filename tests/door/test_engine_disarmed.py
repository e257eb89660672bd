"""Clock, faults, maintenance and tampering: no face opens a door that is not sound."""

from __future__ import annotations

import math

import pytest

from edgeface.door.event import Fault, Maintenance, Moment, Observation, Reason, Tamper, Tick
from tests.door.door_world import NOON, World, alarms, decision, decisions, opened


def test_clock_that_goes_backwards_disarms_until_it_has_caught_up():
    world = World()
    world.frames(2)
    late = Tick(Moment(world.at - 100, NOON))
    assert alarms(world.send(late)) == [("fault", True)]
    assert world.engine.disarmed == (Reason.DISARMED, "the monotonic clock went backwards")
    assert alarms(world.send(Tick(world.moment()))) == [("fault", False)]
    assert not opened(world.frames(2))  # what was seen before counts for nothing
    assert opened(world.frame())


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf])
def test_time_that_is_no_number_never_opens(at):
    world = World()
    world.frames(2)
    frame = Observation(Moment(at, NOON), 1, 1, (), "Ada", 0.9, 0.5, 0.9)
    assert not opened(world.send(frame))
    world.send(Tick(Moment(at, NOON)))
    assert world.engine.disarmed


@pytest.mark.parametrize("part", ["camera", "model", "gallery", "audit", "actuator", "???"])
def test_fault_keeps_faces_out_until_it_is_over(part):
    world = World()
    world.frames(2)
    assert alarms(world.send(Fault(world.moment(), part, True, "unplugged"))) == [("fault", True)]
    found = decision(world.frames(50))
    assert (found.opens, found.reason, found.detail) == (False, Reason.FAULT, part)
    assert alarms(world.send(Fault(world.moment(), part, False))) == [("fault", False)]
    assert [f.reason for f in decisions(world.frames(20))] == [Reason.RECOGNISED]


def test_two_faults_are_over_when_both_are():
    world = World()
    for part in ("camera", "audit"):
        world.send(Fault(world.moment(), part, True))
    world.send(Fault(world.moment(), "camera", False))
    assert not opened(world.frames(50))


def test_maintenance_and_open_housing_keep_faces_out():
    for begin, reason in ((Maintenance, Reason.MAINTENANCE), (Tamper, Reason.DISARMED)):
        world = World()
        more = ("Eve",) if begin is Maintenance else ()
        world.send(begin(world.moment(), True, *more))
        assert decision(world.frames(50)).reason is reason
        world.send(begin(world.moment(), False, *more))
        assert decision(world.frames(20)).opens


def test_faults_of_more_parts_than_are_told_apart_still_keep_faces_out():
    world = World()
    parts = [f"part {number}" for number in range(40)]
    for part in parts:
        world.send(Fault(world.moment(), part, True))
    for part in parts:
        world.send(Fault(world.moment(), part, False))
    assert world.engine.disarmed == (Reason.FAULT, "others")
    world.send(Fault(world.moment(), "others", False))
    assert world.engine.disarmed is None
