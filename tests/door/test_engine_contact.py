"""The door's contact and the way out: scenarios in words."""

from __future__ import annotations

import pytest

from edgeface.door.event import DoorContact, ExitRequest, Fault, Maintenance, Reason, Tamper
from tests.door.door_world import World, alarms, decision, opened, rules


def contact(world, is_open):
    return alarms(world.send(DoorContact(world.moment(), is_open)))


@pytest.mark.parametrize("trouble", [None, "fault", "maintenance", "tamper", "clock"])
def test_exit_request_opens_whatever_else_is_wrong(trouble):
    world = World(utc=None)
    moment = world.moment()
    for event in {
        "fault": [Fault(moment, "audit", True)],
        "maintenance": [Maintenance(moment, True, "Eve")],
        "tamper": [Tamper(moment, True)],
        "clock": [Tamper(world.moment(9e9), False)],
    }.get(trouble, []):
        world.send(event)
    found = decision(world.send(ExitRequest(moment)))
    assert (found.opens, found.reason, found.pulse_s) == (True, Reason.EXIT_REQUEST, 5.0)


def test_exit_request_is_ignored_where_the_owner_says_so():
    world = World(rules=rules(exit_request_opens=False))
    found = decision(world.send(ExitRequest(world.moment())))
    assert (found.opens, found.reason) == (False, Reason.DISARMED)


def test_door_opened_without_being_released_is_forced():
    world = World()
    assert contact(world, False) == []
    assert contact(world, True) == [("forced", True)]
    assert contact(world, True) == []
    assert contact(world, False) == [("forced", False)]


def test_door_opened_after_a_face_or_a_button_is_not_forced():
    world = World()
    contact(world, False)
    assert opened(world.frames(3))
    world.wait(6)
    assert contact(world, True) == contact(world, False) == []
    world.wait(6)
    assert contact(world, True) == [("forced", True)]
    contact(world, False)
    world.send(ExitRequest(world.moment()))
    assert contact(world, True) == []


def test_door_found_open_at_the_start_is_not_forced_but_may_be_held_open():
    world = World(rules=rules(held_open_s=10.0))
    assert contact(world, True) == []
    assert alarms(world.wait(12)) == [("held_open", True)]


def test_door_that_stands_open_is_reported_once_and_again_when_closed():
    world = World(rules=rules(held_open_s=10.0))
    contact(world, False)
    world.send(ExitRequest(world.moment()))
    contact(world, True)
    assert alarms(world.wait(9)) == []
    assert alarms(world.wait(60)) == [("held_open", True)]
    assert contact(world, False) == [("held_open", False)]


def test_tamper_is_reported_when_it_begins_and_ends():
    world = World()
    assert alarms(world.send(Tamper(world.moment(), True))) == [("tamper", True)]
    assert alarms(world.send(Tamper(world.moment(), True))) == []
    assert alarms(world.send(Tamper(world.moment(), False))) == [("tamper", False)]
